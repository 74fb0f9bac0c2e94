package main

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"github.com/provisor/provisor/host/internal/exec/jail/supervisor"
)

// A supervisor begins before most of the program is initialized. One import too many in package supervisor, and there are 90 packages before it.
func TestSupervisorBeginsEarly(t *testing.T) {
	const most = 35
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var trace bytes.Buffer
	cmd := &exec.Cmd{Path: self, Args: []string{supervisor.Name}, Env: []string{"GODEBUG=inittrace=1,containermaxprocs=0"}, Stderr: &trace}
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 2 {
		t.Fatalf("a supervisor without a daemon: %v\n%s", cmd.ProcessState, &trace)
	}
	// The packages before it; its own would be told of at its end.
	if n := bytes.Count(trace.Bytes(), []byte("\ninit ")); n < 5 || n > most {
		t.Errorf("%d packages are initialized before a supervisor, want %d at most:\n%s", n, most, &trace)
	}
}
