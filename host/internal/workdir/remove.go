package workdir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// removeTree removes a directory with all that is in it, whatever its owner made of modes, links and depth. Symlinks are
// removed, never followed. A directory that is not there is fine.
func removeTree(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	parent, err := os.OpenRoot(filepath.Dir(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer parent.Close()
	name := filepath.Base(dir)
	info, err := parent.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		if err := empty(parent, name); err != nil {
			return err
		}
	}
	return ignoreMissing(parent.Remove(name))
}

// empty removes all that is in the directory name. Everything happens relative to open directories, so that nothing
// outside is reached even if a process is still at work in there.
func empty(parent *os.Root, name string) error {
	if err := parent.Chmod(name, 0o700); err != nil {
		return err
	}
	root, err := parent.OpenRoot(name)
	if err != nil {
		return err
	}
	defer root.Close()
	e := emptier{root: root, prefix: "." + randomName() + "-"}
	e.moved = []string{"."}
	for len(e.moved) > 0 {
		dir := e.moved[len(e.moved)-1]
		e.moved = e.moved[:len(e.moved)-1]
		if err := e.removeDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// emptier removes what a plain recursive removal failed on: directories without write permission, and trees so deep that
// the recursion runs out of descriptors. It moves each nested directory to the top before it looks into it.
type emptier struct {
	root   *os.Root
	prefix string   // of the names that moved directories get
	count  int      // of moved directories so far
	moved  []string // directories still to be emptied and removed
}

// removeDir removes the files of a directory, moves its directories to the top, and removes it.
func (e *emptier) removeDir(dir string) error {
	if err := e.root.Chmod(dir, 0o700); err != nil {
		return ignoreMissing(err)
	}
	f, err := e.root.Open(dir)
	if err != nil {
		return ignoreMissing(err)
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(1024)
		for _, entry := range entries {
			if err := e.removeEntry(dir, entry); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if dir == "." {
		return nil
	}
	return ignoreMissing(e.root.Remove(dir))
}

func (e *emptier) removeEntry(dir string, entry fs.DirEntry) error {
	name := path.Join(dir, entry.Name())
	if !entry.IsDir() {
		return ignoreMissing(e.root.Remove(name))
	}
	if dir == "." && strings.HasPrefix(entry.Name(), e.prefix) {
		return nil // moved here while the directory was being read
	}
	// Moving a directory writes to it: its ".." changes.
	if err := e.root.Chmod(name, 0o700); err != nil {
		return ignoreMissing(err)
	}
	e.count++
	top := fmt.Sprint(e.prefix, e.count)
	if err := e.root.Rename(name, top); err != nil {
		return ignoreMissing(err)
	}
	e.moved = append(e.moved, top)
	return nil
}
