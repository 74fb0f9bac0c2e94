// Package guesttest runs a plugin natively, in plain go test: a session with directories of its own that records the logs,
// runs fake or real programs, and hands requests to the plugin just as the host does, serialized and through the same
// dispatch.
//
// A plugin has one host per process, so a test with a session can't be parallel (testing.T.Parallel). Subtests may open
// sessions of their own.
package guesttest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest"
	"github.com/provisor/provisor/sdk-guest/internal/hostcall"
)

// Session is a host with one session. Its methods may be called from several goroutines.
type Session struct {
	t                testing.TB
	work, tmp, home  string
	host             *host
	mu               sync.Mutex
	provisioner      guest.Provisioner
	info             *guestpb.SessionInfo
	cacheDir         string
	logs             []*pb.Log
	onLog            func(*pb.Log)
	canceled         bool
	programs         map[string]program
	runs             []*guestpb.ExecRequest
	processes        map[int32]*process
	lastHandle       int32
	responses        [][]byte
	inPlanOrApply    bool
	programRanInPlan bool
	responseLimit    int
}

// New opens a session that is closed when the test ends.
func New(t testing.TB) *Session {
	t.Helper()
	refuseParallel(t)
	s := &Session{
		t: t, work: t.TempDir(), tmp: t.TempDir(), home: t.TempDir(), cacheDir: t.TempDir(),
		programs:  map[string]program{},
		processes: map[int32]*process{},
		info:      &guestpb.SessionInfo{Config: &pb.Config{}, AbiMinor: abi.Minor},
	}
	s.host = &host{s}
	previous := hostcall.Install(s.host)
	t.Cleanup(func() {
		s.closeProcesses()
		hostcall.Install(previous)
	})
	return s
}

// refuseParallel fails a test that is or becomes parallel. Package testing enforces it for tests that set the environment.
func refuseParallel(t testing.TB) {
	t.Helper()
	defer func() {
		if recover() != nil {
			t.Fatal("guesttest.New: a test with a session can't be parallel, since a plugin has one host per process")
		}
	}()
	t.Setenv("PROVISOR_GUESTTEST", t.Name())
}

// WorkDir is what guest.WorkDir returns.
func (s *Session) WorkDir() string { return s.work }

// TmpDir is what guest.TmpDir returns.
func (s *Session) TmpDir() string { return s.tmp }

// WriteFile writes a file below WorkDir, with its parents, before or between requests.
func (s *Session) WriteFile(name, content string) {
	s.t.Helper()
	p := filepath.Join(s.work, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// ReadFile reads a file below WorkDir, and fails the test if it can't.
func (s *Session) ReadFile(name string) string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.work, filepath.FromSlash(name)))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// SetInfo sets what guest.SessionInfo returns.
func (s *Session) SetInfo(info *guestpb.SessionInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.info = proto.Clone(info).(*guestpb.SessionInfo)
}

// CacheDir is where guest.CacheSave keeps its copies.
func (s *Session) CacheDir() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cacheDir
}

// UseCacheDir lets the session see what an earlier one, with that CacheDir, has kept.
func (s *Session) UseCacheDir(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cacheDir = dir
}

// Context returns a context like that of a request, for calls of a plugin's inner functions. It ends with the test.
func (s *Session) Context() context.Context {
	ctx, end := hostcall.Guest().NewContext()
	s.t.Cleanup(end)
	return ctx
}

// Cancel is a client's Cancel: the request in progress is canceled, and its programs are interrupted. Called between two
// requests it is the next one that is canceled from its beginning on.
func (s *Session) Cancel() {
	s.mu.Lock()
	s.canceled = true
	running := make([]*process, 0, len(s.processes))
	for _, p := range s.processes {
		running = append(running, p)
	}
	s.mu.Unlock()
	for _, p := range running {
		p.interrupt()
	}
}

// Logs returns the Logs so far.
func (s *Session) Logs() []*pb.Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*pb.Log(nil), s.logs...)
}

// LogText returns the Logs so far, one after the other as "LEVEL: text\n".
func (s *Session) LogText() string {
	var b strings.Builder
	for _, l := range s.Logs() {
		fmt.Fprintf(&b, "%s: %s\n", l.GetLevel(), l.GetOutput())
	}
	return b.String()
}

// OnLog calls f with each Log as it comes, on the goroutine that logs: a test can cancel at a certain Log.
func (s *Session) OnLog(f func(*pb.Log)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onLog = f
}

// LimitResponses makes the session refuse responses of more bytes, as a host's limit does.
func (s *Session) LimitResponses(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.responseLimit = bytes
}
