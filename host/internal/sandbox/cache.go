package sandbox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/tetratelabs/wazero"

	"github.com/provisor/provisor/host/internal/instrument"
)

const (
	// keptModules is how many plugins stay in the cache directory. One takes some five times the size of its file.
	keptModules = 16
	// recipe changes when what is made of a plugin does: another one makes it anew.
	recipe = 6
	// youngest is how old a file must be before it is taken for one that nobody wants.
	youngest = time.Hour
)

// The names in the cache directory. What is wazero's own begins with wazeroPrefix.
const (
	entriesDir   = "modules"
	buildPrefix  = "build-"
	wazeroPrefix = "wazero-"
	outlineFile  = "outline"  // of an entry: the outline of the instrumented module
	initialFile  = "initial"  // of an entry: what an instance begins as
	snapshotFile = "snapshot" // of an entry: what an instance is once it is initialised; may be missing
	codeFile     = "code"     // of an entry: which file of wazero's is the machine code, and its digests
	lockSuffix   = ".lock"
)

// cache is the directory of what plugins were made into. Any number of processes may use it at once. Each plugin has an entry, which is a
// directory named by its key; files come into their places whole or not at all.
type cache struct {
	dir       string
	temporary bool
	compiled  wazero.CompilationCache
}

// openCache opens the directory, and refuses one that others may write: they could have this process execute anything. Without a name it
// makes one that is gone when the cache is closed.
func openCache(dir string) (_ *cache, err error) {
	c := &cache{dir: dir}
	if c.temporary = dir == ""; c.temporary {
		c.dir, err = os.MkdirTemp("", "provisor-compiled-")
	} else {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("make the directory for compiled plugins: %w", err)
	}
	info, err := os.Stat(c.dir)
	if err != nil {
		return nil, fmt.Errorf("look at the directory for compiled plugins: %w", err)
	}
	if err := onlyOursToWrite(info); err != nil {
		return nil, fmt.Errorf("the directory for compiled plugins, %s, %w: remove it, or name another", c.dir, err)
	}
	if c.compiled, err = wazero.NewCompilationCacheWithDir(c.dir); err != nil {
		return nil, fmt.Errorf("open the directory for compiled plugins: %w", err)
	}
	c.prune(keptModules)
	return c, nil
}

func (c *cache) close(ctx context.Context) error {
	err := c.compiled.Close(ctx)
	if c.temporary {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	return err
}

// entry is a plugin's directory in the cache.
type entry struct {
	cache *cache
	dir   string
}

// entry is the directory for what that module is made into by this version of the program on such a machine.
func (c *cache) entry(s Source) entry {
	key := sha256.New()
	fmt.Fprintln(key, recipe, wazeroVersion(), runtime.GOOS, runtime.GOARCH, s.digest())
	return entry{c, filepath.Join(c.dir, entriesDir, hex.EncodeToString(key.Sum(nil)[:16]))}
}

// wazeroVersion is "dev" where the program does not say what it was made of, as wazero has it.
func wazeroVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/tetratelabs/wazero" {
				return m.Version
			}
		}
	}
	return "dev"
}

// code is what an entry says of its machine code.
type code struct {
	// File is relative to the cache directory.
	File string
	// Digest is that of the file but for its instructions, which are nearly all of it: wazero itself checks a sum of those once it has read them.
	Digest       string
	Instructions section
	// Outline is the digest of the outline: wazero believes the counts in there before it looks for the machine code.
	Outline string
}

// exists says whether there is such an entry, whole or not.
func (e entry) exists() bool {
	_, err := os.Stat(filepath.Join(e.dir, codeFile))
	return err == nil
}

// read returns the outline of the module, once it has made sure that its machine code is as it was made, but for the instructions.
func (e entry) read() (outline []byte, err error) {
	b, err := os.ReadFile(filepath.Join(e.dir, codeFile))
	if err != nil {
		return nil, err
	}
	var machine code
	if err := json.Unmarshal(b, &machine); err != nil || !strings.HasPrefix(machine.File, wazeroPrefix) || !filepath.IsLocal(machine.File) {
		return nil, fmt.Errorf("%w: %s does not name a file", errDamaged, filepath.Join(e.dir, codeFile))
	}
	path := filepath.Join(e.cache.dir, machine.File)
	switch digest, err := digestFile(path, machine.Instructions); {
	case err != nil:
		return nil, fmt.Errorf("%w: %v", errDamaged, err)
	case digest != machine.Digest:
		return nil, fmt.Errorf("%w: %s has another digest than it had", errDamaged, path)
	}
	path = filepath.Join(e.dir, outlineFile)
	switch outline, err = os.ReadFile(path); {
	case err != nil:
		return nil, fmt.Errorf("%w: %v", errDamaged, err)
	case digestOf(outline) != machine.Outline:
		return nil, fmt.Errorf("%w: %s has another digest than it had", errDamaged, path)
	}
	now := time.Now()
	_ = os.Chtimes(e.dir, now, now) // for prune
	return outline, nil
}

