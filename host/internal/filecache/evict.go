package filecache

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// evict removes the least recently used entries until the others are within the limit. The entry named keep, which has just been
// made, and those that are being read stay.
func (c *Cache) evict(keep string) {
	type candidate struct {
		name string
		size int64
		used time.Time
	}
	list, err := os.ReadDir(c.path(entriesDir))
	if err != nil {
		c.o.Log.Warn("can't look for cache entries to evict", "error", err)
		return
	}
	var candidates []candidate
	var total int64
	for _, e := range list {
		entry := c.path(entriesDir, e.Name())
		size, err := readSize(entry)
		if err != nil { // damaged: as good as never used
			candidates = append(candidates, candidate{name: e.Name()})
			continue
		}
		total += size
		if info, err := os.Stat(filepath.Join(entry, manifestName)); err == nil && e.Name() != keep {
			candidates = append(candidates, candidate{e.Name(), size, info.ModTime()})
		}
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.name, b.name))
	})
	for _, e := range candidates {
		if total <= c.o.MaxBytes && !e.used.IsZero() {
			return
		}
		if c.remove(e.name) {
			total -= e.size
		}
	}
}

// remove removes an entry, unless it is being read. It goes at once: renamed first, so that nobody sees half of it.
func (c *Cache) remove(name string) bool {
	if !isEntryName(name) {
		return false
	}
	lock := c.lock(name)
	if held, err := lock.TryLock(); err != nil || !held {
		return false
	}
	defer lock.Close()
	trash, err := os.MkdirTemp(c.path(stagingDir), "remove-")
	if err != nil {
		c.o.Log.Warn("a cache entry stays", "entry", name, "error", err)
		return false
	}
	err = os.Rename(c.path(entriesDir, name), filepath.Join(trash, name))
	if removeErr := os.RemoveAll(trash); removeErr != nil {
		c.o.Log.Warn("what is left of a cache entry stays for now", "directory", trash, "error", removeErr)
	}
	return err == nil
}

// isEntryName tells entries from what else lies among them, which is none of ours.
func isEntryName(name string) bool {
	if len(name) != 64 {
		return false
	}
	for _, c := range name {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// sweep removes from staging what dead processes left there.
func (c *Cache) sweep() {
	list, err := os.ReadDir(c.path(stagingDir))
	if err != nil {
		c.o.Log.Warn("can't look for what dead processes left in the cache", "error", err)
		return
	}
	for _, e := range list {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < stagingAge {
			continue
		}
		if err := os.RemoveAll(c.path(stagingDir, e.Name())); err != nil {
			c.o.Log.Warn("what a dead process left in the cache stays", "error", err)
		}
	}
}
