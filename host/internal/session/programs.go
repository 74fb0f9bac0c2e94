package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/observe"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// programs are the programs that a request has started.
type programs struct {
	// noticed are those whose notices were logged. Only the plugin's own goroutine looks at it.
	noticed map[string]bool

	mu sync.Mutex
	// stopped: no more may start.
	stopped bool
	runs    uint64
	open    map[*program]bool
}

// program is a started program as its plugin sees it, watched for its end.
type program struct {
	Process
	owner *programs
	// ended is closed when the plugin has seen the end of the program's output, or of the program; done when the program and its tree
	// are gone, whatever the plugin does (nil where the process can't say).
	ended chan struct{}
	done  <-chan struct{}
	once  sync.Once
	// tell tells observers how it ended, limited of the limit on its output.
	tell    func()
	limited func()
}

// startProgram checks what the plugin asks for and starts it.
func (w *work) startProgram(req *guestpb.ExecRequest) (Process, error) {
	s := w.session
	granted, ok := s.Programs[req.GetProgram()]
	if !ok {
		return nil, fmt.Errorf("%w: not granted to this plugin (granted: %s)", abi.Denied, s.granted())
	}
	c, err := w.checked(req, granted)
	if err != nil {
		return nil, err
	}
	if w.canceled.Load() {
		return nil, fmt.Errorf("%w: the request is to end", abi.Canceled)
	}
	if err := w.notice(req.GetProgram(), granted); err != nil {
		return nil, err
	}
	p, err := w.launch(granted, c)
	if err == nil {
		// What the arguments say is the template's and the client's.
		s.Log.Debug("a program was started", "request", w.request.kind.String(), "program", req.GetProgram(), "command", granted.command(c.Args))
	}
	return p, err
}

// launch starts a program, unless the request is to end: whoever interrupts the programs finds it, or it does not start.
func (w *work) launch(granted Program, c Command) (Process, error) {
	s, ps := w.session, &w.programs
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.stopped {
		return nil, fmt.Errorf("%w: the request is to end", abi.Canceled)
	}
	if limit := s.Limits.GetProgramRuns(); limit > 0 && ps.runs >= limit {
		w.hit(settingProgramRuns)
		return nil, fmt.Errorf("%w: %d program runs for one request (setting %s)", abi.Limit, limit, settingProgramRuns)
	}
	ps.runs++
	s.engineRan = s.engineRan || w.request.kind == Plan || w.request.kind == Apply
	run := &observe.Program{Request: w.report, Command: granted.command(c.Args), Began: time.Now()}
	ctx := s.Observer.Begin(w.ctx, run)
	c.HostEnv = run.Env
	process, err := granted.Start(s.dir, c)
	if err != nil {
		run.Outcome, run.Ended = observe.NotStarted, time.Now()
		s.Observer.End(ctx, run)
		return nil, err
	}
	p := &program{Process: process, owner: ps, ended: make(chan struct{})}
	p.limited = func() { w.hit(settingOutputBytes) }
	p.tell = sync.OnceFunc(func() { w.ranProgram(ctx, run, process) })
	if d, ok := process.(interface{ Done() <-chan struct{} }); ok {
		p.done = d.Done()
	}
	if ps.open == nil {
		ps.open = make(map[*program]bool)
	}
	ps.open[p] = true
	return p, nil
}

// notice logs what the operator wants said of the program, once per request.
func (w *work) notice(name string, p Program) error {
	if w.programs.noticed[name] {
		return nil
	}
	if w.programs.noticed == nil {
		w.programs.noticed = make(map[string]bool)
	}
	w.programs.noticed[name] = true
	for _, line := range p.Notices {
		if err := w.sendLog(pb.LogLevel_WARN, line); err != nil {
			return err
		}
	}
	return nil
}

