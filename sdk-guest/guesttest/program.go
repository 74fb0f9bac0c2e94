package guesttest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
)

// Run is one run of a fake program.
type Run struct {
	// Args are the arguments without the program's name, Env what the plugin asked for.
	Args []string
	Env  []string
	// Dir is the working directory, absolute.
	Dir            string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Interrupted is closed when the program is told to end; Killed when it has no more time, and is taken for dead.
	Interrupted, Killed <-chan struct{}
}

// Getenv returns the value of a variable that the plugin asked for, or "".
func (r *Run) Getenv(name string) string {
	for _, e := range slices.Backward(r.Env) {
		if k, v, _ := strings.Cut(e, "="); k == name {
			return v
		}
	}
	return ""
}

// program starts a run.
type program func(p *process, req *guestpb.ExecRequest, dir string) error

// Program grants the plugin a fake program: f runs in a goroutine of its own and returns the exit code.
func (s *Session) Program(name string, f func(run *Run) int) {
	s.grant(name, func(p *process, req *guestpb.ExecRequest, dir string) error {
		run := &Run{
			Args: req.GetArgs(), Env: req.GetEnv(), Dir: dir, Stdin: p.stdin,
			Stdout: p.writer(abi.Stdout), Stderr: p.writer(abi.Stderr),
			Interrupted: p.interrupted, Killed: p.killed,
		}
		go p.runFake(func() int { return f(run) })
		return nil
	})
}

// Path grants the plugin a real program. Its environment is built from nothing, as the host does it: PATH, a HOME and a
// TMPDIR of the session's own, then env (NAME=value), then what the plugin asks for.
func (s *Session) Path(name, path string, env ...string) {
	s.grant(name, func(p *process, req *guestpb.ExecRequest, dir string) error {
		base := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, "TMPDIR=" + s.tmp}
		return p.startReal(path, req.GetArgs(), slices.Concat(base, env, req.GetEnv()), dir)
	})
}

func (s *Session) grant(name string, p program) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.programs[name] = p
}

// Runs returns the programs that were started so far, in order.
func (s *Session) Runs() []*guestpb.ExecRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.runs)
}

func (s *Session) closeProcesses() {
	s.mu.Lock()
	left := s.processes
	s.processes = map[int32]*process{}
	s.mu.Unlock()
	for _, p := range left {
		p.close()
	}
}

func (h *host) ExecStart(request []byte) (int32, error) {
	req := new(guestpb.ExecRequest)
	if err := proto.Unmarshal(request, req); err != nil {
		return 0, failf(abi.Invalid, "exec_start: %v", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	start, granted := h.programs[req.GetProgram()]
	dir := filepath.Join(h.work, filepath.FromSlash(req.GetDir()))
	switch {
	case h.canceled:
		return 0, failf(abi.Canceled, "exec_start: the request was canceled")
	case !granted:
		return 0, failf(abi.Denied, "program %q is not granted: call Session.Program or Session.Path", req.GetProgram())
	case req.GetDir() != "" && !filepath.IsLocal(filepath.FromSlash(req.GetDir())):
		return 0, failf(abi.Invalid, "exec_start: the directory %q is not below WorkDir", req.GetDir())
	}
	if err := checkEnv(req.GetEnv()); err != nil {
		return 0, err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return 0, failf(abi.NotFound, "exec_start: there is no directory %q below WorkDir", req.GetDir())
	}
	p := newProcess(req.GetStdin())
	p.result.StartedAt = timestamppb.New(time.Now())
	if err := start(p, req, dir); err != nil {
		return 0, failed(fmt.Errorf("start %q: %w", req.GetProgram(), err))
	}
	h.runs = append(h.runs, req)
	h.programRanInPlan = h.programRanInPlan || h.inPlanOrApply
	h.lastHandle++
	h.processes[h.lastHandle] = p
	return h.lastHandle, nil
}

func checkEnv(env []string) error {
	seen := map[string]bool{}
	for _, e := range env {
		name, _, ok := strings.Cut(e, "=")
		if !ok || name == "" || seen[name] {
			return failf(abi.Invalid, "exec_start: the environment's %q must be NAME=value, each name once", e)
		}
		seen[name] = true
	}
	return nil
}

func (h *host) process(handle int32) (*process, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.processes[handle]; p != nil {
		return p, nil
	}
	return nil, failf(abi.Invalid, "there is no process with the handle %d", handle)
}

func (h *host) ExecRead(handle int32, buf []byte, timeoutMillis int32) (abi.Stream, int, error) {
	p, err := h.process(handle)
	if err != nil {
		return 0, 0, err
	}
	stream, n := p.read(buf, time.Duration(timeoutMillis)*time.Millisecond)
	return stream, n, nil
}

func (h *host) ExecWrite(handle int32, b []byte) (int, error) {
	p, err := h.process(handle)
	if err != nil {
		return 0, err
	}
	if len(b) == 0 {
		p.stdin.closeInput()
		return 0, nil
	}
	return p.stdin.take(b)
}

func (h *host) ExecWait(handle int32) ([]byte, error) {
	p, err := h.process(handle)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(p.wait())
}

func (h *host) ExecSignal(handle, signal int32) error {
	p, err := h.process(handle)
	if err != nil {
		return err
	}
	switch signal {
	case abi.SignalInterrupt:
		p.interrupt()
	case abi.SignalKill:
		p.kill()
	default:
		return failf(abi.Invalid, "exec_signal: signal %d is neither interrupt (2) nor kill (9)", signal)
	}
	return nil
}

func (h *host) ExecClose(handle int32) error {
	p, err := h.process(handle)
	if err != nil {
		return err
	}
	h.mu.Lock()
	delete(h.processes, handle)
	h.mu.Unlock()
	p.close()
	return nil
}
