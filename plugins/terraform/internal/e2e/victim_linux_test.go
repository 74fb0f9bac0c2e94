package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// victim is a daemon of one test's own, to which accidents happen.
type victim struct {
	*testing.T
	data    string
	socket  string
	args    []string
	env     []string
	command *exec.Cmd
	ended   chan error
	log     string // the file with the log of the daemon since its latest start
	client  *client.Client
}

// newVictim starts a daemon with that data directory.
func newVictim(t *testing.T, data string, args ...string) *victim {
	t.Helper()
	if testing.Short() {
		t.Skip("real engines take longer")
	}
	if room.once.Do(room.make); room.err != nil {
		t.Fatal(room.err)
	}
	engine := &daemon{engine: *accidentEngine}
	engineArgs, env := engine.engineArguments()
	if engine.missing != "" {
		t.Skip(engine.missing)
	}
	dir, err := os.MkdirTemp("", "v") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{T: t, data: data, socket: filepath.Join(dir, "s"), env: env, log: filepath.Join(dir, "log")}
	v.args = slices.Concat([]string{"serve", "--listen", "unix:" + v.socket, "--mirror", room.mirror, "--data-dir", data,
		"--exit-timeout", "1m", "--min-free", "1KiB", "--ballast", "1MiB"}, engineArgs, args)
	t.Cleanup(func() {
		v.end(os.Kill)
		os.RemoveAll(dir)
	})
	v.start()
	return v
}

func (v *victim) start() {
	v.Helper()
	os.Remove(v.socket)
	log, err := os.Create(v.log)
	if err != nil {
		v.Fatal(err)
	}
	defer log.Close()
	v.command = exec.Command(room.provisor, v.args...)
	v.command.Env, v.command.Stdout, v.command.Stderr = v.env, log, log
	if err := v.command.Start(); err != nil {
		v.Fatal(err)
	}
	v.ended = make(chan error, 1)
	go func() { v.ended <- v.command.Wait() }()
	for listens := false; !listens; {
		select {
		case err := <-v.ended:
			v.command = nil
			v.Fatalf("the daemon has ended: %v\n%s", err, v.logged())
		case <-time.After(20 * time.Millisecond):
		}
		c, err := net.Dial("unix", v.socket)
		if listens = err == nil; listens {
			c.Close()
		}
	}
	if v.client, err = client.Dial("unix:"+v.socket, client.Options{}); err != nil {
		v.Fatal(err)
	}
}

func (v *victim) logged() string {
	v.Helper()
	log, err := os.ReadFile(v.log)
	if err != nil {
		v.Error(err)
	}
	return string(log)
}

// end ends the daemon with a signal, and waits for its end.
func (v *victim) end(s os.Signal) {
	v.Helper()
	if v.command == nil {
		return
	}
	if err := v.command.Process.Signal(s); err != nil {
		v.Error(err)
	}
	if err := <-v.ended; err != nil && s != os.Kill {
		v.Errorf("the daemon ended with %v\n%s", err, v.logged())
	}
	v.command = nil
	v.client.Close()
}

// planned is a session that has planned the template.
func (v *victim) planned(template string) *client.Session {
	v.Helper()
	s, err := v.client.Open(v.Context())
	if err != nil {
		v.Fatal(err)
	}
	if err := s.Configure(&pb.Config{}); err != nil {
		v.Fatal(err)
	}
	for _, req := range []*pb.Request{initRequestOf(bareArchive(v.T, "main.tf", fixtureOnly+template)), planRequest(&pb.PlanRequest{})} {
		resp, err := s.Do(v.Context(), req, nil)
		if err != nil || client.ErrorOf(resp) != "" {
			v.Fatalf("%T: %v, %s", req.Type, err, client.ErrorOf(resp))
		}
	}
	return s
}

const fixtureOnly = `terraform {
  required_providers {
    fixture = { source = "provisor/fixture" }
  }
}
`

// outcome is what came of an apply.
type outcome struct {
	state []byte
	text  string
	err   error
}

// apply has the session apply in a goroutine of its own.
func (v *victim) apply(s *client.Session) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		request := applyRequest(&pb.ApplyRequest{Metadata: &pb.Metadata{TemplateName: "accident", WorkspaceName: v.Name()}})
		resp, err := s.Do(v.Context(), request, nil)
		done <- outcome{resp.GetApply().GetState(), resp.GetApply().GetError(), err}
	}()
	return done
}

