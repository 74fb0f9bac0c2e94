package session

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/host/client"
	_ "github.com/provisor/provisor/host/internal/sandbox/compiler/compilertest"
	"github.com/provisor/provisor/host/internal/tenant"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// handler is what a fake plugin does with a request.
type handler func(ctx context.Context, h *Host, req *pb.Request) (*pb.Response, error)

// fixture is everything around a session, faked.
type fixture struct {
	options Options

	mu sync.Mutex
	// made and closed count instances, removed counts directories.
	made, closed, removed int
	// raw are the Requests that plugins got.
	raw [][]byte
	// kept is what the keepers of applies were told; refusal, if not nil, is why there are none.
	kept    []string
	refusal error
	// limit is the limit on files that the plugin has run into.
	limit error
}

func newFixture(t *testing.T, handle handler) *fixture {
	t.Helper()
	f := &fixture{}
	work := t.TempDir()
	f.options = Options{
		ID: "test", Tenant: tenant.Default, Plugin: "fake",
		Directory:   func(context.Context) (Directory, error) { return fakeDirectory{f, work}, nil },
		Instances:   fakeInstances{f, handle},
		ExitTimeout: 5 * time.Second,
		GracePeriod: 5 * time.Second,
		SendTimeout: 5 * time.Second,
		Log:         slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	return f
}

// open starts a session. At the test's end it must have ended and left nothing behind.
func (f *fixture) open(t *testing.T) *client.Session {
	t.Helper()
	return f.openContext(t.Context(), t)
}

func (f *fixture) openContext(ctx context.Context, t *testing.T) *client.Session {
	t.Helper()
	s := client.NewSession(client.InProcess(ctx, func(ctx context.Context, s client.Stream) error {
		return Run(ctx, f.options, s)
	}))
	t.Cleanup(func() {
		s.Close()
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.made != f.closed {
			t.Errorf("%d instances were made, %d closed", f.made, f.closed)
		}
		if f.made > 0 && f.removed != 1 {
			t.Errorf("the directory was removed %d times", f.removed)
		}
	})
	return s
}

// configured starts a session and sends an empty Config.
func (f *fixture) configured(t *testing.T) *client.Session {
	t.Helper()
	s := f.open(t)
	if err := s.Configure(&pb.Config{}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (f *fixture) instances() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.made
}

type fakeDirectory struct {
	f    *fixture
	work string
}

func (d fakeDirectory) Work() string { return d.work }
func (d fakeDirectory) Keep(request []byte) (Keeper, error) {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	if d.f.refusal != nil {
		return nil, d.f.refusal
	}
	d.f.kept = append(d.f.kept, "begun")
	return fakeKeeper(d), nil
}
func (d fakeDirectory) TakeLimit() error {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	limit := d.f.limit
	d.f.limit = nil
	return limit
}
func (d fakeDirectory) Remove() error {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	d.f.removed++
	return nil
}

// fakeKeeper notes what it is told.
type fakeKeeper fakeDirectory

func (k fakeKeeper) Finish() { k.note("finished") }
func (k fakeKeeper) State() []byte {
	b, _ := os.ReadFile(k.work + "/terraform.tfstate")
	return b
}
func (k fakeKeeper) Confirm(state []byte) error { return k.note("confirmed " + string(state)) }
func (k fakeKeeper) Keep(why string) error      { return k.note("kept: " + why) }

func (k fakeKeeper) note(what string) error {
	k.f.mu.Lock()
	defer k.f.mu.Unlock()
	k.f.kept = append(k.f.kept, what)
	return nil
}

type fakeInstances struct {
	f      *fixture
	handle handler
}

func (i fakeInstances) New(_ context.Context, _ Directory, h *Host) (Instance, error) {
	i.f.mu.Lock()
	defer i.f.mu.Unlock()
	i.f.made++
	return &fakeInstance{i.f, i.handle, h}, nil
}

type fakeInstance struct {
	f      *fixture
	handle handler
	host   *Host
}

func (i *fakeInstance) Handle(ctx context.Context, raw []byte) ([]byte, error) {
	i.f.mu.Lock()
	i.f.raw = append(i.f.raw, raw)
	i.f.mu.Unlock()
	var req pb.Request
	if err := proto.Unmarshal(raw, &req); err != nil {
		return nil, err
	}
	resp, err := i.handle(ctx, i.host, &req)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(resp)
}

func (i *fakeInstance) CPU() time.Duration { return 0 }

func (i *fakeInstance) Close(context.Context) error {
	i.f.mu.Lock()
	defer i.f.mu.Unlock()
	i.f.closed++
	return nil
}

// succeed answers every request with an empty Complete.
func succeed(_ context.Context, _ *Host, req *pb.Request) (*pb.Response, error) {
	return completeOf(req, ""), nil
}

// completeOf is the Complete for the request, with that error.
func completeOf(req *pb.Request, text string) *pb.Response {
	switch req.Type.(type) {
	case *pb.Request_Parse:
		return &pb.Response{Type: &pb.Response_Parse{Parse: &pb.ParseComplete{Error: text}}}
	case *pb.Request_Init:
		return &pb.Response{Type: &pb.Response_Init{Init: &pb.InitComplete{Error: text}}}
	case *pb.Request_Plan:
		return &pb.Response{Type: &pb.Response_Plan{Plan: &pb.PlanComplete{Error: text}}}
	case *pb.Request_Apply:
		return &pb.Response{Type: &pb.Response_Apply{Apply: &pb.ApplyComplete{Error: text}}}
	case *pb.Request_Graph:
		return &pb.Response{Type: &pb.Response_Graph{Graph: &pb.GraphComplete{Error: text}}}
	}
	return &pb.Response{}
}

// The requests, without content.
func initRequest() *pb.Request {
	return &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{}}}
}
func parseRequest() *pb.Request {
	return &pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}}
}
func planRequest() *pb.Request {
	return &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}}
}
func applyRequest() *pb.Request {
	return &pb.Request{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{}}}
}
func graphRequest() *pb.Request {
	return &pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{}}}
}

// do has a request answered; the answer's error is returned beside it.
func do(t *testing.T, s *client.Session, req *pb.Request) (*pb.Response, string) {
	t.Helper()
	resp, err := s.Do(t.Context(), req, nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp, client.ErrorOf(resp)
}

// succeedAll has the requests answered without an error.
func succeedAll(t *testing.T, s *client.Session, reqs ...*pb.Request) {
	t.Helper()
	for _, req := range reqs {
		if _, text := do(t, s, req); text != "" {
			t.Fatalf("%T: %s", req.Type, text)
		}
	}
}

// wantEnd checks that the stream ends by the violation of a rule; an empty rule stands for a clean end.
func wantEnd(t *testing.T, s *client.Session, code Code, rule string) {
	t.Helper()
	for {
		_, err := s.Recv()
		if err == nil {
			continue
		}
		var v *Violation
		switch {
		case rule == "" && !errors.Is(err, io.EOF):
			t.Errorf("the stream ended with %v, want a clean end", err)
		case rule != "" && !errors.As(err, &v):
			t.Errorf("the stream ended with %v, want a violation of %s", err, rule)
		case rule != "" && (v.Rule != rule || v.Code != code):
			t.Errorf("the stream ended with %s %s, want %s %s", v.Code, v.Rule, code, rule)
		}
		return
	}
}
