//go:build !wasip1

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisor/provisor/sdk-guest/guesttest"
)

// fake is an engine that answers each of its commands as the test says, and otherwise like one with an empty template.
type fake struct {
	commands map[string]func(run *guesttest.Run) int
	// args are the arguments of each run, and env its environment.
	args []string
	env  [][]string
}

const (
	emptyPlanJSON  = `{"format_version":"1.2","planned_values":{"root_module":{}}}`
	emptyStateJSON = `{"format_version":"1.0"}`
	emptyState     = `{"version":4,"resources":[]}`
)

// withFake opens a session with a fake engine of that name and version.
func withFake(t *testing.T, name, version string) (*guesttest.Session, *fake) {
	t.Helper()
	s := guesttest.New(t)
	f := &fake{commands: map[string]func(run *guesttest.Run) int{}}
	s.SetInfo(infoFor(name, version))
	s.Program(program, func(run *guesttest.Run) int {
		f.args = append(f.args, strings.Join(run.Args, " "))
		f.env = append(f.env, run.Env)
		if command := f.commands[run.Args[0]]; command != nil {
			return command(run)
		}
		return succeed(run)
	})
	return s, f
}

// on has the fake answer a command with output and a status.
func (f *fake) on(command, stdout, stderr string, status int) {
	f.commands[command] = func(run *guesttest.Run) int {
		fmt.Fprint(run.Stdout, stdout)
		fmt.Fprint(run.Stderr, stderr)
		return status
	}
}

func succeed(run *guesttest.Run) int {
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(run.Dir, name), []byte(content), 0o600); err != nil {
			panic(err)
		}
	}
	last := run.Args[len(run.Args)-1]
	switch run.Args[0] {
	case "plan":
		write(planFile, "a plan")
	case "apply":
		write("terraform.tfstate", emptyState)
	case "graph":
		fmt.Fprintln(run.Stdout, "digraph {}")
	case "show":
		if last == planFile {
			fmt.Fprint(run.Stdout, emptyPlanJSON)
		} else {
			fmt.Fprint(run.Stdout, emptyStateJSON)
		}
	}
	return 0
}

// must fails the test for an answer with an error.
func must(t *testing.T, s *guesttest.Session, answer interface{ GetError() string }) {
	t.Helper()
	if answer.GetError() != "" {
		t.Fatalf("%s\n%s", answer.GetError(), s.LogText())
	}
}

// exists reports whether there is something of that name in the work directory.
func exists(s *guesttest.Session, name string) bool {
	_, err := os.Lstat(filepath.Join(s.WorkDir(), name))
	return err == nil
}

func wantError(t *testing.T, answer interface{ GetError() string }, want string) {
	t.Helper()
	if answer.GetError() != want {
		t.Errorf("error %q, want %q", answer.GetError(), want)
	}
}

func wantLog(t *testing.T, s *guesttest.Session, line string) {
	t.Helper()
	if !strings.Contains(s.LogText(), line+"\n") {
		t.Errorf("the log has no %q:\n%s", line, s.LogText())
	}
}