var errDamaged = errors.New("it is damaged")

// build are the directories into which a compiler has put the machine code of a module, and that of its outline.
type build struct{ code, outline string }

// compiled is the file with machine code in such a directory.
func compiled(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, wazeroPrefix+"*", "*"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("the compiler left %d files", len(files))
	}
	return files[0], nil
}

// keep makes an entry of the module and its machine code. wazero names machine code by the whole of a module, which it would have to read
// and validate each time. So it gets the outline to load, and the module's code lies under the outline's name.
func (e entry) keep(parts *instrument.Parts, outline []byte, b build) error {
	from, err := compiled(b.code)
	if err != nil {
		return err
	}
	name, err := compiled(b.outline)
	if err != nil {
		return err
	}
	machine := code{Outline: digestOf(outline)}
	if machine.File, err = filepath.Rel(b.outline, name); err != nil {
		return err
	}
	if machine.Instructions, err = instructions(from); err != nil {
		return err
	}
	if machine.Digest, err = digestFile(from, machine.Instructions); err != nil {
		return err
	}
	target := filepath.Join(e.cache.dir, machine.File)
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	if err := replace(from, target); err != nil {
		return err
	}
	named, err := json.Marshal(machine)
	if err != nil {
		return err
	}
	start, err := initial(parts)
	if err != nil {
		return err
	}
	if info, err := os.Stat(e.dir); err != nil || !info.IsDir() {
		_ = os.Remove(e.dir) // what is there instead, if anything
	}
	// Another build may have left one that begins otherwise.
	if err := os.RemoveAll(filepath.Join(e.dir, snapshotFile)); err != nil {
		return err
	}
	return errors.Join(e.write(outlineFile, outline), e.write(initialFile, start...), e.write(codeFile, named))
}

// origin reads what instances of the module begin as. fs.ErrNotExist: there is no such file.
func (e entry) origin(name string) (*origin, error) {
	path := filepath.Join(e.dir, name)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	o, size, pieces, err := decodeOrigin(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", errDamaged, path, err)
	}
	o.memory = newImage(size, pieces)
	return o, nil
}

// write puts a file into the entry.
func (e entry) write(name string, content ...[]byte) error {
	if err := os.MkdirAll(e.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(e.dir, name+".*.tmp") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	for _, b := range content {
		if err == nil {
			_, err = f.Write(b)
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return replace(f.Name(), filepath.Join(e.dir, name))
}

// replace renames a file. A directory in its new place, which is none of ours, makes way.
func replace(from, to string) error {
	err := os.Rename(from, to)
	if info, there := os.Lstat(to); err == nil || there != nil || !info.IsDir() {
		return err
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// lock lets only one at a time build the entry. The end of ctx ends the wait.
func (e entry) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(e.dir), 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(e.dir+lockSuffix, flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return func() { _ = lock.Unlock() }, nil
}

// prune removes all but that many of the entries, the longest unused first, and what belongs to none. What can't be removed is left: it
// costs room and nothing else.
func (c *cache) prune(keep int) {
	type used struct {
		entry
		at time.Time
	}
	var entries []used
	now := time.Now()
	for _, d := range list(filepath.Join(c.dir, entriesDir)) {
		path := filepath.Join(c.dir, entriesDir, d.Name())
		switch info, err := d.Info(); {
		case err != nil:
		case d.IsDir():
			entries = append(entries, used{entry{c, path}, info.ModTime()})
		case now.Sub(info.ModTime()) > youngest:
			_ = os.Remove(path) // a lock
		}
	}
	slices.SortFunc(entries, func(a, b used) int { return cmp.Compare(b.at.UnixNano(), a.at.UnixNano()) })
	wanted := map[string]bool{}
	for i, e := range entries {
		if i >= keep {
			_ = os.RemoveAll(e.dir)
			continue
		}
		var machine code
		if b, err := os.ReadFile(filepath.Join(e.dir, codeFile)); err == nil && json.Unmarshal(b, &machine) == nil {
			wanted[filepath.Join(c.dir, machine.File)] = true
		}
	}
	for _, d := range list(c.dir) {
		path := filepath.Join(c.dir, d.Name())
		if strings.HasPrefix(d.Name(), buildPrefix) {
			c.removeOld(path, d, now)
		}
		if strings.HasPrefix(d.Name(), wazeroPrefix) {
			for _, f := range list(path) {
				if path := filepath.Join(path, f.Name()); !wanted[path] {
					c.removeOld(path, f, now)
				}
			}
		}
	}
}

func (c *cache) removeOld(path string, d fs.DirEntry, now time.Time) {
	if info, err := d.Info(); err == nil && now.Sub(info.ModTime()) > youngest {
		_ = os.RemoveAll(path)
	}
}

// list is what a directory holds, as far as it can be read.
func list(dir string) []fs.DirEntry {
	found, _ := os.ReadDir(dir)
	return found
}
