package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

var (
	parseRequest = &pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}}
	planRequest  = &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{Metadata: metadata}}}
	applyRequest = &pb.Request{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{Metadata: metadata}}}
	graphOfPlan  = graphRequest(pb.GraphSource_SOURCE_PLAN)
	graphOfState = graphRequest(pb.GraphSource_SOURCE_STATE)
)

var metadata = &pb.Metadata{
	CoderUrl: "https://coder.example.com", WorkspaceTransition: pb.WorkspaceTransition_START,
	WorkspaceName: "bench", WorkspaceOwner: "owner", WorkspaceId: "6a1c7a52-94a4-4b0d-a7f2-3b8f3c0a3c11",
}

func initRequest(archive []byte) *pb.Request {
	return &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: archive}}}
}

func graphRequest(source pb.GraphSource) *pb.Request {
	return &pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{Source: source}}}
}

// openLocal opens a session of a runtime in this process.
func openLocal(ctx context.Context, r *host.Runtime) *client.Session {
	return client.NewSession(client.InProcess(ctx, func(ctx context.Context, s client.Stream) error {
		return r.Session(ctx, host.DefaultTenant, s)
	}))
}

// play sends the requests one after the other, none of which may fail, and returns the last answer.
func play(ctx context.Context, s *client.Session, config *pb.Config, requests ...*pb.Request) (answer *pb.Response, err error) {
	if err := s.Configure(config); err != nil {
		return nil, err
	}
	for _, req := range requests {
		var last string
		answer, err = s.Do(ctx, req, func(l *pb.Log) { last = l.GetOutput() })
		if err != nil {
			return nil, err
		}
		if text := client.ErrorOf(answer); text != "" {
			return nil, fmt.Errorf("%s (the last line of the log: %s)", text, last)
		}
	}
	if answer == nil {
		return nil, errors.New("no request")
	}
	return answer, nil
}

// goodbye ends the session, and waits until the other side has ended it too.
func goodbye(s *client.Session) error {
	if err := s.CloseSend(); err != nil {
		return err
	}
	for {
		if _, err := s.Recv(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
