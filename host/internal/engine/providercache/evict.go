package providercache

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// unusedFor is how long nobody must have used a package before it may go. A session whose plan waits for longer has to plan anew.
const unusedFor = 7 * 24 * time.Hour

// stored is a package on one of the shelves.
type stored struct {
	shelf *Shelf
	Package
	used time.Time
}

// makeRoom removes packages that nobody has used for long, the least recently used first, until that many bytes more are within
// the limit. It says whether they are.
func (c *Cache) makeRoom(bytes int64) bool {
	all := c.stored()
	total := bytes
	for _, p := range all {
		total += p.Bytes
	}
	slices.SortFunc(all, func(a, b stored) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path(), b.path())) })
	for _, p := range all {
		if total <= c.o.MaxBytes || c.now().Sub(p.used) < unusedFor {
			break
		}
		if err := p.shelf.remove(p.Package); err != nil {
			c.warn("a cached provider stays", err)
			continue
		}
		total -= p.Bytes
	}
	return total <= c.o.MaxBytes
}

// stored lists what is on all shelves.
func (c *Cache) stored() []stored {
	dirs, err := os.ReadDir(c.o.Dir)
	if err != nil {
		return nil
	}
	var all []stored
	for _, d := range dirs {
		s := &Shelf{cache: c, dir: filepath.Join(c.o.Dir, d.Name())}
		for _, p := range s.Packages() {
			if info, err := os.Stat(filepath.Join(s.Mirror(), p.path())); err == nil {
				all = append(all, stored{s, p, info.ModTime()})
			}
		}
	}
	return all
}

// remove removes a package. It goes at once: nobody sees half of it. What runs from it runs on.
func (s *Shelf) remove(p Package) error {
	dir := filepath.Join(s.Mirror(), p.path())
	trash, err := os.MkdirTemp(filepath.Join(s.cache.o.Dir, stagingDir), "remove-")
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	if err := os.Rename(dir, filepath.Join(trash, "package")); err != nil {
		return fmt.Errorf("remove %s %s: %w", p.Address, p.Version, err)
	}
	return removeAll(trash)
}
