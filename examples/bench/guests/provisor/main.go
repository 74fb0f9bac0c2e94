// Command provisor is the comparison's plugin for Provisor.
package main

import (
	"context"
	"os"

	"github.com/provisor/provisor/examples/bench/internal/parse"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	guest "github.com/provisor/provisor/sdk-guest"
)

func init() {
	guest.Register(provisioner{})
	// What parsing makes once, the snapshot has.
	parse.Source([]byte(parse.Template))
}

func main() {}

type provisioner struct{ guest.Unimplemented }

func (provisioner) Init(ctx context.Context, req *pb.InitRequest) *pb.InitComplete {
	if err := guest.ExtractArchive(ctx, req.GetTemplateSourceArchive(), guest.ArchiveOptions{}); err != nil {
		return &pb.InitComplete{Error: err.Error()}
	}
	return new(pb.InitComplete)
}

func (provisioner) Parse(context.Context, *pb.ParseRequest) *pb.ParseComplete {
	return parse.Dir(guest.WorkDir())
}

// Plan ends the instance, so that the next request needs another.
func (provisioner) Plan(context.Context, *pb.PlanRequest) *pb.PlanComplete {
	os.Exit(1)
	return nil
}
