// Package session is the state machine of one stream: the order of requests, cancel, the log level, uploads, exactly one Complete for
// each request. It doesn't know which plugin or engine it works with.
package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Run serves one session on the stream, up to its end. It returns nil when the client closed an idle stream or closed it while the last
// request ran; a *Violation when the client broke the protocol; and otherwise what broke the stream or ended ctx. When it returns, the
// session's programs are gone, its instance is closed and its directories are removed.
//
// The end of ctx is taken for a Cancel and then ends the session; see ErrKill for a harder end.
func Run(ctx context.Context, o Options, s Stream) error {
	o = o.withDefaults()
	o.Log = o.Log.With("session", o.ID, "tenant", o.Tenant.Name(), "plugin", o.Plugin)
	ses := &session{Options: o, requests: make(map[string]int), out: newOutbox(s, o.SendTimeout), logRate: newLogRate(o.Limits)}
	ses.host = &Host{session: ses}
	began := time.Now()
	stop := ses.watchKill(ctx)
	defer stop()

	left := make(chan struct{})
	err := ses.serve(ctx, receive(s, left))
	close(left)
	if err == io.EOF {
		err = nil
	}
	ses.close(err)
	ses.end(err, began)
	return err
}

// session is one session. Its fields belong to the goroutine of Run, and to a request's own goroutine while that runs.
type session struct {
	Options
	out  *outbox
	host *Host
	// logRate is how fast plugins may log; nil = as fast as they like.
	logRate *rate.Limiter
	// killed is closed when the session is to end at once.
	killed <-chan struct{}

	state  state
	config *pb.Config
	level  pb.LogLevel
	// info is the serialized SessionInfo.
	info []byte

	dir  Directory
	inst Instance
	// unconfirmed is the latest apply's answer, while nothing says that the client has it.
	unconfirmed *unconfirmed
	// engineRan is whether plan or apply has started a program.
	engineRan bool

	requests map[string]int
	failures int
	// runs is how many programs were started, received how many bytes came.
	runs     uint64
	received int64
	// begun is whether a request has had its turn, or waits for it; waited is how long all of them have waited.
	begun  bool
	waited time.Duration
	// steps are the first of its requests, delivered and kept count states: see Summary.
	steps           []Step
	delivered, kept int
}

// watchKill watches both ways to kill a session, until stop is called.
func (s *session) watchKill(ctx context.Context) (stop func()) {
	killed, kill := context.WithCancel(context.Background())
	s.killed = killed.Done()
	stopHurry := context.AfterFunc(killed, s.out.hurry)
	stopAll := context.AfterFunc(s.Kill, kill)
	stopOwn := context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), ErrKill) {
			kill()
		}
	})
	return func() {
		stopOwn()
		stopAll()
		stopHurry()
		kill()
	}
}

// received is what the stream gave, and when.
type received struct {
	b   []byte
	err error
	at  time.Time
}

