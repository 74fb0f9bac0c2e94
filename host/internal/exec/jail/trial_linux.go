package jail

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/host/internal/exec/jail/supervisor/attempt"
)

// Trial puts up each layer that holds, alone, has a program try what the layer is to keep it from, and says what came of that. Layers that
// do not hold are left out.
func (j *Jail) Trial() (map[Layer]Trial, error) {
	b, err := newBait()
	if err != nil {
		return nil, fmt.Errorf("jail: try the layers: %w", err)
	}
	defer b.remove()
	// What fails without a jail as well shows nothing.
	possible, err := b.try(j.alone(), slices.DeleteFunc(j.attempts(Layers()...), func(a string) bool { return a == leave }))
	if err != nil {
		return nil, fmt.Errorf("jail: try what is possible without a jail: %w", err)
	}
	trials := map[Layer]Trial{}
	for _, l := range Layers() {
		if !j.on(l) {
			continue
		}
		attempts := slices.DeleteFunc(j.attempts(l), func(a string) bool { return a != leave && !slices.Contains(possible.Allowed, a) })
		trial, err := b.try(j.alone(l), attempts)
		if err != nil {
			return nil, fmt.Errorf("jail: try layer %s: %w", l, err)
		}
		trials[l] = trial
	}
	return trials, nil
}

// leave is the attempt to leave a process behind. A supervisor finds it even where no layer is on.
const leave = "leave"