// checked turns a plugin's request into a command, or says what is wrong with it.
func (w *work) checked(req *guestpb.ExecRequest, p Program) (Command, error) {
	s := w.session
	for i, arg := range req.GetArgs() {
		if strings.ContainsRune(arg, 0) {
			return Command{}, fmt.Errorf("argument %d: %w: it contains a NUL byte", i, abi.Invalid)
		}
		if len(arg) > maxString {
			return Command{}, fmt.Errorf("argument %d: %w: %d bytes, the system takes at most %d", i, abi.Limit, len(arg), maxString)
		}
	}
	if err := checkEnv(req.GetEnv(), p.Env); err != nil {
		return Command{}, err
	}
	dir, err := resolveDir(s.dir.Work(), req.GetDir())
	if err != nil {
		return Command{}, err
	}
	return Command{
		Request:     w.request.kind,
		Args:        req.GetArgs(),
		Env:         req.GetEnv(),
		Dir:         dir,
		Stdin:       req.GetStdin(),
		OutputLimit: int64(s.Limits.GetOutputBytes()),
		ExitTimeout: s.ExitTimeout,
	}, nil
}

// resolveDir is the directory on the host for one that a plugin names relative to /work. It may not lead out of there, not by a symbolic
// link either.
func resolveDir(work, dir string) (string, error) {
	if dir == "" {
		return work, nil
	}
	local, err := filepath.Localize(path.Clean(dir))
	if err != nil {
		return "", fmt.Errorf("directory %q: %w: want a path relative to %s that stays in it", dir, abi.Invalid, abi.WorkDir)
	}
	root, err := os.OpenRoot(work)
	if err != nil {
		return "", fmt.Errorf("directory %q: %w: %v", dir, abi.IO, err)
	}
	defer root.Close()
	info, err := root.Stat(local)
	switch {
	case os.IsNotExist(err):
		return "", fmt.Errorf("directory %q: %w", dir, abi.NotFound)
	case err != nil:
		return "", fmt.Errorf("directory %q: %w: %v", dir, abi.Denied, err)
	case !info.IsDir():
		return "", fmt.Errorf("directory %q: %w: it is no directory", dir, abi.Invalid)
	}
	return filepath.Join(work, local), nil
}

// count is how many programs were started.
func (ps *programs) count() uint64 {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.runs
}

// interrupt lets no more programs start, and interrupts those that run; it returns them.
func (ps *programs) interrupt() []*program {
	running := ps.stop()
	for _, p := range running {
		// One that has just ended can't be interrupted, and need not be.
		_ = p.Interrupt()
	}
	return running
}

// kill kills what still runs, each program's whole tree.
func (ps *programs) kill(reason string) {
	for _, p := range ps.stop() {
		_ = p.Kill(reason)
	}
}

// close ends what the plugin has left running: an interrupt, the exit timeout, a kill. When it returns all of it is gone.
func (ps *programs) close() {
	var closing sync.WaitGroup
	for _, p := range ps.stop() {
		closing.Go(func() { _ = p.Close() })
	}
	closing.Wait()
}

func (ps *programs) stop() []*program {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.stopped = true
	running := make([]*program, 0, len(ps.open))
	for p := range ps.open {
		running = append(running, p)
	}
	return running
}

// Read implements Process.
func (p *program) Read(ctx context.Context, buf []byte, timeout time.Duration) (abi.Stream, int, error) {
	stream, n, err := p.Process.Read(ctx, buf, timeout)
	if err == nil && stream == abi.Ended {
		p.end()
	}
	if errors.Is(err, abi.Limit) {
		p.limited()
	}
	return stream, n, err
}

// Wait implements Process.
func (p *program) Wait(ctx context.Context) (*guestpb.ExecResult, error) {
	result, err := p.Process.Wait(ctx)
	if err == nil {
		p.end()
	}
	return result, err
}

// Close implements Process.
func (p *program) Close() error {
	err := p.Process.Close()
	p.end()
	p.tell()
	p.owner.mu.Lock()
	defer p.owner.mu.Unlock()
	delete(p.owner.open, p)
	return err
}

func (p *program) end() { p.once.Do(func() { close(p.ended) }) }
