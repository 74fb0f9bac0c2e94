// Command echo is a plugin that does what a script in the template says, well or badly: for tests of a host and of its
// clients, and for demonstrations. README.md describes the script; a template without one is answered politely.
package main

import (
	"context"
	"fmt"
	"os"

	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest"
)

func init() { guest.RegisterRaw(handle) }

func main() {}

// What handle returns beside what a script asks for.
const (
	statusOK         = 0
	statusBadRequest = 1
)

// handle answers a request as the SDK would, unless the script has seen to the answer itself.
func handle(ctx context.Context, request []byte) int32 {
	p := new(provisioner)
	response, err := guest.Answer(ctx, p, request)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return statusBadRequest
	}
	if p.answered {
		return p.status
	}
	if err := guest.Respond(response); err != nil {
		p.respondWithError(err)
	}
	return statusOK
}

// provisioner answers one request.
type provisioner struct{ performance }

var _ guest.Provisioner = (*provisioner)(nil)

// Init extracts the template, the script with it.
func (p *provisioner) Init(ctx context.Context, req *pb.InitRequest) *pb.InitComplete {
	if err := guest.ExtractArchive(ctx, req.GetTemplateSourceArchive(), guest.ArchiveOptions{}); err != nil {
		p.performance = performance{request: "init", complete: &pb.InitComplete{}}
		return &pb.InitComplete{Error: err.Error()}
	}
	return perform(ctx, p, "init", req, &pb.InitComplete{})
}

// Parse answers with an empty Complete, or with what the script says.
func (p *provisioner) Parse(ctx context.Context, req *pb.ParseRequest) *pb.ParseComplete {
	return perform(ctx, p, "parse", req, &pb.ParseComplete{})
}

// Plan answers with an empty Complete, or with what the script says.
func (p *provisioner) Plan(ctx context.Context, req *pb.PlanRequest) *pb.PlanComplete {
	return perform(ctx, p, "plan", req, &pb.PlanComplete{})
}

// Apply answers with an empty Complete, or with what the script says.
func (p *provisioner) Apply(ctx context.Context, req *pb.ApplyRequest) *pb.ApplyComplete {
	return perform(ctx, p, "apply", req, &pb.ApplyComplete{})
}

// Graph answers with an empty Complete, or with what the script says.
func (p *provisioner) Graph(ctx context.Context, req *pb.GraphRequest) *pb.GraphComplete {
	return perform(ctx, p, "graph", req, &pb.GraphComplete{})
}

func perform[Complete proto.Message](ctx context.Context, p *provisioner, request string, req proto.Message, complete Complete) Complete {
	p.performance = performance{ctx: ctx, request: request, req: req, complete: complete}
	p.perform()
	return complete
}
