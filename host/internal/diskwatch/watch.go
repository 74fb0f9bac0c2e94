// Package diskwatch bounds what programs write into a session's directories: they write past the quota on the plugin's own files.
//
// It looks at the directories as the first program begins, then once a second, and as soon as so much less is free on their file system that a
// limit may have been reached since. So what is written beyond a limit is what a program can write in the time of a few ticks and of a look.
//
// Counted are the blocks that files and directories take, and the files without a name that the programs have open or mapped. A file
// without a name that is nowhere but on its way from one process to another, in a socket, is not seen.
package diskwatch

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/jailfs"
	"github.com/provisor/provisor/host/internal/workdir/recovery"
)

const (
	// tick is how often the free space is looked at when little is left, and longTick when there is much. Each look wakes a daemon that would
	// sleep, which costs a hundred times what the look does.
	tick     = 20 * time.Millisecond
	longTick = 250 * time.Millisecond
	// lookEvery is how often the directories are, in any case.
	lookEvery = time.Second
	// restShare is how much longer than a look the rest after it is, when that is not enough.
	restShare = 4
)

// fastest is how many bytes a second all programs of a session together may write: what processors do, up to what memory does.
var fastest = min(float64(runtime.NumCPU())*(8<<30), 32<<30)

// Limits are what all files may have together; 0 = no limit.
type Limits struct {
	Bytes, Files int64
}

// Usage is what there is.
type Usage struct {
	// Bytes are those of the blocks that are taken.
	Bytes int64
	// Files are files, directories and links.
	Files int64
}

// Measure is what there is in directories, which may be missing. What could not be looked at is left out, and in the error.
func Measure(dirs ...string) (Usage, error) {
	l := newLook(Limits{})
	var errs []error
	for _, dir := range dirs {
		errs = append(errs, l.tree(dir))
	}
	return l.Usage, errors.Join(errs...)
}

// LimitError says which limit was passed.
type LimitError struct {
	Limit   string // "bytes on disk"
	Value   int64
	Setting string // empty if nothing raises it
}

// LimitSetting is the name of the setting, or empty.
func (e *LimitError) LimitSetting() string { return e.Setting }

// Error names the limit, its value and the setting.
func (e *LimitError) Error() string {
	text := fmt.Sprintf("what programs have written: the limit of %d %s is reached", e.Value, e.Limit)
	if e.Setting == "" {
		return text
	}
	return text + fmt.Sprintf(" (setting %s)", e.Setting)
}

// Unwrap makes it abi.Limit.
func (e *LimitError) Unwrap() error { return abi.Limit }

// Watch watches the directories of one session while programs run. Its methods may be called by several goroutines.
type Watch struct {
	dirs   []string
	limits Limits

	mu   sync.Mutex
	runs map[*run]bool
	// next is when there is to be a look in any case. room is how much less may be free than at the last look, free, before the limit may
	// have been reached.
	next       time.Time
	free, room int64
}

type run struct{ processes func() []int }

// New returns a watch over directories, which are no parts of each other.
func New(dirs []string, l Limits) *Watch {
	return &Watch{dirs: dirs, limits: l, runs: make(map[*run]bool)}
}

// Begin watches while a program runs. Past a limit it calls kill, from another goroutine, once. processes lists the program's processes, as
// far as they can be told. The caller must call end when the program has ended: it returns the limit that was reached, or nil. A program that
// has failed may have failed for that.
func (w *Watch) Begin(processes func() []int, kill func()) (end func(failed bool) error) {
	if w.limits == (Limits{}) {
		return func(bool) error { return nil }
	}
	r := &run{processes}
	w.mu.Lock()
	if w.next.IsZero() && w.check() != nil {
		w.next = time.Now() // what is wrong already is found again by the first look
	}
	w.runs[r] = true
	first := w.nextTick(w.left())
	w.mu.Unlock()
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() { stopped <- w.watch(first, stop, kill) }()
	return func(failed bool) error {
		close(stop)
		err := <-stopped
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.runs, r)
		if err == nil && (failed || w.left() <= 0) {
			err = w.check()
		}
		return err
	}
}

// watch watches until it is stopped, or a limit is reached. It looks at the free space first after a while.
func (w *Watch) watch(first time.Duration, stop <-chan struct{}, kill func()) error {
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return nil
		case <-timer.C:
		}
		w.mu.Lock()
		var err error
		left := w.left()
		if left <= 0 || !time.Now().Before(w.next) {
			err = w.check()
			left = w.room
		}
		next := w.nextTick(left)
		w.mu.Unlock()
		if err != nil {
			kill()
			return err
		}
		timer.Reset(next)
	}
}

// nextTick is when to look at the free space again, with so many bytes left: before they can be written, and when there is a look in any
// case. The lock is held.
func (w *Watch) nextTick(left int64) time.Duration {
	written := time.Duration(min(float64(left)/fastest, longTick.Seconds()) * float64(time.Second))
	return max(min(written, time.Until(w.next)), tick)
}

// left is how much less may be free before the limit may have been reached. The lock is held.
func (w *Watch) left() int64 {
	if w.limits.Bytes == 0 {
		return math.MaxInt64
	}
	free, err := recovery.FreeBytes(w.dirs[0])
	if err != nil {
		return math.MaxInt64 // there is a look every second
	}
	return w.room - (w.free - free)
}

// check looks, and says which limit is reached. One file can't have more than the limit, so having just as much is too much. The lock is
// held.
func (w *Watch) check() error {
	began := time.Now()
	free, _ := recovery.FreeBytes(w.dirs[0]) // without it there is a look every second
	usage, err := w.look()
	w.free, w.room = free, w.limits.Bytes-usage.Bytes
	w.next = time.Now().Add(max(lookEvery, restShare*time.Since(began)))
	switch {
	case err != nil:
		return err
	case w.limits.Bytes > 0 && usage.Bytes >= w.limits.Bytes:
		return &LimitError{Limit: "bytes on disk", Value: w.limits.Bytes, Setting: jailfs.SettingBytes}
	case w.limits.Files > 0 && usage.Files > w.limits.Files:
		return &LimitError{Limit: "files", Value: w.limits.Files, Setting: jailfs.SettingFiles}
	}
	return nil
}

// look counts what there is.
func (w *Watch) look() (Usage, error) {
	l := newLook(w.limits)
	for _, dir := range w.dirs {
		if err := l.tree(dir); err != nil {
			return l.Usage, err
		}
	}
	for r := range w.runs {
		for _, pid := range r.processes() {
			l.unnamed(pid)
		}
	}
	return l.Usage, nil
}
