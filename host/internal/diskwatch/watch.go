// Package diskwatch bounds what programs write into a session's directories: they write past the quota on the plugin's own files.
//
// It looks at the directories once a second, and as soon as so much less is free on their file system that a limit may have been reached
// since. So what is written beyond a limit is what a program can write in the time of a few ticks and of a look.
//
// Counted are the blocks that files and directories take, and the files without a name that the programs have open or mapped. A file
// without a name that is nowhere but on its way from one process to another, in a socket, is not seen.
package diskwatch

import (
	"fmt"
	"sync"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/jailfs"
	"github.com/provisor/provisor/host/internal/workdir/recovery"
)

const (
	// tick is how often the free space is looked at.
	tick = 20 * time.Millisecond
	// lookEvery is how often the directories are, in any case.
	lookEvery = time.Second
	// restShare is how much longer than a look the rest after it is, when that is not enough.
	restShare = 4
)

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

// LimitError says which limit was passed.
type LimitError struct {
	Limit   string // "bytes on disk"
	Value   int64
	Setting string // empty if nothing raises it
}

func (e *LimitError) Error() string {
	text := fmt.Sprintf("the programs were ended: the limit of %d %s is reached", e.Value, e.Limit)
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

// Follow watches while a program runs, until it is done. Past a limit it calls kill, from another goroutine, once. processes lists the
// program's processes, as far as they can be told.
func (w *Watch) Follow(done <-chan struct{}, processes func() []int, kill func(error)) {
	if w.limits == (Limits{}) {
		return
	}
	r := &run{processes}
	w.mu.Lock()
	w.runs[r] = true
	w.mu.Unlock()
	go func() {
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		defer func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(w.runs, r)
		}()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			if err := w.check(); err != nil {
				kill(err)
				return
			}
		}
	}()
}

// check looks, if it is time to.
func (w *Watch) check() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	free, err := recovery.FreeBytes(w.dirs[0])
	urgent := err == nil && w.limits.Bytes > 0 && w.free-free > w.room
	if now.Before(w.next) && !urgent {
		return nil
	}
	usage, err := w.look()
	took := time.Since(now)
	w.free, w.room = free, w.limits.Bytes-usage.Bytes
	w.next = time.Now().Add(max(lookEvery, restShare*took))
	switch {
	case err != nil:
		return err
	case w.limits.Bytes > 0 && usage.Bytes > w.limits.Bytes:
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
