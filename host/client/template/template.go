// Package template packs a directory into the archive that an InitRequest carries.
package template

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Options of Pack. The zero value packs without a limit and drops warnings.
type Options struct {
	// MaxBytes is the largest archive, in bytes: headers count too. 0 = no limit. Clients of a daemon take the daemon's message limit.
	MaxBytes int64
	// LeaveOut says of a path below the directory, with slashes, that it is none of the template; nil = of none.
	LeaveOut func(name string) bool
	// Warn is told of each entry that is left out because it can't be packed.
	Warn func(text string)
}

// Pack returns a tar of the directory's files, with their permission bits. Left out are what Terraform and this tool
// keep beside a template (.git, .terraform, .provisor, *.tfstate*) and what is no regular file. A symbolic link to a
// regular file below dir is packed as that file; any other link is left out with a warning.
//
// Equal directories give equal bytes: names in lexical order, no owners, no times.
func Pack(dir string, o Options) ([]byte, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("template directory: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("template directory %s: not a directory", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("template directory: %w", err)
	}
	defer root.Close()
	if o.LeaveOut == nil {
		o.LeaveOut = func(string) bool { return false }
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	p := &packer{root: root, dir: dir, options: o}
	p.tar = tar.NewWriter(&p.out)
	if err := fs.WalkDir(root.FS(), ".", p.visit); err != nil {
		return nil, fmt.Errorf("pack template %s: %w", dir, err)
	}
	if err := p.tar.Close(); err != nil {
		return nil, fmt.Errorf("pack template %s: %w", dir, err)
	}
	return p.out.Bytes(), nil
}

type packer struct {
	root    *os.Root
	dir     string
	options Options
	out     bytes.Buffer
	tar     *tar.Writer
}

// leftOut says whether a path below the template's directory never goes into the archive.
func leftOut(name string) bool {
	switch base := path.Base(name); base {
	case ".git", ".terraform", ".provisor":
		return true
	default:
		return strings.Contains(base, ".tfstate")
	}
}

func (p *packer) visit(name string, entry fs.DirEntry, err error) error {
	switch {
	case err != nil:
		return err
	case name == ".":
		return nil
	case (leftOut(name) || p.options.LeaveOut(name)) && entry.IsDir():
		return fs.SkipDir
	case leftOut(name) || p.options.LeaveOut(name):
		return nil
	case entry.IsDir():
		return p.header(name+"/", tar.TypeDir, entry, 0)
	default:
		return p.file(name, entry)
	}
}

// file packs what name resolves to inside the directory, if that is a regular file.
func (p *packer) file(name string, entry fs.DirEntry) error {
	info, err := p.root.Stat(name)
	if err != nil && entry.Type()&fs.ModeSymlink != 0 {
		p.options.Warn(fmt.Sprintf("%s: a link that leads nowhere or outside %s is left out", name, p.dir))
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		p.options.Warn(fmt.Sprintf("%s: %s is left out: neither a directory nor a regular file", name, kind(entry.Type())))
		return nil
	}
	file, err := p.root.Open(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err = file.Stat(); err != nil {
		return err
	}
	if err := p.header(name, tar.TypeReg, fs.FileInfoToDirEntry(info), info.Size()); err != nil {
		return err
	}
	if _, err := io.CopyN(p.tar, file, info.Size()); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file shrank while it was read")
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (p *packer) header(name string, kind byte, entry fs.DirEntry, size int64) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	if err := p.tar.WriteHeader(&tar.Header{Name: name, Typeflag: kind, Mode: int64(info.Mode().Perm()), Size: size}); err != nil {
		return err
	}
	return p.room(name, size)
}

// room refuses an entry that takes the archive over its limit: what is there already, its content, and the end.
func (p *packer) room(name string, size int64) error {
	padded := (size + blockBytes - 1) / blockBytes * blockBytes
	if limit := p.options.MaxBytes; limit > 0 && int64(p.out.Len())+padded+endBytes > limit {
		return fmt.Errorf("%s: with it the template's archive has more than %d bytes, the limit; leave out of the directory what is none of the template's", name, limit)
	}
	return nil
}

// Sizes of a tar's parts, in bytes.
const (
	blockBytes = 512
	endBytes   = 2 * blockBytes
)

func kind(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a link to something else"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a special file"
}
