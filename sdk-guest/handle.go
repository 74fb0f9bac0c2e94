package guest

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// What provisor_handle returns. The host takes anything but 0 for a failure of the plugin.
const (
	statusOK int32 = iota
	// statusBadRequest: the bytes are no request that a plugin answers.
	statusBadRequest
	// statusNotRegistered: the plugin never called Register.
	statusNotRegistered
	// statusNotDelivered: the host took no answer.
	statusNotDelivered
)

// handle answers one serialized request with p, or with what is registered, and returns what provisor_handle returns.
func handle(p Provisioner, request []byte) int32 {
	ctx, end := begin()
	defer end()
	if p == nil {
		if registeredRaw != nil {
			return registeredRaw(ctx, request)
		}
		p = registered
	}
	if p == nil {
		return complain(statusNotRegistered, "no provisioner: call guest.Register in an init function")
	}
	c, err := decodeCall(request)
	if err != nil {
		return complain(statusBadRequest, "%v", err)
	}
	return deliver(c, c.answer(ctx, p))
}

func complain(status int32, format string, args ...any) int32 {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	return status
}

// deliver hands the answer over. One that can't be serialized or that the host does not take, as being too big, is
// replaced by an answer that says so.
func deliver(c call, answer *pb.Response) int32 {
	err := marshalAndRespond(answer)
	if err == nil {
		return statusOK
	}
	if again := marshalAndRespond(c.undelivered(err)); again != nil {
		return complain(statusNotDelivered, "deliver the answer to %s: %v; and say so: %v", c.name, err, again)
	}
	return statusOK
}

func marshalAndRespond(answer *pb.Response) error {
	b, err := proto.Marshal(answer)
	if err != nil {
		return err
	}
	return Respond(b)
}

// call is what there is to know of one kind of request.
type call struct {
	name string
	// run calls the method; the answer is nil if the method's was.
	run func(context.Context, Provisioner) *pb.Response
	// failure is an answer of the right kind with that error.
	failure func(text string) *pb.Response
}

// undelivered is the answer in the place of one that could not be delivered.
func (c call) undelivered(err error) *pb.Response {
	return c.failure(fmt.Sprintf("deliver the answer to %s: %v", c.name, err))
}

// answer calls the method, and makes an answer with an error of a panic or of none at all.
func (c call) answer(ctx context.Context, p Provisioner) (r *pb.Response) {
	defer func() {
		if v := recover(); v != nil {
			// The stack is for the plugin's author, and may tell of the machine it was built on: the host's log, not the client.
			fmt.Fprintf(os.Stderr, "panic in %s: %v\n\n%s", c.name, v, debug.Stack())
			r = c.failure(fmt.Sprintf("the plugin panicked in %s: %v", c.name, v))
		}
	}()
	if r = c.run(ctx, p); r == nil {
		return c.failure("the plugin has no answer to " + c.name)
	}
	return r
}

func decodeCall(request []byte) (call, error) {
	req, err := decodeRequest(request)
	if err != nil {
		return call{}, fmt.Errorf("decode the request: %w", err)
	}
	c, ok := callFor(req)
	if !ok {
		return call{}, fmt.Errorf("a request of the type %T is not for plugins", req.GetType())
	}
	return c, nil
}

// callFor looks up the method for a request; not ok for the requests that the host keeps to itself.
func callFor(req *pb.Request) (c call, ok bool) {
	switch t := req.GetType().(type) {
	case *pb.Request_Init:
		return newCall("init", t.Init, Provisioner.Init, wrapInit, func(e string) *pb.InitComplete { return &pb.InitComplete{Error: e} }), true
	case *pb.Request_Parse:
		return newCall("parse", t.Parse, Provisioner.Parse, wrapParse, func(e string) *pb.ParseComplete { return &pb.ParseComplete{Error: e} }), true
	case *pb.Request_Plan:
		return newCall("plan", t.Plan, Provisioner.Plan, wrapPlan, func(e string) *pb.PlanComplete { return &pb.PlanComplete{Error: e} }), true
	case *pb.Request_Apply:
		return newCall("apply", t.Apply, Provisioner.Apply, wrapApply, func(e string) *pb.ApplyComplete { return &pb.ApplyComplete{Error: e} }), true
	case *pb.Request_Graph:
		return newCall("graph", t.Graph, Provisioner.Graph, wrapGraph, func(e string) *pb.GraphComplete { return &pb.GraphComplete{Error: e} }), true
	}
	return call{}, false
}

func newCall[Req any, Complete any](
	name string, req Req,
	method func(Provisioner, context.Context, Req) *Complete,
	wrap func(*Complete) *pb.Response,
	failed func(text string) *Complete,
) call {
	return call{
		name: name,
		run: func(ctx context.Context, p Provisioner) *pb.Response {
			complete := method(p, ctx, req)
			if complete == nil {
				return nil
			}
			return wrap(complete)
		},
		failure: func(text string) *pb.Response { return wrap(failed(text)) },
	}
}

// The wrap functions put a Complete into a Response. An error is often a program's words, so it may hold bytes that are
// not UTF-8, which would make the whole answer impossible to serialize.

func wrapInit(c *pb.InitComplete) *pb.Response {
	c.Error = validUTF8(c.Error)
	return &pb.Response{Type: &pb.Response_Init{Init: c}}
}

func wrapParse(c *pb.ParseComplete) *pb.Response {
	c.Error = validUTF8(c.Error)
	return &pb.Response{Type: &pb.Response_Parse{Parse: c}}
}

func wrapPlan(c *pb.PlanComplete) *pb.Response {
	c.Error = validUTF8(c.Error)
	return &pb.Response{Type: &pb.Response_Plan{Plan: c}}
}

func wrapApply(c *pb.ApplyComplete) *pb.Response {
	c.Error = validUTF8(c.Error)
	return &pb.Response{Type: &pb.Response_Apply{Apply: c}}
}

func wrapGraph(c *pb.GraphComplete) *pb.Response {
	c.Error = validUTF8(c.Error)
	return &pb.Response{Type: &pb.Response_Graph{Graph: c}}
}

func validUTF8(s string) string {
	if utf8.ValidString(s) { // which is quick to see
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
