package cgroup

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// goneTimeout is how long what was killed may take to disappear.
const goneTimeout = 10 * time.Second

// Group is a group in each hierarchy of a place.
type Group struct{ directories []*directory }

// directory is a group in one hierarchy.
type directory struct {
	*hierarchy
	path string
	lock *os.File
	// told are the counts that Hits has told of.
	told map[string]uint64
}

// New makes a group. The caller must call Remove in the end.
func (p *Place) New(l Limits) (_ *Group, err error) {
	p.sweepAgain()
	g := &Group{}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Remove())
		}
	}()
	for _, h := range p.hierarchies {
		d := &directory{hierarchy: h, told: map[string]uint64{}}
		if err := d.make(); err != nil {
			return nil, err
		}
		g.directories = append(g.directories, d)
		if err := d.limit(l); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// make makes the directory and locks it. Another daemon's sweep may be quicker, and remove it: then it gets another name, since a sweep removes
// by the name, and may be slow.
func (d *directory) make() error {
	const attempts = 10
	for range attempts {
		d.path = d.hierarchy.file(prefix + strings.ToLower(rand.Text()))
		if err := os.Mkdir(d.path, 0o755); err != nil {
			return err
		}
		lock, err := lockDir(d.path, unix.LOCK_SH)
		if err == nil {
			if _, err = os.Lstat(d.path); err == nil {
				d.lock = lock
				return nil
			}
			lock.Close()
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EWOULDBLOCK) {
			return errors.Join(err, unix.Rmdir(d.path))
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("make a group in %s: something removed it %d times", d.dir, attempts)
}

// limit sets the limits. Setting memory's before swap's is the only order that works.
func (d *directory) limit(l Limits) error {
	type setting struct {
		file, value string
		optional    bool // what not every kernel has
	}
	var settings []setting
	if d.has(memory) && l.Memory > 0 {
		bytes := strconv.FormatUint(min(l.Memory, math.MaxInt64), 10)
		if d.version == 1 {
			settings = append(settings, setting{file: "memory.limit_in_bytes", value: bytes}, setting{"memory.memsw.limit_in_bytes", bytes, true})
		} else {
			settings = append(settings, setting{file: "memory.max", value: bytes}, setting{"memory.swap.max", "0", true})
		}
	}
	if d.version == 2 {
		if err := os.Mkdir(d.file(programGroup), 0o755); err != nil {
			return err
		}
		settings = append(settings, setting{file: filepath.Join(programGroup, "cgroup.type"), value: "threaded"})
		if d.has(pids) {
			settings = append(settings, setting{file: "cgroup.subtree_control", value: "+" + pids})
		}
	}
	if d.has(pids) && l.Processes > 0 {
		// One more: the thread of the supervisor that starts the program.
		settings = append(settings, setting{file: d.program("pids.max"), value: strconv.FormatUint(min(l.Processes, math.MaxInt32)+1, 10)})
	}
	for _, s := range settings {
		err := write(d.file(s.file), s.value)
		if s.optional && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EOPNOTSUPP)) {
			continue
		}
		if err != nil {
			return fmt.Errorf("set a limit: %w", err)
		}
	}
	return nil
}

// file is a file of the group.
func (d *directory) file(name string) string { return filepath.Join(d.path, name) }

// program is a file of the part that is the program's alone.
func (d *directory) program(name string) string {
	if d.version == 2 {
		return filepath.Join(programGroup, name)
	}
	return name
}

// Start is the directory in which the supervisor is to be started (CLONE_INTO_CGROUP), as a file descriptor; -1 = where the daemon is.
func (g *Group) Start() int {
	for _, d := range g.directories {
		if d.version == 2 {
			return int(d.lock.Fd())
		}
	}
	return -1
}

// Tasks opens the files into which the thread that starts the program writes 0 before. The caller closes them.
func (g *Group) Tasks() ([]*os.File, error) {
	var files []*os.File
	for _, d := range g.directories {
		name := "tasks"
		if d.version == 2 {
			name = d.program("cgroup.threads")
		}
		f, err := os.OpenFile(d.file(name), os.O_WRONLY, 0)
		if err != nil {
			for _, f := range files {
				f.Close()
			}
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// Locks are files that keep the group from being swept as long as somebody has them open. They stay the group's.
func (g *Group) Locks() []*os.File {
	var files []*os.File
	for _, d := range g.directories {
		files = append(files, d.lock)
	}
	return files
}

// Processes lists the processes in the group, the supervisor possibly among them.
func (g *Group) Processes() []int {
	if len(g.directories) == 0 {
		return nil
	}
	list, _ := processesIn(g.directories[0].path) // none where it is gone
	return list
}

// Hits says which limits were hit since the last call. That of memory counts as hit once something was killed for it.
func (g *Group) Hits() Hits {
	var hits Hits
	for _, d := range g.directories {
		if d.has(memory) {
			if d.version == 1 {
				hits.Memory = d.more("memory.oom_control", "oom_kill ") && d.nearLimit()
				for _, most := range mostMemory {
					_ = write(d.file(most), "0") // from now on; there may be no memsw
				}
			} else {
				killed, full := d.more("memory.events", "oom_kill "), d.more("memory.events", "oom ")
				hits.Memory = killed && full
			}
		}
		if d.has(pids) {
			hits.Processes = d.more(d.program("pids.events"), "max ")
		}
	}
	return hits
}

// mostMemory are the files, in version 1, that tell the most memory there ever was, or has been since they were written to.
var mostMemory = []string{"memory.max_usage_in_bytes", "memory.memsw.max_usage_in_bytes"}

// nearLimit says, in version 1, that the most memory there ever was is near the limit: what was killed was killed for that, and not because the
// machine had none. There is no count of failures that all kernels keep.
func (d *directory) nearLimit() bool {
	limit := d.count("memory.limit_in_bytes", "")
	return slices.ContainsFunc(mostMemory, func(file string) bool { return d.count(file, "") >= limit-limit/8 })
}

// more says whether a number from a file of the group is larger than the last time.
func (d *directory) more(file, name string) bool {
	key, n := file+" "+name, d.count(file, name)
	defer func() { d.told[key] = n }()
	return n > d.told[key]
}

// count reads a number from a file of the group, 0 where there is none.
func (d *directory) count(file, name string) uint64 {
	content, err := os.ReadFile(d.file(file))
	if err != nil {
		return 0
	}
	return count(content, name)
}

// Remove kills what is left in the group, and removes it. It may be called again.
func (g *Group) Remove() error {
	var errs []error
	deadline := time.Now().Add(goneTimeout)
	for _, d := range slices.Backward(g.directories) {
		errs = append(errs, d.remove(deadline))
		if d.lock != nil {
			errs = append(errs, d.lock.Close())
			d.lock = nil
		}
	}
	g.directories = nil
	return errors.Join(errs...)
}

// remove removes the directory, which works once there is nobody in it.
func (d *directory) remove(deadline time.Time) error {
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		err := removeTree(d.path)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("remove the cgroup %s: %w", d.path, err)
		}
		killTree(d.path)
		time.Sleep(pause)
	}
}

// removeTree removes a group with those below it, which the program may have made where no other layer keeps it from that.
func removeTree(path string) error {
	err := unix.Rmdir(path)
	if err == nil || !errors.Is(err, unix.EBUSY) {
		return err
	}
	for _, below := range groupsBelow(path) {
		if err := removeTree(below); err != nil {
			return err
		}
	}
	return unix.Rmdir(path)
}

func groupsBelow(path string) []string {
	entries, _ := os.ReadDir(path) // none where it is gone
	var list []string
	for _, e := range entries {
		if e.IsDir() {
			list = append(list, filepath.Join(path, e.Name()))
		}
	}
	return list
}

// killTree kills all that is in a group, and below it, at this moment.
func killTree(path string) {
	if write(filepath.Join(path, "cgroup.kill"), "1") == nil { // version 2, from Linux 5.14 on
		return
	}
	for _, below := range groupsBelow(path) {
		killTree(below)
	}
	inside, err := processesIn(path)
	if err != nil {
		return
	}
	for _, pid := range inside {
		if pid == 0 || pid == os.Getpid() {
			continue // one that can't be seen from here; this process itself, as a test may have it
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		// Once more, now that the id can't become another's.
		if still, err := processesIn(path); err == nil && slices.Contains(still, pid) {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		}
		unix.Close(fd)
	}
}
