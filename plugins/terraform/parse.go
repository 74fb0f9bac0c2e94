package main

import (
	"context"

	"github.com/provisor/provisor/plugins/terraform/internal/config"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	guest "github.com/provisor/provisor/sdk-guest"
)

// Parse tells what the template asks for. It needs no engine, only to know which one will read the template.
func (provisioner) Parse(context.Context, *pb.ParseRequest) *pb.ParseComplete {
	return config.Parse(guest.WorkDir(), engineName())
}
