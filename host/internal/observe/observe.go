// Package observe is the seam between sessions and whoever watches them: metrics, traces, the list of what runs, the audit. What does
// something says that it begins and how it ended, once; who watches is nothing to it.
//
// Nothing in here is what a client, a template, a plugin or an engine has said, so that whatever watches may show all of it: names are the
// operator's, and words come from lists of ours.
package observe

import (
	"context"
	"time"
)

// Observer is told of activities. Its methods are called by several goroutines, must not block, and must not keep an activity beyond its
// End. Before End, only what is said to be known from the beginning may be read.
type Observer interface {
	// Begin is told that an activity begins. The activity, and what belongs to it, goes on with the context that it returns.
	Begin(ctx context.Context, a Activity) context.Context
	// End is told that it has ended, with the context that its Begin has returned.
	End(ctx context.Context, a Activity)
}

// Activity is a *Session, *Request, *Wait or *Program.
type Activity interface{ activity() }

// Session is a session, from when its stream is let in to its end.
type Session struct {
	// Known from the beginning. ID is empty, as are the plugin and the engine, where the session was refused at once.
	ID, Tenant              string
	Plugin, Version, Digest string
	// Engine is the engine's name and version.
	Engine string
	Began  time.Time
	// Cancel ends the session as an operator does: what runs is canceled, and answered.
	Cancel func()

	Ended time.Time
	// Outcome is "ok", or why it ended otherwise, in words for people: see session.OutcomeOf. Class is its first word.
	Outcome, Class string
	// Delivered and Kept count the states of applies that reached the client, and those that nothing says did.
	Delivered, Kept int
	// Limit is the setting of the limit or quota that ended it; empty = none did.
	Limit string
}

// Request is a request of a session, from when it is admitted until its answer is ready.
type Request struct {
	// Known from the beginning. Kind is as in the protocol: "plan".
	Session *Session
	Kind    string
	Asked   time.Time

	// Began is when it had its turn; zero = never. Ended is when its answer was ready.
	Began, Ended time.Time
	// Outcome is one of the Outcome constants.
	Outcome string
	// CPU is the processor time of the plugin's instance.
	CPU time.Duration
	// Runs is how many programs it started.
	Runs uint64
	// Limits are the settings of the limits that it ran into.
	Limits []string
}

// The outcomes of requests.
const (
	OK       = "ok"
	Failed   = "failed"   // the plugin answered with an error
	Crashed  = "crashed"  // the plugin gave no answer
	Refused  = "refused"  // the host did not let it begin
	Canceled = "canceled" // it was canceled, and was not done by then
	Timeout  = "timeout"  // it ran longer than it may
)

// Wait is a request's wait for its turn, where it has to.
type Wait struct {
	// Known from the beginning.
	Request *Request
	Began   time.Time

	Ended time.Time
}

// Program is a run of a program.
type Program struct {
	// Known from the beginning. Command is one of the few that the program has: "plan", "other".
	Request *Request
	Command string
	// Env is what the program gets in its environment beside all else, NAME=value. Observers add to it in Begin.
	Env []string

	Began, Ended time.Time
	// Outcome is OK, Failed (it exited with another code than 0), Killed, or NotStarted.
	Outcome string
}

// Further outcomes of programs.
const (
	Killed     = "killed"
	NotStarted = "not_started"
)

func (*Session) activity() {}
func (*Request) activity() {}
func (*Wait) activity()    {}
func (*Program) activity() {}

// All is an observer that tells the others. What begins first ends last.
func All(observers ...Observer) Observer {
	var all chain
	for _, o := range observers {
		if o != nil {
			all = append(all, o)
		}
	}
	return all
}

type chain []Observer

// Begin implements Observer.
func (c chain) Begin(ctx context.Context, a Activity) context.Context {
	for _, o := range c {
		ctx = o.Begin(ctx, a)
	}
	return ctx
}

// End implements Observer.
func (c chain) End(ctx context.Context, a Activity) {
	for i := len(c) - 1; i >= 0; i-- {
		c[i].End(ctx, a)
	}
}

// Limited is an error that a limit is behind.
type Limited interface {
	error
	// LimitSetting is the name of the setting that the limit comes from; empty = there is none.
	LimitSetting() string
}
