package recovery

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// lookEvery is how often a keeper looks at its files where no event says that they have changed, and at the space that is left.
	lookEvery = 250 * time.Millisecond
	// restShare is how much longer than a look the rest after it is: a template that writes all the time costs a fifth of a processor.
	restShare = 4
	maxRest   = time.Second
)

// Keeper copies the states of one apply. Finish, Confirm and Keep are called one after another.
type Keeper struct {
	store   *Store
	record  Record
	dir     string // the record's
	workDir string
	work    *os.Root
	log     *slog.Logger

	changed chan struct{} // holds a value when a file may have changed
	unsafe  chan struct{} // holds a value when a copy is not yet safe from the machine's death
	stop    chan struct{}
	running sync.WaitGroup

	// What follows belongs to who looks: the keeper's own goroutine, then the caller of Finish.
	files    map[string]*file
	sequence int
	// unsettled is why the record could not be settled: it is tried again as long as the work directory is there.
	unsettled error

	mu     sync.Mutex
	states []*State // the copies that are on the disk
}

// file is what a keeper knows of one of its files.
type file struct {
	// seen is the file when it was last looked at and proved whole.
	seen fs.FileInfo
	// sum is what was in it.
	sum sum
	// resumed: a copy of what has that sum is there already, though nobody has seen the file yet.
	resumed bool
	// unsaved is why that is not copied; nil = it is.
	unsaved error
}

func newKeeper(s *Store, r Record, dir, work string, root *os.Root) *Keeper {
	k := &Keeper{
		store: s, record: r, dir: dir, workDir: work, work: root,
		log:     s.o.Log.With("record", filepath.Base(dir), "session", r.Session, "tenant", r.Tenant),
		changed: make(chan struct{}, 1),
		unsafe:  make(chan struct{}, 1),
		stop:    make(chan struct{}),
		files:   make(map[string]*file),
	}
	for _, name := range r.Files {
		k.files[name] = new(file)
	}
	return k
}

// begin copies what is there already, and then what the apply makes of it, in goroutines of its own.
func (k *Keeper) begin() {
	k.store.watch(k)
	k.look(true)
	k.running.Go(k.follow)
	k.running.Go(k.secure)
}

// follow looks at the files whenever they may have changed.
func (k *Keeper) follow() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		event := false
		select {
		case <-k.stop:
			return
		case <-k.changed:
			event = true
		case <-tick.C:
		}
		began := time.Now()
		k.store.watchRoom()
		k.look(event)
		select {
		case <-k.stop:
			return
		case <-time.After(min(restShare*time.Since(began), maxRest)):
		}
	}
}

// look copies the files that have changed, the one that was written last comes last. Without an event, a file whose time and size are as
// before has not.
func (k *Keeper) look(event bool) {
	for _, name := range k.byTime() {
		f := k.files[name]
		was := f.seen
		if event || f.unsaved != nil {
			was = nil
		}
		seen, err := k.store.reader.look(k.work, name, was, func(content []byte) error { return k.copy(f, name, content) })
		switch {
		case err == nil:
			f.seen, f.unsaved = seen, nil
		case !isFailure(err):
		default:
			if f.unsaved == nil {
				k.log.Error("a state can't be copied aside for now", "error", err)
			}
			f.unsaved = err
		}
	}
}

// byTime are the files' names in the order in which the files were written. An engine that can't write its state file leaves a newer one
// beside it.
func (k *Keeper) byTime() []string {
	if len(k.record.Files) < 2 {
		return k.record.Files
	}
	times := make(map[string]time.Time)
	for _, name := range k.record.Files {
		if info, err := k.work.Lstat(name); err == nil {
			times[name] = info.ModTime()
		}
	}
	return slices.SortedStableFunc(slices.Values(k.record.Files), func(a, b string) int { return times[a].Compare(times[b]) })
}

// isFailure tells what should have worked from what a file in a hostile directory may be.
func isFailure(err error) bool {
	var large *TooLargeError
	var write *writeError
	return errors.As(err, &large) || errors.As(err, &write)
}

// writeError is why a state could not be copied.
type writeError struct{ error }

func (e *writeError) Unwrap() error { return e.error }

// copy copies a state, unless it is as it was.
func (k *Keeper) copy(f *file, name string, content []byte) error {
	now := sum(sha256.Sum256(content))
	if (f.seen != nil || f.resumed) && f.unsaved == nil && now == f.sum {
		return nil
	}
	f.sum = now
	k.sequence++
	s := &State{File: name, sequence: k.sequence}
	err := s.write(k.dir, content)
	if isFull(err) {
		k.store.release("a state could not be copied aside")
		err = s.write(k.dir, content)
	}
	if err != nil {
		return &writeError{fmt.Errorf("copy %s aside: %w", name, err)}
	}
	k.mu.Lock()
	k.states = append(k.states, s)
	k.mu.Unlock()
	wake(k.unsafe)
	return nil
}

// secure makes the newest copies safe from the machine's death, and then removes those before. It does not hold up the next copy.
func (k *Keeper) secure() {
	for {
		select {
		case <-k.unsafe:
			k.settle()
		case <-k.stop:
			return
		}
	}
}

