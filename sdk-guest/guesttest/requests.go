package guesttest

import (
	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest"
	"github.com/provisor/provisor/sdk-guest/internal/hostcall"
)

// Use makes p answer this session's requests. Without it, the provisioner that the package under test registered does.
func (s *Session) Use(p guest.Provisioner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.provisioner = p
}

// Init hands the plugin an InitRequest and returns its answer. It fails the test if there is none.
func (s *Session) Init(req *pb.InitRequest) *pb.InitComplete {
	s.t.Helper()
	return must(s, s.request(&pb.Request{Type: &pb.Request_Init{Init: req}}).GetInit())
}

// Parse hands the plugin a ParseRequest and returns its answer. It fails the test if there is none.
func (s *Session) Parse(req *pb.ParseRequest) *pb.ParseComplete {
	s.t.Helper()
	return must(s, s.request(&pb.Request{Type: &pb.Request_Parse{Parse: req}}).GetParse())
}

// Plan hands the plugin a PlanRequest and returns its answer. It fails the test if there is none.
func (s *Session) Plan(req *pb.PlanRequest) *pb.PlanComplete {
	s.t.Helper()
	return must(s, s.request(&pb.Request{Type: &pb.Request_Plan{Plan: req}}).GetPlan())
}

// Apply hands the plugin an ApplyRequest and returns its answer. It fails the test if there is none.
func (s *Session) Apply(req *pb.ApplyRequest) *pb.ApplyComplete {
	s.t.Helper()
	return must(s, s.request(&pb.Request{Type: &pb.Request_Apply{Apply: req}}).GetApply())
}

// Graph hands the plugin a GraphRequest and returns its answer. It fails the test if there is none.
func (s *Session) Graph(req *pb.GraphRequest) *pb.GraphComplete {
	s.t.Helper()
	return must(s, s.request(&pb.Request{Type: &pb.Request_Graph{Graph: req}}).GetGraph())
}

// Handle hands the plugin the bytes of a request, and returns the bytes of its answer and the result of provisor_handle,
// which is 0 unless the plugin failed.
func (s *Session) Handle(request []byte) (response []byte, status int32) {
	req := new(pb.Request)
	_ = proto.Unmarshal(request, req) // the plugin will say what is wrong with it
	s.mu.Lock()
	s.responses = nil
	s.inPlanOrApply = req.GetPlan() != nil || req.GetApply() != nil
	var p any
	if s.provisioner != nil {
		p = s.provisioner
	}
	s.mu.Unlock()

	status = hostcall.Guest().Handle(p, request)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.canceled, s.inPlanOrApply = false, false
	if len(s.responses) > 0 {
		response = s.responses[0]
	}
	return response, status
}

func (s *Session) request(req *pb.Request) *pb.Response {
	s.t.Helper()
	b, err := proto.Marshal(req)
	if err != nil {
		s.t.Fatalf("serialize the request: %v", err)
	}
	b, status := s.Handle(b)
	if status != 0 {
		s.t.Fatalf("provisor_handle returned %d: the plugin failed, and said why on standard error", status)
	}
	resp := new(pb.Response)
	if err := proto.Unmarshal(b, resp); err != nil {
		s.t.Fatalf("decode the plugin's response: %v", err)
	}
	return resp
}

func must[Complete any](s *Session, c *Complete) *Complete {
	s.t.Helper()
	if c == nil {
		s.t.Fatal("the plugin did not answer with the Complete of this request")
	}
	return c
}
