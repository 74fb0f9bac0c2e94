package recovery

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/provisor/provisor/host/internal/workdir/recovery/copies"
)

// State is a complete state that was copied aside.
type State = copies.State

// MaxState is the largest state that is copied, in bytes.
const MaxState = copies.MaxState

// Keeper copies the states of one apply. Finish, State, Confirm and Keep are called one after another.
type Keeper struct {
	store   *Store
	record  Record
	dir     string // the record's
	workDir string
	work    *os.Root
	log     *slog.Logger
	copier  *copies.Copier
	// unsettled is why the record could not be settled: it is tried again as long as the work directory is there.
	unsettled error
}

func newKeeper(s *Store, r Record, dir, work string, root *os.Root) *Keeper {
	k := &Keeper{
		store: s, record: r, dir: dir, workDir: work, work: root,
		log: s.o.Log.With("record", filepath.Base(dir), "session", r.Session, "tenant", r.Tenant),
	}
	k.copier = copies.New(copies.Options{
		Work: work, Root: root, Dir: dir, Files: r.Files, Reader: s.reader,
		Full: func() { s.release("a state could not be copied aside") }, Meanwhile: s.watchRoom,
		Report: func(what string, err error) { k.log.Warn(what, "error", err) },
	})
	return k
}

// Dir is where the copies go, for whoever makes them when this process has died.
func (k *Keeper) Dir() string { return k.dir }

// begin copies what is there already, and then what the apply makes of it.
func (k *Keeper) begin() {
	k.store.watch(k)
	k.copier.Begin()
}

// Finish looks for the last time: the apply's programs are gone.
func (k *Keeper) Finish() {
	k.store.unwatch(k)
	k.copier.End()
}

// State is the newest complete state of a finished apply, or nil.
func (k *Keeper) State() []byte {
	for _, s := range copies.Newest(k.copier.States()) {
		if content, err := s.Read(); err == nil {
			return content
		}
	}
	return nil
}

// Confirm settles the record of a finished apply whose answer, with that state, the client has.
func (k *Keeper) Confirm(state []byte) error {
	if k.copier.Holds(state) {
		defer k.close()
		k.copier.Forget() // the client has it
		if err := k.store.remove(k.dir); err != nil {
			return fmt.Errorf("remove the recovery record %s, whose state was delivered: %w", k.dir, err)
		}
		return nil
	}
	return k.Keep("the answer that the client got had another state than the engine has left")
}

// Keep settles that a finished apply's states are to be kept, and why. A record without any is removed.
func (k *Keeper) Keep(why string) error {
	defer k.close()
	k.copier.Move()
	unsaved := k.Unsaved()
	if len(k.copier.States()) == 0 && unsaved == nil {
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

func (k *Keeper) close() {
	if err := k.work.Close(); err != nil {
		k.log.Warn("close the work directory", "error", err)
	}
}

// Unsaved says what is nowhere but in the work directory, or not settled; nil = the directory may go.
func (k *Keeper) Unsaved() error { return errors.Join(k.unsettled, k.copier.Unsaved()) }

func (k *Keeper) watches(name string) bool { return slices.Contains(k.record.Files, name) }

func (k *Keeper) wake() { k.copier.Wake() }
