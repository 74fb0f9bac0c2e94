// Package deploy watches a directory, installs the plugins that are put there, and has them used. A file is taken when it is whole, once
// for each content that it has: what is wrong with it is said in the log, and it is looked at again when it changes.
package deploy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/registry"
	"github.com/provisor/provisor/host/internal/watchdir"
)

// Options of a watch.
type Options struct {
	// Dir is the directory. Its files whose names end in .wasm are plugins; what is below its directories is not looked at.
	Dir      string
	Registry *registry.Registry
	// MaxBytes is the largest file.
	MaxBytes uint64
	// Log is the daemon's log.
	Log *slog.Logger
}

// The times by which a file is judged.
const (
	// steady is how long a file must not have changed where the system can't say whether somebody writes it.
	steady = time.Second
	// patience is how long one that is no whole plugin must not have changed before that is taken for its fault.
	patience = 5 * time.Second
	// recheck is when to look again at a file that is being written.
	recheck = 200 * time.Millisecond
	// poll is when to look again in any case: some file systems tell of no changes.
	poll = 10 * time.Second
)

// Watch is a watched directory.
type Watch struct {
	o       Options
	watcher *watchdir.Watcher
	cancel  context.CancelFunc
	done    chan struct{}
	files   map[string]*file
	// unreadable: the directory could not be read the last time, which has been said.
	unreadable bool
}

// file is what is known of a file.
type file struct {
	info fs.FileInfo
	// since is when it was first seen so.
	since time.Time
	// judged: it was installed, or refused. told: it was said that it is waited for.
	judged, told bool
}

// Start begins to watch. What is there already has been installed when it returns.
func Start(ctx context.Context, o Options) (*Watch, error) {
	info, err := os.Stat(o.Dir)
	switch {
	case err != nil:
		return nil, fmt.Errorf("watch the directory for plugins: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("watch the directory for plugins: %s is not a directory", o.Dir)
	case info.Mode().Perm()&0o002 != 0:
		return nil, fmt.Errorf("watch the directory for plugins: %s may be written by everybody (mode %04o): chmod o-w it", o.Dir, info.Mode().Perm())
	}
	w := &Watch{o: o, done: make(chan struct{}), files: make(map[string]*file)}
	w.watcher, err = watchdir.New(func(name string) bool { return !isPlugin(name) }, o.Dir)
	if err != nil {
		return nil, err
	}
	ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	next := w.scan(ctx)
	go w.run(ctx, next)
	return w, nil
}

// Close ends the watch.
func (w *Watch) Close() error {
	w.cancel()
	<-w.done
	return w.watcher.Close()
}

func isPlugin(name string) bool {
	return filepath.Ext(name) == ".wasm" && !strings.HasPrefix(name, ".")
}

func (w *Watch) run(ctx context.Context, next time.Duration) {
	defer close(w.done)
	for {
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-w.watcher.Changes():
			timer.Stop()
		case <-timer.C:
		}
		next = w.scan(ctx)
	}
}

// scan looks at all files, and says when to look again.
func (w *Watch) scan(ctx context.Context) (next time.Duration) {
	entries, err := os.ReadDir(w.o.Dir)
	if err != nil {
		if !w.unreadable {
			w.o.Log.Warn("the directory for plugins can't be read: nothing is installed from there", "error", err)
		}
		w.unreadable = true
		return poll
	}
	w.unreadable, next = false, poll
	there := make(map[string]bool)
	for _, e := range entries {
		if ctx.Err() != nil {
			return next
		}
		if !isPlugin(e.Name()) {
			continue
		}
		there[e.Name()] = true
		if !w.look(ctx, e.Name()) {
			next = recheck
		}
	}
	for name := range w.files {
		if !there[name] {
			delete(w.files, name)
		}
	}
	if err := w.o.Registry.Undeployed(ctx, there); err != nil {
		w.o.Log.Warn("which files are gone from the directory for plugins can't be kept", "error", err)
	}
	return next
}

// look looks at a file, and says whether it is done with as it is.
func (w *Watch) look(ctx context.Context, name string) (done bool) {
	path := filepath.Join(w.o.Dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return true // it has just gone
	}
	f := w.files[name]
	if f == nil || !same(f.info, info) {
		f = &file{info: info, since: time.Now()}
		w.files[name] = f
	}
	if f.judged {
		return true
	}
	module, err := w.read(path, f)
	switch {
	case errors.Is(err, errUnsteady):
		if !f.told && time.Since(f.since) > patience {
			f.told = true
			w.o.Log.Info("a plugin is still being written: it is waited for", "file", name)
		}
		return false
	case err != nil:
		w.o.Log.Warn("a plugin was not installed", "file", name, "error", err)
	case w.o.Registry.Deployed(name) == digestOf(module):
		// It was installed from here before, and it is the operator who says what is used since.
	default:
		// What is wrong with it, the registry logs.
		_, _ = w.o.Registry.Install(ctx, registry.Installation{Module: bytes.NewReader(module), File: name})
		if ctx.Err() != nil {
			return false
		}
	}
	f.judged = true
	return true
}

func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func digestOf(module []byte) string {
	sum := sha256.Sum256(module)
	return hex.EncodeToString(sum[:])
}

// errUnsteady: the file may not be whole yet.
var errUnsteady = errors.New("the file is being written")

// read reads a file that nobody writes. One that can't be a whole plugin is given some time, too.
func (w *Watch) read(path string, f *file) ([]byte, error) {
	if !f.info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	if uint64(f.info.Size()) > w.o.MaxBytes {
		return nil, fmt.Errorf("it is larger than %d bytes, the limit for modules (setting module_bytes)", w.o.MaxBytes)
	}
	src, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	switch written, known := beingWritten(src); {
	case written, !known && time.Since(f.since) < steady:
		return nil, errUnsteady
	}
	module, err := io.ReadAll(io.LimitReader(src, f.info.Size()+1))
	if err != nil {
		return nil, err
	}
	if info, err := src.Stat(); err != nil || !same(info, f.info) || int64(len(module)) != info.Size() {
		return nil, errUnsteady
	}
	if p, err := plugin.Parse(module); (err != nil || p.Manifest == nil) && time.Since(f.since) < patience {
		return nil, errUnsteady
	}
	return module, nil
}
