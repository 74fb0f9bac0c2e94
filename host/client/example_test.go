package client_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// A session on this user's daemon: an Init with the template's tar archive, then a Plan.
func ExampleDial() {
	ctx := context.Background()
	var archive []byte // of the template
	c, err := client.Dial("", client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	s, err := c.Open(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	if err := s.Configure(&pb.Config{ProvisionerLogLevel: "info"}); err != nil {
		log.Fatal(err)
	}
	for _, req := range []*pb.Request{
		{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: archive}}},
		{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}},
	} {
		resp, err := s.Do(ctx, req, func(l *pb.Log) { fmt.Println(l.Level, l.Output) })
		if err != nil {
			log.Fatal(err) // the stream broke, or the request came out of order
		}
		if text := client.ErrorOf(resp); text != "" {
			log.Fatal(text) // the work failed; the session could go on
		}
	}
}

// InProcess needs no server: the session runs in the same process. This one answers every request but the Config with an empty plan.
func ExampleInProcess() {
	serve := func(_ context.Context, s client.Stream) error {
		for {
			b, err := s.Recv()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			var req pb.Request
			if err := proto.Unmarshal(b, &req); err != nil {
				return err
			}
			if req.GetConfig() != nil {
				continue
			}
			answer, err := proto.Marshal(&pb.Response{Type: &pb.Response_Plan{Plan: &pb.PlanComplete{DailyCost: 3}}})
			if err != nil {
				return err
			}
			if err := s.Send(answer); err != nil {
				return err
			}
		}
	}
	ctx := context.Background()
	s := client.NewSession(client.InProcess(ctx, serve))
	defer s.Close()
	if err := s.Configure(&pb.Config{}); err != nil {
		log.Fatal(err)
	}
	resp, err := s.Do(ctx, &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.GetPlan().GetDailyCost())
	// Output: 3
}