// receive reads the stream from a goroutine of its own, up to its first error. That goroutine ends when Recv returns after left was
// closed.
func receive(s Stream, left <-chan struct{}) <-chan received {
	in := make(chan received)
	go func() {
		for {
			b, err := s.Recv()
			select {
			case in <- received{b, err, time.Now()}:
			case <-left:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return in
}

// serve handles messages up to the end of the stream, and returns what ended it: io.EOF is a clean end.
func (s *session) serve(ctx context.Context, in <-chan received) error {
	for {
		select {
		case m := <-in:
			w, err := s.take(m)
			if err == nil && w != nil {
				err = s.perform(ctx, w, in)
			}
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ended(ctx)
		case <-s.killed:
			return ErrKill
		}
	}
}

// take handles a message that comes while no request runs. It returns the work, if the message asks for any.
func (s *session) take(m received) (*work, error) {
	e, n, err := s.admit(m, false)
	if err == nil || err == io.EOF {
		s.confirm(e.kind, m.at)
	}
	if err != nil {
		return nil, err
	}
	switch e.kind {
	case Config:
		s.state = n.ok
		return nil, s.configure(m.b)
	case Cancel:
		return nil, nil
	}
	return newWork(s, e, m.b, n), nil
}

// perform does the work and sends its Complete. It returns what ended the stream meanwhile.
func (s *session) perform(ctx context.Context, w *work, in <-chan received) error {
	if err := w.ask(); err != nil {
		return err
	}
	s.requests[w.request.kind.String()]++
	s.host.work.Store(w)
	ctx = w.observe(ctx)
	w.start(ctx)
	end := s.attend(ctx, w, in)
	w.observed(ctx)
	s.runs += w.programs.count()
	s.host.work.Store(nil)
	if v := (*Violation)(nil); errors.As(end, &v) {
		s.settle(w, time.Time{}, end)
		return end
	}
	s.state = w.next.ok
	if w.answer.error() != "" {
		s.state = w.next.failed
		s.failures++
	}
	sent, err := s.deliver(w)
	s.settle(w, sent, err)
	if err != nil && (end == nil || end == io.EOF) {
		return err
	}
	return end
}

// attend waits for the work to be done. It passes on a Cancel, and cancels the work when the stream comes to its end, which it returns.
func (s *session) attend(ctx context.Context, w *work, in <-chan received) (end error) {
	gone, unread, killed := ctx.Done(), s.out.failed, s.killed
	for {
		var err error
		select {
		case <-w.done:
			return end
		case m := <-in:
			if _, _, err = s.admit(m, true); err != nil {
				in = nil
			}
		case <-unread:
			err, unread = s.out.err, nil
		case <-gone:
			err, gone = ended(ctx), nil
		case <-killed:
			err, killed = ErrKill, nil
			w.kill()
		}
		w.stop(stopCanceled)
		if end == nil {
			end = err
		}
	}
}

// admit looks into a message and checks it against the order of requests.
func (s *session) admit(m received, running bool) (envelope, next, error) {
	s.received += int64(len(m.b))
	if m.err == io.EOF {
		return envelope{}, next{}, io.EOF
	}
	if m.err != nil {
		return envelope{}, next{}, fmt.Errorf("receive from the client: %w", m.err)
	}
	e, err := open(requestType, m.b)
	if err != nil {
		return e, next{}, violation(InvalidArgument, ruleDecodes, "a message of %d bytes does not decode (%v)", len(m.b), err)
	}
	n, broken := s.state.after(e.kind, running)
	if broken != nil {
		return e, n, broken
	}
	return e, n, nil
}

// deliver sends the Complete of work that is done. It returns when it is on its way, and since when.
func (s *session) deliver(w *work) (sent time.Time, err error) {
	// One after the other: pieces that wait to be sent would take the memory of the whole once more.
	put := func(b []byte) (err error) {
		if err = s.out.put(context.Background(), b); err == nil {
			sent, err = s.out.flush()
		}
		return err
	}
	answer := w.answer
	if needsUpload(w.omitFiles, answer) {
		answer, err = upload(answer, put)
	}
	if err == nil {
		err = put(answer.raw)
	}
	if errors.Is(err, errUnsent) {
		return sent, s.out.err
	}
	return sent, err
}

// errEnded is in the error of a session whose context has ended.
var errEnded = errors.New("the session was ended")

// ended is why ctx ended.
func ended(ctx context.Context) error {
	return fmt.Errorf("%w: %w", errEnded, context.Cause(ctx))
}

// configure takes the Config in.
func (s *session) configure(b []byte) error {
	var req pb.Request
	if err := proto.Unmarshal(b, &req); err != nil {
		return violation(InvalidArgument, ruleDecodes, "the Config does not decode (%v)", err)
	}
	s.config = req.GetConfig()
	name := s.config.GetProvisionerLogLevel()
	level, ok := levels[strings.ToLower(name)]
	if !ok {
		return violation(InvalidArgument, ruleLogLevel, "provisioner_log_level is %q", name)
	}
	s.level = level
	info, err := s.describe()
	s.info = info
	return err
}

// levels are the log levels by their names in the Config, in lower case. Each is the lowest that is sent.
var levels = map[string]pb.LogLevel{
	"":      pb.LogLevel_TRACE,
	"trace": pb.LogLevel_TRACE,
	"debug": pb.LogLevel_DEBUG,
	"info":  pb.LogLevel_INFO,
	"warn":  pb.LogLevel_WARN,
	"error": pb.LogLevel_ERROR,
}

// close frees what the session holds. No work runs any more; end is why it ended, or nil.
func (s *session) close(end error) {
	s.abandon(end)
	s.discard()
	if s.dir != nil {
		if err := s.dir.Remove(); err != nil {
			s.Log.Error("remove the session's directories", "error", err)
		}
	}
	s.out.close()
}

// discard throws the instance away; the next request gets a fresh one.
func (s *session) discard() {
	if s.inst == nil {
		return
	}
	if err := s.inst.Close(context.Background()); err != nil {
		s.Log.Error("close the plugin's instance", "error", err)
	}
	s.inst = nil
}
