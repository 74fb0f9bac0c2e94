package session

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// rawInstances are instances that answer with bytes.
type rawInstances struct {
	f      *fixture
	handle func(kind Kind) ([]byte, error)
}

func (i rawInstances) New(context.Context, Directory, *Host) (Instance, error) {
	i.f.mu.Lock()
	defer i.f.mu.Unlock()
	i.f.made++
	return rawInstance(i), nil
}

type rawInstance rawInstances

func (i rawInstance) Handle(_ context.Context, raw []byte) ([]byte, error) {
	e, err := open(requestType, raw)
	if err != nil {
		return nil, err
	}
	return i.handle(e.kind)
}

func (i rawInstance) CPU() time.Duration { return 0 }

func (i rawInstance) Close(context.Context) error {
	i.f.mu.Lock()
	defer i.f.mu.Unlock()
	i.f.closed++
	return nil
}

// misbehaviours are ways not to answer a request, and what the Complete in its place says.
var misbehaviours = []struct {
	name   string
	answer func(kind Kind) ([]byte, error)
	want   string
}{
	{"fails", func(Kind) ([]byte, error) { return nil, errors.New("trapped: unreachable") }, "trapped: unreachable"},
	{"panics in the host", func(Kind) ([]byte, error) { panic("a bug") }, "the host failed while it ran: a bug"},
	{"garbage", func(Kind) ([]byte, error) { return []byte{0xff, 0xff, 0xff}, nil }, "3 bytes that are no Response"},
	{"text", func(Kind) ([]byte, error) { return []byte("hello, this is no protobuf"), nil }, "no Response"},
	{"nothing", func(Kind) ([]byte, error) { return nil, nil }, "an empty Response"},
	{"unknown member", func(Kind) ([]byte, error) { return []byte{0x7a, 0}, nil }, "an empty Response"},
	{"another's Complete", func(k Kind) ([]byte, error) { return response(k%Graph + Parse), nil }, "it answered the"},
	{"a log", func(Kind) ([]byte, error) { return []byte{0x0a, 0}, nil }, "with a Log"},
	{"an upload", func(Kind) ([]byte, error) { return []byte{0x3a, 0}, nil }, "with a DataUpload"},
	{"a piece", func(Kind) ([]byte, error) { return []byte{0x42, 0}, nil }, "with a ChunkPiece"},
	{"invalid UTF-8", func(k Kind) ([]byte, error) {
		return wrap(k, append([]byte{byte(errorField(k)<<3 | 2), 1}, 0xff)).raw, nil
	}, "invalid UTF-8"},
	{"a Complete, then another's", func(k Kind) ([]byte, error) {
		return append(response(k), response(k%Graph+Parse)...), nil
	}, "it answered the"},
}

// response is an empty Complete of the kind. Kinds beyond the last wrap around to the first.
func response(k Kind) []byte {
	if k > Graph {
		k = Parse
	}
	return wrap(k, nil).raw
}

func TestMisbehaviour(t *testing.T) {
	for _, m := range misbehaviours {
		for _, kind := range []Kind{Init, Parse, Plan, Apply, Graph} {
			t.Run(m.name+"/"+kind.String(), func(t *testing.T) { testMisbehaviour(t, kind, m.answer, m.want) })
		}
	}
}

