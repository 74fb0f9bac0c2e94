package recovery

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/provisor/provisor/host/internal/workdir/recovery/copies"
)

// whyDied is why the states of a dead process are kept.
const whyDied = "the daemon died while the apply ran, or before the client had confirmed that it has the answer"

// Rescue settles what a dead process has left unsettled of the session whose directories have that name: a state in its work directory that
// is newer than the copies is copied. Nobody may be at work in there. After an error the work directory must stay.
func (s *Store) Rescue(directory, work string) error {
	dirs, err := s.dirs(directory)
	if err != nil {
		return fmt.Errorf("look for recovery records: %w", err)
	}
	for _, dir := range dirs {
		if err := s.rescue(dir, work); err != nil {
			return fmt.Errorf("recovery record %s: %w", dir, err)
		}
	}
	return nil
}

func (s *Store) rescue(dir, work string) error {
	r, err := readRecord(dir)
	if errors.Is(err, fs.ErrNotExist) && empty(dir) {
		return s.remove(dir) // its process died before it had written anything, and before the apply
	}
	if err != nil {
		return err
	}
	if !r.KeptAt.IsZero() && r.Unsaved == "" {
		return nil
	}
	root, err := os.OpenRoot(work)
	if errors.Is(err, fs.ErrNotExist) {
		work = dir // where there is no file of that name
		root, err = os.OpenRoot(dir)
	}
	if err != nil {
		return err
	}
	k := newKeeper(s, *r, dir, work, root)
	if err := k.copier.Resume(); err != nil {
		return errors.Join(err, root.Close())
	}
	k.copier.Look()
	if err := k.Keep(cmp.Or(r.Why, whyDied)); err != nil {
		return err
	}
	if !isGone(dir) {
		s.rescued.Add(1)
	}
	return k.Unsaved()
}

// Rescued is how many records Rescue has settled so far, of those that have a state.
func (s *Store) Rescued() int { return int(s.rescued.Load()) }

// Unsettled are the names of the session directories whose records don't say yet why they are kept: their apply runs, or its process has
// died.
func (s *Store) Unsettled() ([]string, error) {
	dirs, err := s.dirs("")
	if err != nil {
		return nil, fmt.Errorf("look for recovery records: %w", err)
	}
	var names []string
	for _, dir := range dirs {
		if r, err := readRecord(dir); err == nil && r.KeptAt.IsZero() && !slices.Contains(names, r.Directory) {
			names = append(names, r.Directory)
		}
	}
	return names, nil
}

func readRecord(dir string) (*Record, error) {
	f, err := os.Open(filepath.Join(dir, recordName))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return nil, err
	}
	r, err := decode(b)
	if err != nil {
		return nil, err
	}
	if of := filepath.Base(filepath.Dir(dir)); r.Tenant != of {
		return nil, fmt.Errorf("it is tenant %q's, and lies among those of %q", r.Tenant, of)
	}
	return r, nil
}

// empty says whether there is nothing in a record's directory but what was being written.
func empty(dir string) bool {
	left, err := os.ReadDir(dir)
	return err == nil && !slices.ContainsFunc(left, func(e fs.DirEntry) bool { return !copies.IsTemp(e.Name()) })
}
