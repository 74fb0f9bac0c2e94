package main

import (
	"fmt"
	"os"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/provisor/provisor/plugins/echo/internal/script"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest"
)

// respondStep responds at once: with what the step says, or with the Complete as it is.
func (p *performance) respondStep(s script.Step) error {
	if s.JSON == nil {
		p.respond(response(p.request, p.complete))
		return nil
	}
	r := new(pb.Response)
	if err := protojson.Unmarshal(s.JSON, r); err != nil {
		return err
	}
	b, err := proto.Marshal(r)
	if err != nil {
		return err
	}
	p.respond(b)
	return nil
}

// respond hands over a Response. That the host refuses it is told in the host's log and does not end the script: a plugin
// that misbehaves does not care.
func (p *performance) respond(b []byte) {
	p.answered = true
	if err := guest.Respond(b); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// respondWithError answers with the reason why the host did not take the answer, such as its size.
func (p *performance) respondWithError(reason error) {
	complete := p.complete.ProtoReflect().New().Interface()
	setError(complete, reason.Error())
	p.respond(response(p.request, complete))
}

// response is the serialized Response with that Complete.
func response(request string, complete proto.Message) []byte {
	r := new(pb.Response).ProtoReflect()
	field := r.Descriptor().Fields().ByName(protoreflect.Name(request))
	r.Set(field, protoreflect.ValueOfMessage(complete.ProtoReflect()))
	b, err := proto.Marshal(r.Interface())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return b
}

// returnStatus ends the script with what provisor_handle is to return. Nothing is answered but what respond did.
func (p *performance) returnStatus(s script.Step) error {
	p.answered, p.status = true, int32(s.Number)
	return errDone
}

// crash panics where nothing recovers, which ends the instance.
func (p *performance) crash(s script.Step) error {
	go panic(s.Text)
	return hang()
}

// exhaust takes memory until there is none.
func (p *performance) exhaust(script.Step) error {
	for {
		if err := p.takeMemory(script.Step{Number: 1 << 20}); err != nil {
			return err
		}
	}
}

// spin never comes back, nor calls the host.
func spin() error {
	for {
		compute(1 << 20)
	}
}

// hang sleeps for ever, whatever the context says.
func hang() error {
	for {
		time.Sleep(time.Hour)
	}
}
