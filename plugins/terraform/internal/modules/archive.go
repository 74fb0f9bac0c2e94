package modules

import (
	"archive/tar"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MaxArchive bounds the archive in bytes, the tar's own blocks included.
const MaxArchive = 20 << 20

const (
	block   = 512       // the unit of a tar
	trailer = 2 * block // the empty end of a tar
	owner   = 1000      // uid and gid of everything
	// maxVisits bounds how often a file or directory is looked at, in all. A manifest may name directories that lie
	// within each other; each one is looked at twice for every directory of a module that it is in.
	maxVisits = 500_000
)

// Options of an archive.
type Options struct {
	// Mode reads the permission bits of a path; nil takes them from the file system. (WASI has none.)
	Mode func(path string) (fs.FileMode, error)
	// Warn is told what was left out; nil is told nothing.
	Warn func(text string)

	limit int // for tests; zero is MaxArchive
}

// Archive packs the modules that the engine fetched into a tar: the smallest first, by the size of their files, those of
// equal size by key, and the manifest at the end. Where that is too much, the largest are left out. It is empty if no
// module has a file.
//
// Only regular files and directories go in, nothing named .git, and nothing that is reached through a link. A
// directory that is within another module's is packed once, with the smaller of the two.
func Archive(work string, o Options) ([]byte, error) {
	list := readManifest(work)
	p := &packer{work: work, options: o, list: list.bytes, packed: make(map[string]bool)}
	found, err := p.measure(list.modules)
	if err != nil {
		return nil, fmt.Errorf("archive modules: %w", err)
	}
	leftOut, err := p.pack(found)
	if err != nil {
		return nil, fmt.Errorf("archive modules: %w", err)
	}
	if len(leftOut) > 0 && o.Warn != nil {
		o.Warn(fmt.Sprintf("the module files are limited to %d MiB, these modules are left out: %s",
			MaxArchive>>20, strings.Join(leftOut, ", ")))
	}
	if p.files == 0 {
		return nil, nil
	}
	if err := p.finish(); err != nil {
		return nil, fmt.Errorf("archive modules: %w", err)
	}
	return p.tar.Bytes(), nil
}

// A measured module has a directory that exists.
type measured struct {
	module
	dir  string
	size int64 // bytes in its regular files
}

type packer struct {
	work    string
	options Options
	list    []byte // the manifest
	tar     bytes.Buffer
	packed  map[string]bool // what is in the tar, by name
	files   int             // regular ones in the tar
	visits  int
}

func (p *packer) limit() int { return cmp.Or(p.options.limit, MaxArchive) }

// measure lists the modules to pack, sorted. One that is over the limit is not walked to its end.
func (p *packer) measure(list []module) ([]measured, error) {
	var found []measured
	sizes := make(map[string]int64)
	for _, m := range list {
		dir, ok := archived(m)
		if !ok {
			continue
		}
		if _, ok := sizes[dir]; !ok {
			size, err := p.sizeOf(dir)
			if err != nil {
				return nil, err
			}
			sizes[dir] = size
		}
		if size := sizes[dir]; size >= 0 {
			found = append(found, measured{m, dir, size})
		}
	}
	slices.SortFunc(found, func(a, b measured) int {
		return cmp.Or(cmp.Compare(a.size, b.size), strings.Compare(a.Key, b.Key))
	})
	return found, nil
}

// sizeOf adds up the files of a directory; -1 if there is no such directory. What can't fit on its own, be it for the
// number of its files, is as big as one can be.
func (p *packer) sizeOf(dir string) (int64, error) {
	if !isPlainDir(p.work, dir) {
		return -1, nil
	}
	var size, packed int64
	limit := int64(p.limit())
	err := p.walk(dir, func(_ string, info fs.FileInfo) error {
		packed += block
		if info.Mode().IsRegular() {
			size += info.Size()
			packed += blocks(info.Size())
		}
		if packed > limit {
			size = math.MaxInt64
			return fs.SkipAll
		}
		return nil
	})
	return size, err
}

// pack writes one module after the other as long as all and the manifest fit, and names the rest, the largest first.
func (p *packer) pack(found []measured) (leftOut []string, err error) {
	room := p.limit() - trailer - p.manifestSize()
	for i, m := range found {
		fits, err := p.packModule(m.dir, room)
		if err != nil {
			return nil, err
		}
		if !fits {
			for _, m := range slices.Backward(found[i:]) {
				leftOut = append(leftOut, m.Key+":"+m.Source)
			}
			break
		}
	}
	return leftOut, nil
}

// packModule appends a module, or nothing of it if the tar would get longer than room.
func (p *packer) packModule(dir string, room int) (fits bool, err error) {
	start, files := p.tar.Len(), p.files
	var names []string
	w := tar.NewWriter(&p.tar)
	err = p.walk(dir, func(name string, info fs.FileInfo) error {
		if p.packed[name] {
			return nil
		}
		header, err := p.header(name, info)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(header); err != nil {
			return fmt.Errorf("pack %s: %w", name, err)
		}
		if int64(p.tar.Len())+blocks(header.Size) > int64(room) {
			return errFull
		}
		p.packed[name] = true
		names = append(names, name)
		if info.Mode().IsRegular() {
			p.files++
			return p.copyFile(w, name, info.Size())
		}
		return nil
	})
	if errors.Is(err, errFull) {
		p.tar.Truncate(start)
		p.files = files
		for _, name := range names {
			delete(p.packed, name)
		}
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, w.Flush()
}

// errFull ends a walk.
var errFull = errors.New("the archive is full")

// finish appends the manifest and the end of the tar.
func (p *packer) finish() error {
	w := tar.NewWriter(&p.tar)
	if err := w.WriteHeader(p.manifestHeader()); err != nil {
		return err
	}
	if _, err := w.Write(p.list); err != nil {
		return err
	}
	return w.Close()
}

func (p *packer) manifestHeader() *tar.Header {
	return &tar.Header{
		Typeflag: tar.TypeReg, Name: manifestName, Mode: 0o644, Size: int64(len(p.list)), Uid: owner, Gid: owner,
	}
}

// manifestSize is what the manifest takes in the tar: its name is short enough for one block.
func (p *packer) manifestSize() int { return int(block + blocks(int64(len(p.list)))) }

// blocks is the size of a content in a tar.
func blocks(size int64) int64 { return (size + block - 1) &^ (block - 1) }

// header describes a file by nothing but its name, its size and whether it can be run.
func (p *packer) header(name string, info fs.FileInfo) (*tar.Header, error) {
	if info.IsDir() {
		return &tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, Uid: owner, Gid: owner}, nil
	}
	mode := info.Mode()
	if p.options.Mode != nil {
		var err error
		if mode, err = p.options.Mode(filepath.Join(p.work, filepath.FromSlash(name))); err != nil {
			return nil, fmt.Errorf("read the mode of %s: %w", name, err)
		}
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: info.Size(), Uid: owner, Gid: owner}
	if mode.Perm()&0o111 != 0 {
		header.Mode = 0o755
	}
	return header, nil
}

func (p *packer) copyFile(w io.Writer, name string, size int64) error {
	f, err := os.Open(filepath.Join(p.work, filepath.FromSlash(name)))
	if err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	defer f.Close()
	if _, err := io.CopyN(w, f, size); err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	return nil
}

// walk visits a directory and what is in it in lexical order, regular files and directories only.
func (p *packer) walk(dir string, visit func(name string, info fs.FileInfo) error) error {
	root := filepath.Join(p.work, filepath.FromSlash(dir))
	return filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p.visits++; p.visits > maxVisits {
			return fmt.Errorf("the modules have more than %d files and directories", maxVisits)
		}
		switch {
		case entry.Name() == ".git" && entry.IsDir():
			return fs.SkipDir
		case entry.Name() == ".git" || !entry.IsDir() && !entry.Type().IsRegular():
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, at)
		if err != nil {
			return err
		}
		name := dir
		if below != "." {
			name += "/" + filepath.ToSlash(below)
		}
		return visit(name, info)
	})
}
