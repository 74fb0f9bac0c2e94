package session

import "fmt"

// Kind is a kind of Request: its number in the Request's oneof. The Complete that answers it has the same number in the Response's.
type Kind int32

// The kinds of Request. None is an empty Request, or one of a kind that this version doesn't know.
const (
	None Kind = iota
	Config
	Parse
	Init
	Plan
	Apply
	Graph
	Cancel
)

var kindNames = [...]string{"empty", "config", "parse", "init", "plan", "apply", "graph", "cancel"}

// String is the kind's name in the protocol: "plan".
func (k Kind) String() string {
	if k >= 0 && int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", int32(k))
}

// Requests are the kinds that a plugin works on, and may run programs for.
func Requests() []Kind { return []Kind{Init, Parse, Plan, Apply, Graph} }

// state is what a session remembers of the requests before. Whether one runs just now is no part of it.
type state int

const (
	// unconfigured: no Config yet.
	unconfigured state = iota
	// uninitialized: no Init has succeeded.
	uninitialized
	// ready: Init has succeeded; no Plan was asked for.
	ready
	// planned: the latest Plan has succeeded and was not applied.
	planned
	// spent: a Plan was asked for, and there is none to apply: it failed, or an Apply of it was asked for.
	spent
)

// next is the state after a request, by what its Complete says.
type next struct{ ok, failed state }

// orders is the order of requests. A request without an entry is a violation of the rule in orderRules.
var orders = map[state]map[Kind]next{
	uninitialized: {
		Init: {ok: ready, failed: uninitialized},
	},
	ready: {
		Parse: {ok: ready, failed: ready},
		Plan:  {ok: planned, failed: spent},
	},
	planned: {
		Parse: {ok: planned, failed: planned},
		Plan:  {ok: planned, failed: spent},
		Apply: {ok: spent, failed: spent},
		Graph: {ok: planned, failed: planned},
	},
	spent: {
		Parse: {ok: spent, failed: spent},
		Plan:  {ok: planned, failed: spent},
		Graph: {ok: spent, failed: spent},
	},
}

// rule is a rule of the protocol: a name for programs, a sentence for people.
type rule struct{ name, text string }

// orderRules are the rules behind orders, by the request that they are about.
var orderRules = map[Kind]rule{
	Init:  {"init-once", "after a successful Init no other may follow"},
	Parse: {"parse-after-init", "Parse needs a successful Init"},
	Plan:  {"plan-after-init", "Plan needs a successful Init"},
	Apply: {"apply-after-plan", "Apply needs that the latest Plan succeeded and was not applied yet"},
	Graph: {"graph-after-plan", "Graph needs that a Plan or an Apply was asked for"},
}

// The rules that hold in every state.
var (
	ruleConfigFirst = rule{"config-first", "the first message is the Config"}
	ruleConfigOnce  = rule{"config-once", "there is one Config, as the first message"}
	ruleNotEmpty    = rule{"request-not-empty", "a Request says what is asked for"}
	ruleOneAtATime  = rule{"one-at-a-time", "while a request runs only Cancel may be sent"}
	ruleDecodes     = rule{"request-decodes", "a message is a serialized Request"}
	ruleLogLevel    = rule{"log-level", "provisioner_log_level is empty or one of trace, debug, info, warn, error"}
	ruleKeepReading = rule{"keep-reading", "the client reads what it is sent"}
)

// after is where the request leads, or the rule that it breaks. running is whether another request runs.
func (s state) after(k Kind, running bool) (next, *Violation) {
	switch {
	case s == unconfigured && k != Config:
		return next{}, violation(FailedPrecondition, ruleConfigFirst, "the first message was %s", k)
	case s != unconfigured && k == Config:
		return next{}, violation(FailedPrecondition, ruleConfigOnce, "a second Config came")
	case k == Config:
		return next{ok: uninitialized}, nil
	case k == None:
		return next{}, violation(FailedPrecondition, ruleNotEmpty, "an empty Request came")
	case k == Cancel:
		return next{s, s}, nil
	case running:
		return next{}, violation(FailedPrecondition, ruleOneAtATime, "%s came while a request was running", k)
	}
	n, ok := orders[s][k]
	if !ok {
		return next{}, violation(FailedPrecondition, orderRules[k], "%s came out of order", k)
	}
	return n, nil
}
