package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/sys"
)

// Kind is how a plugin failed.
type Kind int

// The kinds of failure.
const (
	// Trap: the instance did what WebAssembly forbids, or its stack ran over.
	Trap Kind = iota + 1
	// Exit: it called proc_exit.
	Exit
	// Status: provisor_handle returned something else than 0.
	Status
	// NoResponse: provisor_handle returned 0 and had not called respond.
	NoResponse
	// Memory: it was refused memory beyond its limit, and ended or declined the request.
	Memory
	// CPU: it used up its processor time.
	CPU
	// Deadline: the context's deadline passed.
	Deadline
	// Canceled: the context was canceled.
	Canceled
	// Protocol: an export broke the ABI.
	Protocol
	// Internal: the host itself failed while it served the instance.
	Internal
	// Spent: the instance had failed before.
	Spent
)

var kindNames = [...]string{
	Trap: "trap", Exit: "exit", Status: "status", NoResponse: "no response", Memory: "memory", CPU: "cpu", Deadline: "deadline",
	Canceled: "canceled", Protocol: "protocol", Internal: "internal", Spent: "spent",
}

// String is the kind's name, "trap".
func (k Kind) String() string {
	if k > 0 && int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", int(k))
}

// Failure says that a plugin failed. The instance is done for.
type Failure struct {
	Kind Kind
	// Text is for a client: what happened, and nothing of the host. It does not name the plugin.
	Text string
	// Setting is the limit that is behind it; empty = none is.
	Setting string
	// cause is the context's error for Deadline and Canceled.
	cause error
}

// Error is the text.
func (f *Failure) Error() string { return f.Text }

// Unwrap makes errors.Is(err, context.Canceled) and the like hold.
func (f *Failure) Unwrap() error { return f.cause }

// failed makes a Failure of the error of a call into the guest. The stack is for the host's log; it is empty where there is none.
func failed(ctx context.Context, err error, i *Instance) (f *Failure, stack string) {
	// The interruption comes out as an exit with a number that the guest could use as well, so the context is asked first.
	if cause := ctx.Err(); cause != nil {
		return interrupted(ctx), ""
	}
	if i.meter.exhausted() {
		return &Failure{Kind: CPU, Setting: settingCPU, Text: fmt.Sprintf("interrupted: it has computed for %v, the limit for one request is %v (setting %s)",
			i.meter.used.Round(time.Millisecond), i.meter.limit, settingCPU)}, ""
	}
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		f = &Failure{Kind: Exit, Text: fmt.Sprintf("exited with code %d", exit.ExitCode())}
		return refusedMemory(f, i.memory), ""
	}
	text, stack, _ := strings.Cut(err.Error(), "\nwasm stack trace:\n")
	if rest, ok := strings.CutSuffix(text, " (recovered by wazero)"); ok {
		return &Failure{Kind: Internal, Text: "a function of the host failed: " + rest}, stack
	}
	f = &Failure{Kind: Trap, Text: "trapped: " + strings.TrimPrefix(text, "wasm error: ")}
	return refusedMemory(f, i.memory), stack
}

func interrupted(ctx context.Context) *Failure {
	f := &Failure{Kind: Canceled, Text: "interrupted: the request was canceled", cause: ctx.Err()}
	if errors.Is(f.cause, context.DeadlineExceeded) {
		f.Kind, f.Text = Deadline, "interrupted: the request's deadline passed"
	}
	if cause := context.Cause(ctx); cause != nil && cause != f.cause {
		f.Text = "interrupted: " + cause.Error()
	}
	return f
}

// refusedMemory makes a failure one of memory if the guest was refused some: runtimes end themselves then, each in its way.
func refusedMemory(f *Failure, m *memory) *Failure {
	if m.refused == 0 {
		return f
	}
	return &Failure{
		Kind: Memory, Setting: settingMemory,
		Text: fmt.Sprintf("out of memory: it wanted %s, the limit is %s (setting %s); it then %s", size(m.refused), size(m.limit()), settingMemory, f.Text),
	}
}
