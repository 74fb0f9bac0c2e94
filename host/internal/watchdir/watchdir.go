// Package watchdir tells when files in directories have changed.
package watchdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Settle is how long nothing must change before a change is told: an editor's save is several events.
const Settle = 200 * time.Millisecond

// Watcher watches directories with all that is below them, but for names that begin with a dot and for files that ignored names.
type Watcher struct {
	notify  *fsnotify.Watcher
	ignored func(name string) bool
	changes chan struct{}
	done    chan struct{}
}

// New begins to watch. ignored is asked about the last element of paths; nil ignores none. The Watcher must be closed.
func New(ignored func(name string) bool, dirs ...string) (*Watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch directories: %w", err)
	}
	if ignored == nil {
		ignored = func(string) bool { return false }
	}
	w := &Watcher{notify: notify, ignored: ignored, changes: make(chan struct{}, 1), done: make(chan struct{})}
	for _, dir := range dirs {
		if err := w.add(dir); err != nil {
			return nil, errors.Join(fmt.Errorf("watch the directory %s: %w", dir, err), notify.Close())
		}
	}
	go w.run()
	return w, nil
}

// Changes gives a value when something has changed and then nothing for Settle. What changes before a value is taken is one change.
func (w *Watcher) Changes() <-chan struct{} { return w.changes }

// Close ends the watch.
func (w *Watcher) Close() error {
	err := w.notify.Close()
	<-w.done
	return err
}

// add watches the directory and those below it.
func (w *Watcher) add(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && path != dir && errors.Is(err, fs.ErrNotExist):
			return nil // it went away meanwhile
		case err != nil:
			return err
		case !entry.IsDir():
			return nil
		case path != dir && hidden(path):
			return fs.SkipDir
		}
		return w.notify.Add(path)
	})
}

func hidden(path string) bool { return strings.HasPrefix(filepath.Base(path), ".") }

func (w *Watcher) run() {
	defer close(w.done)
	settled := time.NewTimer(Settle)
	settled.Stop()
	defer settled.Stop()
	for {
		select {
		case event, open := <-w.notify.Events:
			if !open {
				return
			}
			if w.matters(event) {
				settled.Reset(Settle)
			}
		case _, open := <-w.notify.Errors:
			if !open {
				return
			}
			// Events were lost, so anything may have changed.
			settled.Reset(Settle)
		case <-settled.C:
			select {
			case w.changes <- struct{}{}:
			default:
			}
		}
	}
}

// matters says whether the event is a change, and has new directories watched as well.
func (w *Watcher) matters(event fsnotify.Event) bool {
	if event.Op == fsnotify.Chmod || hidden(event.Name) || w.ignored(filepath.Base(event.Name)) {
		return false
	}
	if event.Has(fsnotify.Create) {
		if info, err := os.Lstat(event.Name); err == nil && info.IsDir() {
			// One that can't be watched is as good as one that is not there: its changes are not seen.
			_ = w.add(event.Name)
		}
	}
	return true
}
