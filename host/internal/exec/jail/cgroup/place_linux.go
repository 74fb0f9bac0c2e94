package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// prefix begins the names of groups.
	prefix = "provisor-"
	// daemonGroup is where the daemon goes, in version 2.
	daemonGroup = prefix + "daemon"
	// programGroup is the part of a group of version 2 that is the program's alone.
	programGroup = "program"
	// sweepEvery is how often a place looks for what dead daemons left.
	sweepEvery = 30 * time.Second
)

// Place is where groups are made. Its methods may be called by several goroutines.
type Place struct {
	hierarchies []*hierarchy

	mu    sync.Mutex
	swept time.Time
}

// Find finds where this process may make groups that bound memory and processes, and sweeps what dead daemons left there.
func Find() (*Place, error) {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer mounts.Close()
	own, err := os.Open("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	defer own.Close()
	all, err := hierarchies(mounts, own)
	if err != nil {
		return nil, err
	}
	p := &Place{}
	var errs []error
	for _, h := range all {
		if h.version == 2 {
			if err := h.open(); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		p.take(h)
	}
	for _, c := range []string{memory, pids} {
		if !slices.ContainsFunc(p.hierarchies, func(h *hierarchy) bool { return h.has(c) }) {
			return nil, errors.Join(append(errs, fmt.Errorf("no cgroup with the %s controller is mounted, that this process is in", c))...)
		}
	}
	p.sweep()
	return p, nil
}

// take uses a hierarchy for what no other has.
func (p *Place) take(h *hierarchy) {
	for _, other := range p.hierarchies {
		h.controllers = slices.DeleteFunc(h.controllers, other.has)
	}
	if len(h.controllers) > 0 {
		p.hierarchies = append(p.hierarchies, h)
	}
}

// open makes a hierarchy of version 2 ready: groups below the daemon's own get its controllers.
func (h *hierarchy) open() error {
	if filepath.Base(h.dir) == daemonGroup {
		h.dir = filepath.Dir(h.dir)
	}
	offered, err := os.ReadFile(h.file("cgroup.controllers"))
	if err != nil {
		return err
	}
	enabled, err := os.ReadFile(h.file("cgroup.subtree_control"))
	if err != nil {
		return err
	}
	for _, c := range []string{memory, pids, cpu} {
		if slices.Contains(strings.Fields(string(offered)), c) {
			h.controllers = append(h.controllers, c)
		}
	}
	var missing []string
	for _, c := range h.controllers {
		if !slices.Contains(strings.Fields(string(enabled)), c) {
			missing = append(missing, "+"+c)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := h.makeRoom(); err != nil {
		return err
	}
	return write(h.file("cgroup.subtree_control"), strings.Join(missing, " "))
}

// makeRoom moves this process out of its group: one whose groups have controllers may have no processes. The first of all is an exception.
func (h *hierarchy) makeRoom() error {
	if _, err := os.Stat(h.file("cgroup.type")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	inside, err := processesIn(h.dir)
	if err != nil {
		return err
	}
	for _, pid := range inside {
		if pid != os.Getpid() {
			return fmt.Errorf("other processes are in the daemon's cgroup %s", h.dir)
		}
	}
	if len(inside) == 0 {
		return nil
	}
	leaf := h.file(daemonGroup)
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return write(filepath.Join(leaf, "cgroup.procs"), strconv.Itoa(os.Getpid()))
}

// processesIn lists the processes of a group.
func processesIn(group string) ([]int, error) {
	content, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	return processes(content)
}

func (h *hierarchy) file(name string) string { return filepath.Join(h.dir, name) }

// String says what bounds what: "version 1: memory, pids".
func (p *Place) String() string {
	byVersion := map[int][]string{}
	for _, h := range p.hierarchies {
		byVersion[h.version] = append(byVersion[h.version], h.controllers...)
	}
	var parts []string
	for version := 1; version <= 2; version++ {
		if list := byVersion[version]; len(list) > 0 {
			slices.Sort(list)
			parts = append(parts, fmt.Sprintf("version %d: %s", version, strings.Join(list, ", ")))
		}
	}
	return strings.Join(parts, "; ")
}

// sweepAgain sweeps if that was long ago: a supervisor whose daemon has died takes its time.
func (p *Place) sweepAgain() {
	p.mu.Lock()
	due := time.Since(p.swept) > sweepEvery
	if due {
		p.swept = time.Now()
	}
	p.mu.Unlock()
	if due {
		p.sweep()
	}
}

// sweep removes groups that nobody has locked, with all that runs in them.
func (p *Place) sweep() {
	p.mu.Lock()
	p.swept = time.Now()
	p.mu.Unlock()
	for _, h := range p.hierarchies {
		entries, err := os.ReadDir(h.dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if e.IsDir() && strings.HasPrefix(e.Name(), prefix) && e.Name() != daemonGroup {
				h.sweep(filepath.Join(h.dir, e.Name()))
			}
		}
	}
}

func (h *hierarchy) sweep(path string) {
	lock, err := lockDir(path, unix.LOCK_EX)
	if err != nil {
		return // somebody has it, or it is gone
	}
	defer lock.Close()
	d := &directory{hierarchy: h, path: path}
	_ = d.remove(time.Now().Add(time.Second)) // what does not go at once is found by the next sweep
}

// lockDir locks a directory, which is unlocked when all who have the file have closed it.
func lockDir(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// write writes to a file of the kernel's, in one piece.
func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
