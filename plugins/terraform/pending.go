package main

import (
	"context"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Parse tells what the template asks for.
func (provisioner) Parse(context.Context, *pb.ParseRequest) *pb.ParseComplete {
	return new(pb.ParseComplete)
}

func variableTypes() map[string]string { return nil }

func overrideBackend() error { return nil }

func addModules(*pb.InitComplete, bool) {}
