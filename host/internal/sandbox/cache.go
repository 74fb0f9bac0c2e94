package sandbox

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/tetratelabs/wazero"
)

// keptModules is how many compiled modules stay in the cache directory. One takes some three times the size of its plugin.
const keptModules = 16

// cache is the directory of compiled modules.
type cache struct {
	dir      string
	compiled wazero.CompilationCache
}

// openCache opens the directory, and refuses one that others may write: they could have this process execute anything.
func openCache(dir string) (*cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory for compiled plugins: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("look at the directory for compiled plugins: %w", err)
	}
	if err := onlyOursToWrite(info); err != nil {
		return nil, fmt.Errorf("the directory for compiled plugins, %s, %w: remove it, or name another", dir, err)
	}
	compiled, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory for compiled plugins: %w", err)
	}
	c := &cache{dir: dir, compiled: compiled}
	c.prune(keptModules)
	return c, nil
}

// prune removes all but that many of the newest files. What can't be removed is left: it costs room and nothing else.
func (c *cache) prune(keep int) {
	type file struct {
		path string
		info fs.FileInfo
	}
	var files []file
	_ = filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			files = append(files, file{path, info})
		}
		return nil
	})
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(b.info.ModTime().UnixNano(), a.info.ModTime().UnixNano()) })
	for _, f := range files[min(keep, len(files)):] {
		_ = os.Remove(f.path)
	}
}
