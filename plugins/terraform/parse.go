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

// variableTypes are the types of the template's variables, as they are written. What can't be parsed has none: the engine
// will say why.
func variableTypes() map[string]string {
	types := make(map[string]string)
	for _, v := range config.Parse(guest.WorkDir(), engineName()).GetTemplateVariables() {
		types[v.GetName()] = v.GetType()
	}
	return types
}
