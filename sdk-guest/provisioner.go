package guest

import (
	"context"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Provisioner is what a plugin implements: one method for each request. A failure of the work is told in the answer's
// error. An answer that is nil becomes an answer with an error.
//
// The context is canceled when the client cancels the request, and when its session is over. It notices while it is looked
// at (Err, Done) and whenever a call into the host reports a cancel. A canceled method still answers: with what it has,
// and with an error that says what was canceled.
type Provisioner interface {
	Init(ctx context.Context, req *pb.InitRequest) *pb.InitComplete
	Parse(ctx context.Context, req *pb.ParseRequest) *pb.ParseComplete
	Plan(ctx context.Context, req *pb.PlanRequest) *pb.PlanComplete
	Apply(ctx context.Context, req *pb.ApplyRequest) *pb.ApplyComplete
	Graph(ctx context.Context, req *pb.GraphRequest) *pb.GraphComplete
}

// registered is the plugin's provisioner. A module is one plugin, so there is one.
var registered Provisioner

// Register makes p the plugin's provisioner. Call it once, from an init function: a plugin is a library whose main
// function does not run.
func Register(p Provisioner) {
	if p == nil {
		panic("guest.Register: the provisioner is nil")
	}
	if registered != nil || registeredRaw != nil {
		panic("guest.Register was called twice: a plugin has one provisioner")
	}
	registered = p
}

// Unimplemented answers every request with an error that says so. Embed it in a provisioner that answers only some.
type Unimplemented struct{}

var _ Provisioner = Unimplemented{}

func unimplemented(request string) string {
	return "this plugin does not answer " + request + " requests"
}

// Init answers with an error.
func (Unimplemented) Init(context.Context, *pb.InitRequest) *pb.InitComplete {
	return &pb.InitComplete{Error: unimplemented("init")}
}

// Parse answers with an error.
func (Unimplemented) Parse(context.Context, *pb.ParseRequest) *pb.ParseComplete {
	return &pb.ParseComplete{Error: unimplemented("parse")}
}

// Plan answers with an error.
func (Unimplemented) Plan(context.Context, *pb.PlanRequest) *pb.PlanComplete {
	return &pb.PlanComplete{Error: unimplemented("plan")}
}

// Apply answers with an error.
func (Unimplemented) Apply(context.Context, *pb.ApplyRequest) *pb.ApplyComplete {
	return &pb.ApplyComplete{Error: unimplemented("apply")}
}

// Graph answers with an error.
func (Unimplemented) Graph(context.Context, *pb.GraphRequest) *pb.GraphComplete {
	return &pb.GraphComplete{Error: unimplemented("graph")}
}
