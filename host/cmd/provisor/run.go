package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/client/template"
	"github.com/provisor/provisor/host/internal/report"
	"github.com/provisor/provisor/host/internal/statefile"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// runner walks a job's steps over one session.
type runner struct {
	*job
	printer *report.Printer
	session *client.Session
	state   *statefile.File
	answers answers
	// lost is true when a state came and could be written nowhere.
	lost bool
	// quiet leaves what the steps brought to the command.
	quiet bool
}

func runWorkflow(c *cli.Context, w workflow, signals *signals) (err error) {
	j, err := newJob(c, w)
	if err != nil {
		return err
	}
	out := os.Stdout
	if j.json {
		out = os.Stderr
	}
	r := &runner{job: j, printer: report.New(out)}
	signals.withHangup()
	ctx := signals.context
	if j.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, j.timeout)
		defer cancel()
	}
	err = r.run(ctx, func() (*connection, error) { return connect(c, signals, runtimeLog(c, r.printer)) })
	if j.json {
		if printErr := r.answers.print(os.Stdout); err == nil {
			err = printErr
		}
	}
	return ending(ctx, j, signals, err)
}

// ending is the error that a job ends with, where an interrupt or the timeout may be what ended it.
func ending(ctx context.Context, j *job, signals *signals, err error) error {
	if signals.interrupted() {
		if failed := (*exitError)(nil); errors.As(err, &failed) {
			err = failed.err
		}
		return &exitError{exitInterrupted, err}
	}
	if err != nil && ctx.Err() != nil {
		return errors.Join(&exitError{exitFailed, fmt.Errorf("--timeout %s has passed", j.timeout)}, err)
	}
	return err
}

// maxArchive is the largest template that is packed, in bytes: plugins take no more, and what is larger is a directory that was not meant.
const maxArchive = 256 << 20

func (r *runner) run(ctx context.Context, open func() (*connection, error)) (err error) {
	if r.state, err = openState(r.job.state); err != nil {
		return err
	}
	if r.state != nil {
		defer func() { err = errors.Join(err, r.state.Close()) }()
	}
	archive, err := template.Pack(r.dir, template.Options{
		MaxBytes: maxArchive,
		LeaveOut: func(name string) bool {
			return r.state != nil && r.state.Owns(filepath.Join(r.dir, filepath.FromSlash(name)))
		},
		Warn: func(s string) { r.printer.Log(&pb.Log{Level: pb.LogLevel_WARN, Output: s}) },
	})
	if err != nil {
		return err
	}
	connection, err := open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, connection.close(!r.lost)) }()
	r.session = connection.session
	if err := r.session.Configure(&pb.Config{ProvisionerLogLevel: r.logLevel}); err != nil {
		// A session that has ended says why to who receives.
		if _, reason := r.session.Recv(); reason != nil {
			err = reason
		}
		return err
	}
	for _, s := range r.steps {
		request, err := r.request(s, archive)
		if err != nil {
			return err
		}
		if err := r.do(ctx, s, request); err != nil {
			return err
		}
		if r.quiet {
			continue
		}
		if err := r.after(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func openState(path string) (*statefile.File, error) {
	if path == "" {
		return nil, nil
	}
	return statefile.Open(path)
}

func (r *runner) request(s step, archive []byte) (*pb.Request, error) {
	switch s {
	case stepInit:
		return &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: archive, OmitModuleFiles: true}}}, nil
	case stepParse:
		return &pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}}, nil
	case stepPlan:
		state, err := r.state.Read()
		if err != nil {
			return nil, err
		}
		r.plan.State = state
		return &pb.Request{Type: &pb.Request_Plan{Plan: r.plan}}, nil
	case stepApply:
		return &pb.Request{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{Metadata: r.plan.Metadata}}}, nil
	case stepGraph:
		source := pb.GraphSource_SOURCE_PLAN
		if r.applies() {
			source = pb.GraphSource_SOURCE_STATE
		}
		return &pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{Metadata: r.plan.Metadata, Source: source}}}, nil
	}
	return nil, fmt.Errorf("no such step: %s", s)
}

// do sends one request and keeps its answer. A state that comes with the answer is on disk before anything else
// happens, also where the answer is a failure.
func (r *runner) do(ctx context.Context, s step, request *pb.Request) error {
	r.printer.Start(string(s))
	response, err := r.session.Do(ctx, request, r.printer.Log)
	if err != nil {
		r.printer.Done("the session broke off")
		if s == stepApply {
			err = errors.Join(err, errors.New(whereStatesAre))
		}
		return err
	}
	r.answers.add(s, response)
	if state := response.GetApply().GetState(); len(state) > 0 {
		if err := r.keep(state); err != nil {
			r.printer.Done(err.Error())
			return &exitError{code: exitFailed}
		}
	}
	failure := client.ErrorOf(response)
	r.printer.Done(failure)
	if failure != "" {
		return &exitError{code: exitFailed}
	}
	return nil
}

// whereStatesAre says what to do where an apply's state did not come.
const whereStatesAre = "the state that the apply has left is kept where it ran: see provisor recover list, on that machine"

// keep writes the state, into another place where its own can't be written: it is the only record of what there is.
func (r *runner) keep(state []byte) error {
	err := r.state.Write(state)
	if err == nil {
		return nil
	}
	rescued, rescueErr := statefile.Rescue(state)
	if rescueErr != nil {
		r.lost = true
		return errors.Join(err, rescueErr, errors.New(whereStatesAre))
	}
	return fmt.Errorf("%w; the new state is in %s: move it to %s", err, rescued, r.state.Path())
}

// after shows what a step brought, and asks where a person must agree.
func (r *runner) after(ctx context.Context, s step) error {
	response := r.answers.last()
	switch s {
	case stepParse:
		r.printer.Variables(response.GetParse())
	case stepPlan:
		changes, err := report.Changes(response.GetPlan().GetPlan())
		if err != nil {
			// A plugin may plan in a form of its own. Whoever is asked must know that the changes can't be shown.
			r.printer.Line("The plan is in a form that this command does not know: it can't show the changes.")
		} else {
			r.printer.Changes(changes)
		}
		if r.applies() && r.ask && (err != nil || len(changes) > 0) {
			return r.agree(ctx)
		}
	case stepGraph:
		r.printer.Resources(response.GetGraph())
	}
	return nil
}

// agree asks on the terminal whether the plan may be carried out. An interrupt is a no.
func (r *runner) agree(ctx context.Context) error {
	what := "Apply these changes?"
	if r.transition == pb.WorkspaceTransition_DESTROY {
		what = "Destroy these resources?"
	}
	fmt.Fprint(os.Stderr, what+" Only yes is accepted: ")
	answer := make(chan string, 1)
	go func() {
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			line = ""
		}
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case line := <-answer:
		if line == "yes" {
			return nil
		}
	case <-ctx.Done():
		fmt.Fprintln(os.Stderr)
	}
	return &exitError{exitFailed, errors.New("not agreed: nothing was changed")}
}
