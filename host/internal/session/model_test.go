package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// This file holds every sequence of messages up to a length against a model of the protocol that is written from its rules, and shares
// nothing with the table in order.go.

// symbol is a message, with the outcome that the plugin is to give it.
type symbol int

const (
	symConfig symbol = iota
	symEmpty
	symCancel
	symInitOK
	symInitFails
	symParse
	symPlanOK
	symPlanFails
	symApplyOK
	symApplyFails
	symGraph
	symHalfClose
	symbols // how many there are
)

var symbolNames = [symbols]string{"config", "empty", "cancel", "init", "init!", "parse", "plan", "plan!", "apply", "apply!", "graph", "close"}

func (s symbol) String() string { return symbolNames[s] }

// message is the symbol's Request. The fake plugin reads the outcome from a field that every such request has; the real one from the
// script in the template, if there is one.
func (s symbol) message(template []byte) *pb.Request {
	var wish []byte
	if s == symInitFails || s == symPlanFails || s == symApplyFails {
		wish = []byte("fail")
	}
	if template == nil {
		template = wish
	}
	switch s {
	case symConfig:
		return &pb.Request{Type: &pb.Request_Config{Config: &pb.Config{}}}
	case symCancel:
		return &pb.Request{Type: &pb.Request_Cancel{Cancel: &pb.CancelRequest{}}}
	case symInitOK, symInitFails:
		return &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: template}}}
	case symParse:
		return parseRequest()
	case symPlanOK, symPlanFails:
		return &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{State: wish}}}
	case symApplyOK, symApplyFails:
		return &pb.Request{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{State: wish}}}
	case symGraph:
		return graphRequest()
	}
	return &pb.Request{}
}

// model is what the page says of a session, in its own words.
type model struct {
	configured      bool
	initSucceeded   bool
	planOrApply     bool // one was asked for
	latestPlanWorks bool // it succeeded and was not applied
}

// reply is what the model expects: one of silence, an answer, or the end of the stream.
type reply struct {
	answer string // the Complete's kind, with a ! if it carries an error
	ends   bool
	broken string // the rule, if the end is no clean one
}

func (m *model) next(s symbol) reply {
	violates := func(rule string) reply { return reply{ends: true, broken: rule} }
	if s == symHalfClose {
		return reply{ends: true}
	}
	if !m.configured {
		if s != symConfig {
			return violates("config-first")
		}
		m.configured = true
		return reply{}
	}
	ok := true
	switch s {
	case symConfig:
		return violates("config-once")
	case symEmpty:
		return violates("request-not-empty")
	case symCancel:
		return reply{}
	case symInitOK, symInitFails:
		if m.initSucceeded {
			return violates("init-once")
		}
		ok = s == symInitOK
		m.initSucceeded = ok
	case symParse:
		if !m.initSucceeded {
			return violates("parse-after-init")
		}
	case symPlanOK, symPlanFails:
		if !m.initSucceeded {
			return violates("plan-after-init")
		}
		ok = s == symPlanOK
		m.planOrApply, m.latestPlanWorks = true, ok
	case symApplyOK, symApplyFails:
		if !m.latestPlanWorks {
			return violates("apply-after-plan")
		}
		ok = s == symApplyOK
		m.planOrApply, m.latestPlanWorks = true, false
	case symGraph:
		if !m.planOrApply {
			return violates("graph-after-plan")
		}
	}
	kind := strings.TrimSuffix(s.String(), "!")
	if !ok {
		kind += "!"
	}
	return reply{answer: kind}
}

// sequences yields every sequence that can't be made longer: it has the full length, or its last message ends the stream. Every other
// sequence is the beginning of one of these, and is checked with it. It returns how many there are with those.
func sequences(length int, yield func([]symbol)) (all int) {
	var extend func(prefix []symbol, m model)
	extend = func(prefix []symbol, m model) {
		for s := range symbols {
			after := m
			all++
			sequence := append(prefix[:len(prefix):len(prefix)], s)
			if r := after.next(s); r.ends || len(sequence) == length {
				yield(sequence)
				continue
			}
			extend(sequence, after)
		}
	}
	extend(nil, model{})
	return all
}

