package host_test

import (
	"context"
	"fmt"
	"log"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/client/template"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// A program of its own runs a template: no daemon, no gRPC.
func Example() {
	ctx := context.Background()
	runtime, err := host.New(ctx, host.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer runtime.Close()

	session := client.NewSession(client.InProcess(ctx, func(ctx context.Context, s client.Stream) error {
		return runtime.Session(ctx, host.DefaultTenant, s)
	}))
	defer session.Close()
	if err := session.Configure(&pb.Config{}); err != nil {
		log.Fatal(err)
	}
	archive, err := template.Pack("../examples/templates/hello", template.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, request := range []*pb.Request{
		{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: archive}}},
		{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}},
		{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN}}},
	} {
		answer, err := session.Do(ctx, request, nil)
		if err != nil {
			log.Fatal(err)
		}
		if text := client.ErrorOf(answer); text != "" {
			log.Fatal(text)
		}
		for _, r := range answer.GetGraph().GetResources() {
			fmt.Println(r.ModulePath, r.Type, r.Name)
		}
	}
	// Output:
	// module.greeting terraform_data text
	//  terraform_data announcement
}
