package guest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

func TestAnswer(t *testing.T) {
	s := guesttest.New(t)
	b := request(t, &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{State: []byte("s")}}})
	for want, plan := range map[string]func(context.Context, *pb.PlanRequest) *pb.PlanComplete{
		"s": func(_ context.Context, req *pb.PlanRequest) *pb.PlanComplete {
			return &pb.PlanComplete{Plan: req.State}
		},
		"panicked": func(context.Context, *pb.PlanRequest) *pb.PlanComplete { panic("") },
		"UTF-8": func(context.Context, *pb.PlanRequest) *pb.PlanComplete {
			return &pb.PlanComplete{ResourceReplacements: []*pb.ResourceReplacement{{Resource: "\xff"}}}
		},
	} {
		got, err := guest.Answer(s.Context(), planner{plan: plan}, b)
		resp := new(pb.Response)
		if err != nil || proto.Unmarshal(got, resp) != nil || !strings.Contains(string(resp.GetPlan().GetPlan())+resp.GetPlan().GetError(), want) {
			t.Errorf("Answer = %v, %v; want %s", resp, err, want)
		}
	}
	if _, err := guest.Answer(s.Context(), guest.Unimplemented{}, []byte{0xff}); err == nil {
		t.Error("garbage is answered")
	}
}

func TestRespondTwice(t *testing.T) {
	s := guesttest.New(t)
	s.Use(planner{plan: func(context.Context, *pb.PlanRequest) *pb.PlanComplete {
		if err := guest.Respond([]byte("first")); err != nil {
			t.Error(err)
		}
		if err := guest.Respond([]byte("second")); !errors.Is(err, abi.WrongState) {
			t.Errorf("the second Respond: %v", err)
		}
		return &pb.PlanComplete{}
	}})
	b, status := s.Handle(request(t, &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}}))
	if string(b) != "first" || status == 0 {
		t.Errorf("response %q, status %d", b, status)
	}
}