// checkSequence plays the sequence on a session and compares each reply with the model's. It returns the number of messages.
func checkSequence(s *client.Session, sequence []symbol, template []byte) (int, error) {
	var m model
	for i, sym := range sequence {
		want := m.next(sym)
		var err error
		if sym == symHalfClose {
			err = s.CloseSend()
		} else {
			err = s.Send(sym.message(template))
		}
		if err != nil {
			return i, fmt.Errorf("send %s: %w", sym, err)
		}
		if err := expect(s, want); err != nil {
			return i, fmt.Errorf("after %v: %w", sequence[:i+1], err)
		}
	}
	return len(sequence), nil
}

func expect(s *client.Session, want reply) error {
	if want.answer == "" && !want.ends {
		return nil // what follows shows that nothing came
	}
	resp, err := s.Recv()
	var v *Violation
	switch {
	case want.broken != "":
		if !errors.As(err, &v) || v.Rule != want.broken || v.Code != FailedPrecondition {
			return fmt.Errorf("got %v, %v; want a violation of %s", resp, err, want.broken)
		}
	case want.ends:
		if err != io.EOF {
			return fmt.Errorf("got %v, %v; want a clean end", resp, err)
		}
	case err != nil:
		return fmt.Errorf("got %w; want the answer %s", err, want.answer)
	default:
		if got := answerName(resp); got != want.answer {
			return fmt.Errorf("got %s; want %s", got, want.answer)
		}
	}
	return nil
}

func answerName(resp *pb.Response) string {
	r := resp.ProtoReflect()
	name := string(r.WhichOneof(r.Descriptor().Oneofs().Get(0)).Name())
	if client.ErrorOf(resp) != "" {
		name += "!"
	}
	return name
}

// obliging does what the symbol wishes.
func obliging(_ context.Context, _ *Host, req *pb.Request) (*pb.Response, error) {
	wish := req.GetInit().GetTemplateSourceArchive()
	if plan := req.GetPlan(); plan != nil {
		wish = plan.GetState()
	}
	if apply := req.GetApply(); apply != nil {
		wish = apply.GetState()
	}
	return completeOf(req, string(wish)), nil
}

func TestModel(t *testing.T) {
	f := newFixture(t, obliging)
	f.options.Log = slog.New(slog.DiscardHandler)
	playAll(t, 4, func([]symbol) (Options, []byte) { return f.options, nil }, func(Options) {})
	if f.made != f.closed {
		t.Errorf("%d instances were made, %d closed", f.made, f.closed)
	}
}

// playAll plays every sequence, several at once, each on a session with the options and the template that prepare returns. done is called
// when that session has ended.
func playAll(t *testing.T, players int, prepare func(sequence []symbol) (Options, []byte), done func(Options)) {
	t.Helper()
	const length = 6
	var played, messages atomic.Int64
	jobs := make(chan []symbol)
	var playing sync.WaitGroup
	for range players {
		playing.Go(func() {
			for sequence := range jobs {
				options, template := prepare(sequence)
				conn := client.InProcess(t.Context(), func(ctx context.Context, s client.Stream) error { return Run(ctx, options, s) })
				n, err := checkSequence(client.NewSession(conn), sequence, template)
				if err != nil {
					t.Errorf("%v: %v", sequence, err)
				}
				played.Add(1)
				messages.Add(int64(n))
				conn.Close()
				done(options)
			}
		})
	}
	began := time.Now()
	all := sequences(length, func(sequence []symbol) { jobs <- sequence })
	close(jobs)
	playing.Wait()
	t.Logf("%d sequences of up to %d messages, in %d sessions with %d messages, in %s",
		all, length, played.Load(), messages.Load(), time.Since(began).Round(time.Millisecond))
	if all < 2500 {
		t.Error("the model prunes too much")
	}
}
