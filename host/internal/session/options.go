package session

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"time"

	"github.com/provisor/provisor/host/internal/observe"
	"github.com/provisor/provisor/host/internal/queue"
	"github.com/provisor/provisor/host/internal/sandbox"
	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/proto/guestpb"
)

// Stream is a stream seen from the session. Recv is called by one goroutine and Send by another. Either may still be blocked when Run
// returns: the stream's owner then makes both return, as gRPC does when a handler returns.
type Stream interface {
	// Recv returns the next serialized Request; io.EOF is the client's half-close.
	Recv() ([]byte, error)
	// Send sends a serialized Response. The bytes are not changed afterwards.
	Send([]byte) error
}

// Options are what a session stands on.
type Options struct {
	// ID is the session's name in the daemon's log.
	ID     string
	Tenant tenant.Tenant
	// Plugin is the plugin's name, for messages.
	Plugin string
	// Directory makes the session's directories. It is called for the first request, so that an idle stream has none.
	Directory func(context.Context) (Directory, error)
	Instances Instances
	// Settings are told to the plugin.
	Settings map[string]string
	// FreshInstances gives each request an instance of its own.
	FreshInstances bool
	// Programs are the programs that the plugin is granted, by logical name.
	Programs map[string]Program
	// Turn takes a request's place among those that wait to run; begun says that the session has had requests before. Its error ends the
	// session. nil = each request runs at once.
	Turn func(begun bool) (*queue.Ticket, error)
	// Cache keeps files for later sessions; nil = there is none, and saving is denied.
	Cache Cache
	// Limits are told to the plugin. The session itself enforces request_millis, what is logged and how fast,
	// program_runs and output_bytes.
	Limits *guestpb.Limits
	// ExitTimeout is how long a program may take from its interrupt to its end; then its whole tree is killed. 0 = 3 minutes.
	ExitTimeout time.Duration
	// GracePeriod is how long a plugin may take to answer after a cancel, once its programs have ended. 0 = 10 seconds.
	GracePeriod time.Duration
	// SendTimeout is how long a client may take to read a message of up to 1 MiB, and each MiB more of a larger one. 0 = 1 minute.
	SendTimeout time.Duration
	// Failed is told why the plugin has failed, as opposed to having answered with an error; nil = nobody.
	Failed func(reason string)
	// Kill's end does what ErrKill does, also to a session whose own context has ended before; nil = it never ends.
	Kill context.Context
	// Log is the daemon's log; nil = none.
	Log *slog.Logger
	// Ended is told what the session came to; nil = the log is.
	Ended func(Summary)
	// Observer is told of requests and program runs; nil = nobody.
	Observer observe.Observer
	// Report is the session as observers know it.
	Report *observe.Session
}

// The defaults of the durations in Options.
const (
	DefaultExitTimeout = 3 * time.Minute
	DefaultGracePeriod = 10 * time.Second
	DefaultSendTimeout = time.Minute
)

// The names of the settings, for messages that say which one to raise.
const (
	settingRequestTime = "request_timeout"
	settingExitTimeout = "exit_timeout"
	settingGracePeriod = "grace_period"
	settingSendTimeout = "send_timeout"
	settingLogBytes    = "log_bytes"
	settingLogRate     = "log_bytes_per_second"
	settingLogBurst    = "log_burst_bytes"
	settingProgramRuns = "program_runs"
	settingConcurrency = "concurrency"
	settingOutputBytes = "output_bytes"
)

// ErrKill as the cause of the end of Run's context ends a session at once: programs are killed, not interrupted, and the plugin gets
// no time to answer.
var ErrKill = errors.New("the session was killed")

// ErrOperator as the cause of the end of Run's context says that an operator has canceled the session.
var ErrOperator = errors.New("an operator has canceled the session (provisor sessions cancel)")

// Directory is a session's own directories.
type Directory interface {
	// Work is the absolute path on the host of what the plugin sees as /work.
	Work() string
	// Keep begins to keep the states that an apply makes; the request, serialized, says whose they are. An error refuses the apply.
	Keep(request []byte) (Keeper, error)
	// TakeLimit is the limit on files or on programs that was hit last since the last call, or nil: the plugin itself is told no more than a
	// number, or how a program ended.
	TakeLimit() error
	// Remove removes the directories and all that is in them.
	Remove() error
}

// Keeper keeps the states of one apply, so that none is lost before the client has it. After Finish, Confirm or Keep is called once.
type Keeper interface {
	// Finish looks for the last time: the apply's programs are gone. From then on State is the newest complete state, or nil.
	Finish()
	State() []byte
	// Confirm says that the client has the answer, with that state.
	Confirm(state []byte) error
	// Keep says why nobody knows whether the client has it.
	Keep(why string) error
}

// Instances makes instances of the session's plugin.
type Instances interface {
	New(ctx context.Context, d Directory, h *Host) (Instance, error)
}

// Instance is a running copy of the plugin. After an error of Handle it is done for.
type Instance interface {
	// Handle hands over a serialized Request and returns the serialized Response. The end of ctx interrupts the plugin.
	Handle(ctx context.Context, request []byte) ([]byte, error)
	// CPU is the processor time that the latest Handle took of the plugin itself.
	CPU() time.Duration
	Close(ctx context.Context) error
}

// Program is a program behind a logical name, as the operator maps it.
type Program struct {
	// Engine says what it is; nil = no engine.
	Engine *guestpb.Engine
	// Env are the environment names that the plugin may set: what its manifest wants and the operator grants. A trailing * stands for
	// any ending.
	Env []string
	// Notices are logged at WARN once per request that starts the program.
	Notices []string
	// Command is what a run with these arguments is called by observers, one of a few words; nil = all are "run".
	Command func(args []string) string
	Start   func(Directory, Command) (Process, error)
}

// Command is a program run that has been checked.
type Command struct {
	// Request is the kind of the request that the plugin is at work on.
	Request Kind
	Args    []string
	// Env is the plugin's share of the environment, NAME=value.
	Env []string
	// HostEnv is what the host adds to that, over it.
	HostEnv []string
	// Dir is an absolute path on the host: /work, or a directory below it.
	Dir   string
	Stdin bool
	// OutputLimit is the most bytes of output, 0 = no limit.
	OutputLimit int64
	// ExitTimeout is how long Close waits between interrupt and kill.
	ExitTimeout time.Duration
}

// Process is a started program.
type Process = sandbox.Process

// Cache keeps copies of files below /work for later sessions, scoped to tenant and plugin. The end of ctx ends the copying.
type Cache interface {
	Restore(ctx context.Context, d Directory, key string) (bool, error)
	Save(ctx context.Context, d Directory, req *guestpb.CacheSave) error
}

func (o Options) withDefaults() Options {
	if o.ExitTimeout == 0 {
		o.ExitTimeout = DefaultExitTimeout
	}
	if o.GracePeriod == 0 {
		o.GracePeriod = DefaultGracePeriod
	}
	if o.SendTimeout == 0 {
		o.SendTimeout = DefaultSendTimeout
	}
	if o.Limits == nil {
		o.Limits = &guestpb.Limits{}
	}
	if o.Kill == nil {
		o.Kill = context.Background()
	}
	if o.Failed == nil {
		o.Failed = func(string) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = observe.All()
	}
	return o
}

// requestTimeout is the longest that a request may run; 0 = no limit.
func (o Options) requestTimeout() time.Duration {
	return time.Duration(min(o.Limits.GetRequestMillis(), math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond
}
