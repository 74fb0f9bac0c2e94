package recovery

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/provisor/provisor/host/internal/workdir/recovery/copies"
)

// Status is what has become of a record.
type Status string

const (
	// InUse: the apply runs, or its answer is on its way.
	InUse Status = "in use"
	// Kept: the states are there to be exported, or discarded.
	Kept Status = "kept"
	// Damaged: what is wrong is Entry.Damage. There may be states all the same.
	Damaged Status = "damaged"
)

// Entry is a record with its states.
type Entry struct {
	ID     string
	Tenant string
	Status Status
	// Record is nil where it can't be read.
	Record *Record
	// Damage is what is wrong with a damaged one.
	Damage error
	// States are the newest whole states of each file, the newest first.
	States []*State
	// Dir is where all of it is.
	Dir string
}

// Updated is when the newest state was copied, or when the apply began.
func (e *Entry) Updated() time.Time {
	switch {
	case len(e.States) > 0:
		return e.States[0].At
	case e.Record != nil:
		return e.Record.Started
	}
	return time.Time{}
}

// State is the newest state, or that of the named file.
func (e *Entry) State(file string) (*State, error) {
	var have []string
	for _, s := range e.States {
		if file == "" || s.File == file {
			return s, nil
		}
		have = append(have, s.File)
	}
	if len(have) > 0 {
		return nil, fmt.Errorf("record %s has no state of a file %s, only of %s", e.ID, file, strings.Join(have, ", "))
	}
	return nil, fmt.Errorf("record %s has no whole state; what there is of it is in %s", e.ID, e.Dir)
}

// List lists all records, the oldest first.
func (s *Store) List() ([]*Entry, error) {
	dirs, err := s.dirs("")
	if err != nil {
		return nil, fmt.Errorf("list recovery records: %w", err)
	}
	var entries []*Entry
	for _, dir := range dirs {
		e := &Entry{ID: filepath.Base(dir), Tenant: filepath.Base(filepath.Dir(dir)), Dir: dir, Status: Kept}
		states, err := copies.List(dir)
		if isGone(dir) {
			continue // delivered, or discarded, just now
		}
		e.States = copies.Newest(states)
		if err == nil {
			e.Record, err = readRecord(dir)
		}
		switch {
		case err != nil:
			e.Status, e.Damage = Damaged, err
		case e.Record.KeptAt.IsZero():
			e.Status = InUse
		case len(e.States) == 0 && e.Record.Unsaved == "":
			e.Status, e.Damage = Damaged, errors.New("none of its states is whole")
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b *Entry) int { return a.Updated().Compare(b.Updated()) })
	return entries, nil
}

// Find finds a record by its ID, or by the beginning of one.
func (s *Store) Find(id string) (*Entry, error) {
	entries, err := s.List()
	if err != nil {
		return nil, err
	}
	var found []*Entry
	for _, e := range entries {
		if e.ID == id {
			return e, nil
		}
		if id != "" && strings.HasPrefix(e.ID, id) {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("there is no record %q in %s", id, s.o.Dir)
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("%d records begin with %q: give more of the ID", len(found), id)
}

// Discard removes a record with its states, for good. One that is in use is not removed.
func (s *Store) Discard(e *Entry) error {
	if e.Status == InUse {
		return fmt.Errorf("record %s is in use: its apply runs, or its answer is on its way to the client", e.ID)
	}
	if err := s.remove(e.Dir); err != nil {
		return fmt.Errorf("discard record %s: %w", e.ID, err)
	}
	return nil
}
