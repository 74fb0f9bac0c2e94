// Package userids gives each tenant a user id of its own out of a range, for good: what files one tenant has left anywhere never become
// another's. A file remembers them, a line each: the id, a space, the tenant's name. Several daemons may share it.
package userids

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/gofrs/flock"

	"github.com/provisor/provisor/host/internal/tenant"
)

// Setting is the name of the range's setting, for messages.
const Setting = "uids of the jail"

// overflow is the id that the system shows for those that it can't, and that of nobody.
const overflow = 65534

// Range is the ids from First to Last. The zero value is no range.
type Range struct{ First, Last uint32 }

// ParseRange reads FIRST-LAST.
func ParseRange(text string) (Range, error) {
	first, last, ok := strings.Cut(text, "-")
	a, err1 := strconv.ParseUint(first, 10, 32)
	b, err2 := strconv.ParseUint(last, 10, 32)
	if !ok || err1 != nil || err2 != nil || a == 0 || b < a || b == math.MaxUint32 {
		return Range{}, fmt.Errorf("%s is %q: want FIRST-LAST, two user ids that no account has, such as 200000-265535", Setting, text)
	}
	return Range{uint32(a), uint32(b)}, nil
}

func (r Range) String() string { return fmt.Sprintf("%d-%d", r.First, r.Last) }

func (r Range) has(id uint32) bool { return r.First <= id && id <= r.Last && id != overflow }

// Store gives out ids. Its methods may be called by several goroutines.
type Store struct {
	path string
	ids  Range

	mu    sync.Mutex
	given map[string]uint32 // by the tenant's name
}

// Open opens the file, which is made where it is missing when the first id is given out.
func Open(path string, ids Range) (*Store, error) {
	s := &Store{path: path, ids: ids}
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err == nil {
		_, _, err = parse(content)
	}
	if err != nil {
		return nil, fmt.Errorf("user ids of tenants: %w", s.in(err))
	}
	return s, nil
}

// in says which file an error is about.
func (s *Store) in(err error) error {
	if damage := (*damageError)(nil); errors.As(err, &damage) {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return err
}

// Of is the tenant's id.
func (s *Store) Of(t tenant.Tenant) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, ok := s.given[t.Name()]; ok {
		return int(id), nil
	}
	id, err := s.give(t.Name())
	if err != nil {
		return 0, fmt.Errorf("a user id for tenant %s: %w", t, s.in(err))
	}
	return int(id), nil
}

// give finds out what id a tenant has, or gives it one. The lock is held.
func (s *Store) give(name string) (uint32, error) {
	lock := flock.New(s.path+".lock", flock.SetPermissions(0o600))
	if err := lock.Lock(); err != nil {
		return 0, err
	}
	defer lock.Close()
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		return 0, err
	}
	entries, whole, err := parse(content)
	if err != nil {
		return 0, err
	}
	given, taken := map[string]uint32{}, map[uint32]bool{}
	for _, e := range entries {
		taken[e.id] = true
		if s.ids.has(e.id) {
			given[e.name] = e.id // a tenant may have had one of another range before
		}
	}
	if _, ok := given[name]; !ok {
		id, err := s.free(taken)
		if err != nil {
			return 0, err
		}
		// What was cut short was never given out.
		line := fmt.Appendf(nil, "%d %s\n", id, name)
		if err := f.Truncate(int64(whole)); err != nil {
			return 0, err
		}
		if _, err := f.WriteAt(line, int64(whole)); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		given[name] = id
	}
	s.given = given
	return given[name], nil
}

// free is the lowest id that nobody has had.
func (s *Store) free(taken map[uint32]bool) (uint32, error) {
	for id := s.ids.First; ; id++ {
		if s.ids.has(id) && !taken[id] {
			return id, nil
		}
		if id == s.ids.Last {
			return 0, fmt.Errorf("all of %s are given out, and none is given twice (setting %s)", s.ids, Setting)
		}
	}
}

type entry struct {
	id   uint32
	name string
}

// damageError is what is wrong with the file.
type damageError struct{ error }

// parse reads the file: its entries, and how many bytes of it are whole lines.
func parse(content []byte) (entries []entry, whole int, err error) {
	ids, n := map[uint32]bool{}, 0
	for line := range bytes.Lines(content) {
		text, ok := strings.CutSuffix(string(line), "\n")
		if !ok {
			break
		}
		n++
		number, name, _ := strings.Cut(text, " ")
		id, err := strconv.ParseUint(number, 10, 32)
		if _, bad := tenant.Parse(name); err != nil || bad != nil || ids[uint32(id)] {
			return nil, 0, &damageError{fmt.Errorf("line %d is damaged: %q. Restore the file: without it, one tenant could get what was another's", n, text)}
		}
		ids[uint32(id)] = true
		entries = append(entries, entry{uint32(id), name})
		whole += len(line)
	}
	return entries, whole, nil
}