// attempts are what those layers keep a program from, where they hold as far as they do here.
func (j *Jail) attempts(layers ...Layer) []string {
	var all []string
	for _, l := range layers {
		switch l {
		case ProcessTree:
			all = append(all, leave)
			if j.works[ProcessTree] {
				all = append(all, "signal")
			}
		case Root:
			all = append(all, "read", "list", "write", "stat", "chmod", "touch", "unix-socket")
		case Landlock:
			all = append(all, "read", "list", "write")
			if j.landlock >= scopedLandlock {
				all = append(all, "signal", "abstract-socket")
			}
		case Seccomp:
			all = append(all, "ptrace", "keyring", "io-uring", "clone3", "vsock", "user-namespace")
		case NoNewPrivileges:
			all = append(all, "new-privileges")
		case Capabilities:
			all = append(all, "capabilities")
			if !j.user {
				all = append(all, "bounding-set") // who has none can't change it, and gains none by it
			}
		case Limits:
			all = append(all, "core-dump", "open-files")
		case User:
			all = append(all, "same-user", "read", "list", "write", "stat", "chmod", "touch", "signal")
		case Cgroup:
			all = append(all, "memory-flood", "process-flood")
		case Network:
			all = append(all, "tcp", "udp")
		case IPC:
			all = append(all, "shared-memory")
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// alone is this jail with those layers and no others.
func (j *Jail) alone(layers ...Layer) *Jail {
	return j.without(slices.DeleteFunc(Layers(), func(l Layer) bool { return slices.Contains(layers, l) }))
}

// bait is what a program must not reach, and the program that tries.
type bait struct {
	self string
	// dir has a file and a socket, own is the program's directory.
	dir, own string
	// on are what attempts are made on, by name; others need nothing. What this machine has not got, nobody reaches.
	on    map[string]string
	close []func() error
}

func newBait() (_ *bait, err error) {
	b := &bait{on: map[string]string{}}
	defer func() {
		if err != nil {
			b.remove()
		}
	}()
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	for _, dir := range []*string{&b.dir, &b.own} {
		if *dir, err = os.MkdirTemp("", "provisor-"); err != nil { // short: a socket is in it
			return nil, err
		}
		b.close = append(b.close, func() error { return os.RemoveAll(*dir) })
	}
	file := filepath.Join(b.dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return nil, err
	}
	for _, name := range []string{"read", "stat", "chmod", "touch", "write"} {
		b.on[name] = file
	}
	b.on["list"] = b.dir
	b.on["signal"] = fmt.Sprint(os.Getpid())
	b.on["same-user"] = fmt.Sprint(os.Getuid())
	b.on["open-files"] = fmt.Sprint(openFiles)
	b.on["memory-flood"], b.on["process-flood"] = fmt.Sprint(2*tryMemory), fmt.Sprint(tryProcesses+1)
	b.listen("unix-socket", "unix", filepath.Join(b.dir, "socket"))
	b.listen("abstract-socket", "unix", "@"+filepath.Base(b.dir))
	b.listen("tcp", "tcp", "127.0.0.1:0")
	if udp, err := net.ListenPacket("udp", "127.0.0.1:0"); err == nil {
		b.close = append(b.close, udp.Close)
		b.on["udp"] = fmt.Sprint(udp.LocalAddr().(*net.UDPAddr).Port)
	}
	if id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, 0o600); err == nil {
		b.on["shared-memory"] = fmt.Sprint(id)
		b.close = append(b.close, func() error { _, err := unix.SysvShmCtl(id, unix.IPC_RMID, nil); return err })
	}
	return b, nil
}

func (b *bait) listen(attempt, network, address string) {
	l, err := net.Listen(network, address)
	if err != nil {
		return
	}
	b.close = append(b.close, l.Close)
	b.on[attempt] = address
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		b.on[attempt] = fmt.Sprint(tcp.Port)
	}
}

// remove removes all traces. What can't be removed lies in the system's temporary directory.
func (b *bait) remove() {
	for _, f := range slices.Backward(b.close) {
		_ = f()
	}
}

const (
	// attemptTimeout is far more than all attempts take.
	attemptTimeout = 30 * time.Second
	// leftTimeout is how long what an attempt leaves behind may be there once all is said to be gone: less than it would stay.
	leftTimeout = time.Second
)

// try makes attempts in a jail.
func (b *bait) try(j *Jail, attempts []string) (Trial, error) {
	var trial Trial
	if len(attempts) == 0 {
		return trial, nil
	}
	args := []string{attempt.Name}
	for _, a := range attempts {
		name := a
		if a == "abstract-socket" {
			name = "unix-socket"
		}
		args = append(args, name+"="+b.on[a])
	}
	// Both may lie where only the daemon's user gets to; a supervisor is the same program.
	program, dir := b.self, b.own
	if j.works[User] {
		program, dir = self, "/"
	}
	r, w, err := os.Pipe()
	if err != nil {
		return trial, err
	}
	defer r.Close()
	p, err := j.Start(Command{
		Path: program, Args: args, Dir: dir, Stdout: w, Stderr: w,
		Cell: Cell{Execute: []string{b.self}, Write: []string{b.own}, Tmp: b.own, User: j.options.User, Offline: j.on(Network), Memory: tryMemory, Processes: tryProcesses},
	})
	w.Close()
	if err != nil {
		return trial, err
	}
	err = trial.read(r, attempts)
	if err := errors.Join(err, p.Finish()); err != nil {
		return trial, err
	}
	// Who still has the pipe was left behind.
	if i := slices.Index(trial.Allowed, leave); i >= 0 {
		_ = r.SetReadDeadline(time.Now().Add(leftTimeout))
		if _, err := io.Copy(io.Discard, r); err == nil {
			trial.Allowed = slices.Delete(trial.Allowed, i, i+1)
			trial.Refused = append(trial.Refused, leave)
		}
	}
	return trial, nil
}

// read reads what came of the attempts.
func (t *Trial) read(r *os.File, attempts []string) error {
	_ = r.SetReadDeadline(time.Now().Add(attemptTimeout))
	outcomes := json.NewDecoder(r)
	for _, a := range attempts {
		var outcome attempt.Outcome
		if err := outcomes.Decode(&outcome); err != nil {
			return fmt.Errorf("attempt %s: %w", a, err)
		}
		if outcome.Refused == "" {
			t.Allowed = append(t.Allowed, a)
		} else {
			t.Refused = append(t.Refused, a)
		}
	}
	return nil
}