// processes are those that belong to the victim: their environment, arguments or directory name its data directory.
func (v *victim) processes() (found []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || v.command != nil && pid == v.command.Process.Pid {
			continue
		}
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		cwd, _ := os.Readlink(filepath.Join(dir, "cwd"))
		exe, _ := os.Readlink(filepath.Join(dir, "exe"))
		arguments, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		supervisor := exe == room.provisor && bytes.HasPrefix(arguments, []byte("provisor-jail"))
		if bytes.Contains(environ, []byte(v.data)) || strings.HasPrefix(cwd, v.data) || supervisor {
			found = append(found, pid)
		}
	}
	return found
}

// awaitNoProcess waits until all that the daemon had started is gone, and returns how long that took.
func (v *victim) awaitNoProcess() time.Duration {
	v.Helper()
	began := time.Now()
	for {
		left := v.processes()
		if len(left) == 0 {
			return time.Since(began)
		}
		if time.Since(began) > 2*time.Minute {
			v.Fatalf("processes %v are left", left)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// engine is the process of the engine that applies.
func (v *victim) engine() int {
	for _, pid := range v.processes() {
		arguments, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		fields := bytes.Split(arguments, []byte{0})
		if len(fields) > 1 && filepath.Base(string(fields[0])) == *accidentEngine && string(fields[1]) == "apply" {
			return pid
		}
	}
	return 0
}

// kept is what a recovery record has, as the command line shows it.
type kept struct {
	ID     string
	Status string
	Record struct{ Why string }
}

// records lists what is kept.
func (v *victim) records() (list []kept) {
	v.Helper()
	out, err := exec.Command(room.provisor, "recover", "list", "--json", "--data-dir", v.data).Output()
	if err = errors.Join(err, json.Unmarshal(out, &list)); err != nil {
		v.Fatalf("recover list: %v", err)
	}
	return list
}

// take exports a record's state and discards the record.
func (v *victim) take(id string) []byte {
	v.Helper()
	state, err := exec.Command(room.provisor, "recover", "export", "--data-dir", v.data, id, "-").Output()
	if err != nil {
		v.Fatalf("recover export: %v", err)
	}
	if out, err := exec.Command(room.provisor, "recover", "discard", "--yes", "--data-dir", v.data, id).CombinedOutput(); err != nil {
		v.Fatalf("recover discard: %v\n%s", err, out)
	}
	return state
}

// takeOne is the state of the only record, or nil if there is none.
func (v *victim) takeOne() []byte {
	v.Helper()
	list := v.records()
	switch {
	case len(list) == 0:
		return nil
	case len(list) > 1 || list[0].Status != "kept":
		v.Fatalf("the records are %+v, want one that is kept", list)
	}
	return v.take(list[0].ID)
}

// emptied says whether the dead daemon's engine has left an empty state file.
func (v *victim) emptied() bool {
	v.Helper()
	files, err := filepath.Glob(filepath.Join(v.data, "sessions", "*", "*", "work", "terraform.tfstate"))
	if err != nil {
		v.Error(err)
	}
	return slices.ContainsFunc(files, func(name string) bool {
		info, err := os.Stat(name)
		return err == nil && info.Size() == 0
	})
}

// checkClean checks that no session has left its directory.
func (v *victim) checkClean() {
	v.Helper()
	left, err := filepath.Glob(filepath.Join(v.data, "sessions", "[a-z]*", "*"))
	if err != nil || len(left) > 0 {
		v.Errorf("session directories are left: %q, %v", left, err)
	}
}

// missing are the resources that were made and are in none of the states.
func missing(t *testing.T, ended []string, states ...[]byte) []string {
	t.Helper()
	known := make(map[string]bool)
	for _, state := range states {
		if len(state) == 0 {
			continue
		}
		var content struct{ Resources []struct{ Name string } }
		if err := json.Unmarshal(state, &content); err != nil {
			t.Errorf("the state is not whole: %v", err)
		}
		for _, r := range content.Resources {
			known[r.Name] = true
		}
	}
	lost := slices.DeleteFunc(slices.Clone(ended), func(name string) bool { return known[name] })
	slices.Sort(lost)
	return lost
}

// checkUnderWay checks that at most one resource of each chain is lost: the one that was under way.
func checkUnderWay(t *testing.T, lost []string) {
	t.Helper()
	of := make(map[string]int)
	for _, name := range lost {
		chain, _, _ := strings.Cut(name, "_")
		of[chain]++
	}
	for chain, n := range of {
		if n > 1 {
			t.Errorf("%d resources of chain %s were made and are in no state: %q", n, chain, lost)
		}
	}
}