// testMisbehaviour has a plugin misbehave at one request of a session, and then behave.
func testMisbehaviour(t *testing.T, kind Kind, answer func(Kind) ([]byte, error), want string) {
	f := newFixture(t, nil)
	bad := true
	f.options.Instances = rawInstances{f, func(k Kind) ([]byte, error) {
		if k == kind && bad {
			bad = false
			return answer(k)
		}
		return wrap(k, nil).raw, nil
	}}
	s := f.configured(t)
	for _, req := range []*pb.Request{initRequest(), parseRequest(), planRequest(), applyRequest(), graphRequest()} {
		_, text := do(t, s, req)
		if kindOf(t, req) != kind {
			if text != "" {
				t.Errorf("%T failed: %s", req.Type, text)
			}
			continue
		}
		if !contains(text, "plugin fake", want) {
			t.Errorf("the Complete says %q, want %q and the plugin's name", text, want)
		}
		if kind == Apply {
			// The plan is spent; Graph may follow all the same.
			continue
		}
		if _, text := do(t, s, req); text != "" {
			t.Errorf("%T failed again: %s", req.Type, text)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, s, 0, "")
	if f.made != 2 {
		t.Errorf("%d instances were made, want a fresh one after the failure", f.made)
	}
}

func kindOf(t *testing.T, req *pb.Request) Kind {
	t.Helper()
	b, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	e, err := open(requestType, b)
	if err != nil {
		t.Fatal(err)
	}
	return e.kind
}

func TestNoDirectory(t *testing.T) {
	f := newFixture(t, succeed)
	f.options.Directory = func(context.Context) (Directory, error) { return nil, errors.New("disk full") }
	s := f.configured(t)
	if _, text := do(t, s, initRequest()); !contains(text, "make the session's directories", "disk full") {
		t.Errorf("the Complete says %q", text)
	}
}

type noInstances struct{}

func (noInstances) New(context.Context, Directory, *Host) (Instance, error) {
	return nil, errors.New("out of memory")
}

func TestNoInstance(t *testing.T) {
	f := newFixture(t, succeed)
	f.options.Instances = noInstances{}
	s := f.configured(t)
	for range 2 {
		if _, text := do(t, s, initRequest()); !contains(text, "start an instance", "out of memory") {
			t.Errorf("the Complete says %q", text)
		}
	}
}

func TestFailedApplyHasTheState(t *testing.T) {
	f := newFixture(t, func(_ context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
		if req.GetApply() != nil {
			if err := os.WriteFile(filepath.Join(h.session.dir.Work(), "terraform.tfstate"), []byte("{}"), 0o600); err != nil {
				return nil, err
			}
			return nil, errors.New("exited with code 2")
		}
		return completeOf(req, ""), nil
	})
	s := f.configured(t)
	succeedAll(t, s, initRequest(), planRequest())
	resp, text := do(t, s, applyRequest())
	if !strings.Contains(text, "exited with code 2") || string(resp.GetApply().GetState()) != "{}" {
		t.Errorf("got error %q and state %q, want both", text, resp.GetApply().GetState())
	}
}

func TestHostOutsideARequest(t *testing.T) {
	var host *Host
	f := newFixture(t, func(_ context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
		host = h
		return completeOf(req, ""), nil
	})
	s := f.configured(t)
	succeedAll(t, s, initRequest())
	if err := host.Log(pb.LogLevel_INFO, "late"); err == nil {
		t.Error("a log outside a request is taken")
	}
	if host.Canceled() {
		t.Error("canceled outside a request")
	}
}

// A plugin is told no more than a number where it runs into a limit on files. The client is told which one, if that is why a request failed.
func TestLimitsOnFilesAreNamed(t *testing.T) {
	answer := "no space left"
	f := newFixture(t, nil)
	f.options.Instances = rawInstances{f, func(kind Kind) ([]byte, error) {
		if answer == "trap" {
			return nil, errors.New("trapped")
		}
		return failure(kind, answer, nil).raw, nil
	}}
	s := f.configured(t)
	for _, step := range []struct {
		limit        error
		answer, want string
	}{
		{errors.New("the limit"), "no space left", "no space left (the limit)"},
		{nil, "no space left", "no space left"}, // that of the request before is over
		{errors.New("the limit"), "trap", "plugin fake: trapped (the limit)"},
		{errors.New("the limit"), "", ""}, // it has made do with what there is
	} {
		f.mu.Lock()
		f.limit, answer = step.limit, step.answer
		f.mu.Unlock()
		if _, text := logsOf(t, s); text != step.want {
			t.Errorf("the limit %v and the answer %q: the Complete says %q, want %q", step.limit, step.answer, text, step.want)
		}
	}
	answer = "no such file"
	if resp, err := s.Do(t.Context(), planRequest(), nil); err != nil || resp.GetPlan().GetError() != "no such file" {
		t.Errorf("after a request that succeeded: %v, %v", resp, err)
	}
}