func (k *Keeper) settle() {
	k.mu.Lock()
	states := slices.Clone(k.states)
	k.mu.Unlock()
	slices.Reverse(states)
	var kept, old []*State
	for _, s := range states {
		if slices.ContainsFunc(kept, func(n *State) bool { return n.File == s.File }) {
			old = append(old, s)
			continue
		}
		kept = append(kept, s)
		if err := s.sync(); err != nil {
			k.log.Warn("a copy of a state may not survive the machine's death", "error", err)
			return
		}
	}
	for _, s := range old {
		if err := os.Remove(s.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			k.log.Warn("an old copy of a state stays", "error", err)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.states = slices.DeleteFunc(k.states, func(s *State) bool { return slices.Contains(old, s) })
}

// Finish looks for the last time: the apply's programs are gone. It returns the newest complete state, or nil.
func (k *Keeper) Finish() []byte {
	close(k.stop)
	k.running.Wait()
	k.store.unwatch(k)
	k.look(true)
	k.settle()
	for _, s := range newest(k.newestFirst()) {
		if content, err := s.Read(); err == nil {
			return content
		}
	}
	return nil
}

// Confirm settles the record of a finished apply whose answer, with that state, the client has.
func (k *Keeper) Confirm(state []byte) error {
	if k.holds(state) {
		defer k.close()
		for _, f := range k.files {
			f.unsaved = nil // the client has it
		}
		if err := k.store.remove(k.dir); err != nil {
			return fmt.Errorf("remove the recovery record %s, whose state was delivered: %w", k.dir, err)
		}
		return nil
	}
	return k.Keep("the answer that the client got had another state than the engine has left")
}

// holds says whether a state is one that the apply has left, or whether it has left none.
func (k *Keeper) holds(state []byte) bool {
	none := true
	for _, f := range k.files {
		if f.seen == nil && f.unsaved == nil {
			continue
		}
		none = false
		if sha256.Sum256(state) == f.sum {
			return true
		}
	}
	return none
}

// Keep settles that a finished apply's states are to be kept, and why. A record without any is removed.
func (k *Keeper) Keep(why string) error {
	defer k.close()
	for _, name := range k.record.Files {
		if f := k.files[name]; f.unsaved != nil {
			f.unsaved = k.move(name, f.unsaved)
		}
	}
	unsaved := k.Unsaved()
	if len(k.newestFirst()) == 0 && unsaved == nil {
		k.log.Info("an apply was not confirmed, and has left no state", "why", why)
		return k.store.remove(k.dir)
	}
	k.record.KeptAt, k.record.Why, k.record.Unsaved = time.Now(), why, ""
	if unsaved != nil {
		k.record.Unsaved = fmt.Sprintf("%v: it stays in %s", unsaved, k.workDir)
	}
	if err := k.store.rewrite(k.dir, &k.record); err != nil {
		k.unsettled = fmt.Errorf("settle the recovery record %s: %w", k.dir, err)
		return k.unsettled
	}
	k.log.Warn("an apply's state is kept: see provisor recover", "why", why, "template", k.record.Template.Name, "workspace", k.record.Workspace.Name)
	return nil
}

// move is the last resort for a state that could not be copied: the file itself goes where its copy would be, which takes no space. It
// returns why it did not.
func (k *Keeper) move(name string, unsaved error) error {
	if filepath.Base(name) != name {
		return unsaved // a template may have made its directory a link
	}
	info, err := k.work.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !info.Mode().IsRegular():
		return nil // somebody has taken it away meanwhile
	case err != nil:
		return errors.Join(unsaved, err)
	}
	content, err := k.checksum(name)
	if err != nil {
		return errors.Join(unsaved, err)
	}
	k.sequence++
	s := &State{File: name, Bytes: info.Size(), At: time.Now(), sequence: k.sequence, sum: content}
	s.Path = s.path(k.dir)
	if err := os.Rename(filepath.Join(k.workDir, name), s.Path); err != nil {
		return errors.Join(unsaved, err)
	}
	k.states = append(k.states, s)
	k.log.Warn("a state could not be copied aside and was moved there", "why", unsaved)
	return nil
}

func (k *Keeper) checksum(name string) (s sum, err error) {
	f, err := k.work.Open(name)
	if err != nil {
		return s, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	h.Sum(s[:0])
	return s, err
}

func (k *Keeper) close() {
	if err := k.work.Close(); err != nil {
		k.log.Warn("close the work directory", "error", err)
	}
}

// Unsaved says what is nowhere but in the work directory, or not settled; nil = the directory may go.
func (k *Keeper) Unsaved() error {
	errs := []error{k.unsettled}
	for _, name := range k.record.Files {
		if err := k.files[name].unsaved; err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (k *Keeper) newestFirst() []*State {
	k.mu.Lock()
	defer k.mu.Unlock()
	states := slices.Clone(k.states)
	slices.Reverse(states)
	return states
}

func (k *Keeper) watches(name string) bool { return slices.Contains(k.record.Files, name) }

func (k *Keeper) wake() { wake(k.changed) }

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
