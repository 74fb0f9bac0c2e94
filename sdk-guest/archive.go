package guest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// ArchiveLimits bound what an archive may hold. Zero fields are the defaults.
type ArchiveLimits struct {
	// Entries counts all of them, those that are skipped too, and directories that are only implied. Default 20,000.
	Entries int
	// FileBytes is the size of one file. Default 64 MiB.
	FileBytes int64
	// TotalBytes is the size of all files together. Default 256 MiB.
	TotalBytes int64
}

func (l ArchiveLimits) withDefaults() ArchiveLimits {
	if l.Entries == 0 {
		l.Entries = 20_000
	}
	if l.FileBytes == 0 {
		l.FileBytes = 64 << 20
	}
	if l.TotalBytes == 0 {
		l.TotalBytes = 256 << 20
	}
	return l
}

// ArchiveOptions say how to extract an archive. The zero value extracts everything to WorkDir.
type ArchiveOptions struct {
	// Dir is where to; it is made if it is missing. Default WorkDir.
	Dir    string
	Limits ArchiveLimits
	// Skip, if set, is asked whether to leave a file or directory out, by its cleaned name: relative to Dir, with slashes.
	// It is asked once for each name, for what is in a directory that it leaves out, too. A reason becomes a warning;
	// without one the entry is left out silently. The limits on bytes don't count what is left out.
	Skip func(name string) (reason string, skip bool)
	// Warn takes the warnings: entries that are left out. Default: a Log at the level WARN.
	Warn func(text string)
}

// ExtractArchive extracts an uncompressed tar archive. It may be empty, and may end after any entry; one that ends inside
// an entry is an error. The archive is checked as a whole before anything is written.
//
// Names must be local (filepath.IsLocal). Missing parents are made. Of files and directories the permission bits are kept
// (but a file has 0600 for none at all, and a directory always 0700). Links and devices are left out with a warning. As in
// tar, a later entry of the same name replaces an earlier one, and files that are there already are replaced; but two names
// that differ by nothing but case or Unicode form are an error. A symbolic link that is there already is replaced too, never
// followed.
func ExtractArchive(ctx context.Context, archive []byte, o ArchiveOptions) error {
	if err := extractArchive(ctx, archive, o); err != nil {
		return fmt.Errorf("extract template archive: %w", err)
	}
	return nil
}

func extractArchive(ctx context.Context, archive []byte, o ArchiveOptions) error {
	if o.Dir == "" {
		o.Dir = WorkDir()
	}
	if o.Warn == nil {
		o.Warn = Warn
	}
	o.Limits = o.Limits.withDefaults()
	o.Skip = askOnce(o.Skip)
	if err := walkArchive(ctx, archive, o, nil); err != nil {
		return err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return err
	}
	return walkArchive(ctx, archive, o, &extractor{dir: o.Dir, dirs: map[string]bool{".": true}})
}

// askOnce remembers what skip says of a name: both walks need it.
func askOnce(skip func(string) (string, bool)) func(string) (string, bool) {
	if skip == nil {
		return nil
	}
	type answer struct {
		reason   string
		leaveOut bool
	}
	known := make(map[string]answer)
	return func(name string) (string, bool) {
		a, ok := known[name]
		if !ok {
			a.reason, a.leaveOut = skip(name)
			known[name] = a
		}
		return a.reason, a.leaveOut
	}
}

// walkArchive checks the archive entry by entry, and extracts what is to be extracted if x is not nil.
func walkArchive(ctx context.Context, archive []byte, o ArchiveOptions, x *extractor) error {
	r := &archiveReader{b: archive}
	tr := tar.NewReader(r)
	warn := o.Warn
	if x == nil {
		warn = func(string) {}
	}
	usage := archiveUsage{limits: o.Limits, parents: map[string]bool{}, spellings: map[string]string{}}
	for end := 0; ; end = r.at {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		h, err := tr.Next()
		if err == io.EOF {
			return r.checkEnd(end)
		}
		if err != nil {
			return r.explain(err)
		}
		name, keep, err := selectEntry(h, o.Skip, warn)
		if err == nil {
			err = usage.add(name, h, keep)
		}
		if err != nil {
			return err
		}
		if keep && x != nil {
			err = x.extract(name, h, tr)
		}
		if err == nil {
			// What was not read is passed over here, so that r is at the end of the entry's data.
			_, err = io.Copy(io.Discard, tr)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", quote(h.Name), r.explain(err))
		}
	}
}

// maxNameBytes is the longest name of an entry: Linux takes no longer path.
const maxNameBytes = 4096

// selectEntry returns the entry's name below the directory, and whether it is to be extracted.
func selectEntry(h *tar.Header, skip func(string) (string, bool), warn func(string)) (name string, keep bool, err error) {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return "", false, nil
	}
	if len(h.Name) > maxNameBytes {
		return "", false, fmt.Errorf("the name %s has %d bytes, and the limit is %d bytes", quote(h.Name), len(h.Name), maxNameBytes)
	}
	name = path.Clean(h.Name)
	if h.Name == "" || !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", false, fmt.Errorf("refusing to extract to non-local path %s", quote(h.Name))
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse, tar.TypeDir:
	default:
		warn(fmt.Sprintf("The template archive's entry %s is left out: it is %s, and only files and directories are extracted", quote(h.Name), kindOf(h)))
		return name, false, nil
	}
	if skip != nil {
		if reason, leaveOut := skip(name); leaveOut {
			if reason != "" {
				warn(fmt.Sprintf("The template archive's entry %s is left out: %s", quote(h.Name), reason))
			}
			return name, false, nil
		}
	}
	return name, true, nil
}

func kindOf(h *tar.Header) string {
	switch h.Typeflag {
	case tar.TypeSymlink:
		return fmt.Sprintf("a symbolic link to %s", quote(h.Linkname))
	case tar.TypeLink:
		return fmt.Sprintf("a hard link to %s", quote(h.Linkname))
	case tar.TypeChar, tar.TypeBlock:
		return "a device"
	case tar.TypeFifo:
		return "a named pipe"
	}
	return fmt.Sprintf("of the unknown type %q", h.Typeflag)
}

// archiveUsage counts what the archive holds against its limits.
type archiveUsage struct {
	limits  ArchiveLimits
	entries int
	bytes   int64
	parents map[string]bool
	// spellings are the names by their directories and what file systems that are not particular about names make of the rest.
	spellings map[string]string
}

// add counts an entry. Of one that is left out, only that it is there.
func (u *archiveUsage) add(name string, h *tar.Header, keep bool) error {
	u.entries++
	if !keep {
		return u.check(h)
	}
	if err := u.spell(name); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeDir {
		u.parents[name] = true
	}
	for dir := path.Dir(name); dir != "." && dir != "/" && !u.parents[dir] && u.entries <= u.limits.Entries; dir = path.Dir(dir) {
		if err := u.spell(dir); err != nil {
			return err
		}
		u.parents[dir] = true
		u.entries++
	}
	if h.Size > u.limits.FileBytes {
		return fmt.Errorf("%s has %d bytes, and the limit for one file is %d bytes", quote(h.Name), h.Size, u.limits.FileBytes)
	}
	u.bytes += h.Size
	return u.check(h)
}

// spell refuses a name that differs from an earlier one by nothing but case or Unicode form: where the file system takes the two for one, the
// later would silently replace the earlier, and a template would be another one from host to host.
func (u *archiveUsage) spell(name string) error {
	// Directories that differ so are found when they are spelled themselves.
	dir, base := path.Split(name)
	// Through upper case, since some letters, like ſ, have two lower ones.
	folded := dir + norm.NFD.String(strings.ToLower(strings.ToUpper(norm.NFD.String(base))))
	other, ok := u.spellings[folded]
	if ok && other != name {
		return fmt.Errorf("%s and %s differ by nothing but case or Unicode form, and are one file to some file systems: rename one of them", quote(other), quote(name))
	}
	u.spellings[folded] = name
	return nil
}

func (u *archiveUsage) check(h *tar.Header) error {
	if u.entries > u.limits.Entries {
		return fmt.Errorf("with %s there are more than %d entries (directories that are only implied count), which is the limit", quote(h.Name), u.limits.Entries)
	}
	if u.bytes > u.limits.TotalBytes {
		return fmt.Errorf("with %s the files have %d bytes together, and the limit is %d bytes", quote(h.Name), u.bytes, u.limits.TotalBytes)
	}
	return nil
}

// quote writes a name from the archive, which may be of any length and hold any bytes.
func quote(name string) string {
	const most = 512
	if len(name) > most {
		return strconv.Quote(name[:most]) + "..."
	}
	return strconv.Quote(name)
}

// archiveReader reads an archive and knows how far it got.
type archiveReader struct {
	b  []byte
	at int
}

func (r *archiveReader) Read(p []byte) (int, error) {
	if r.at == len(r.b) {
		return 0, io.EOF
	}
	n := copy(p, r.b[r.at:])
	r.at += n
	return n, nil
}

const tarBlock = 512

// checkEnd tells an archive that ends after an entry, whose data ended at end, from one that was cut: package tar takes
// both for the end when the cut is in an entry's padding or right after a header that only describes the next.
func (r *archiveReader) checkEnd(end int) error {
	padded := (end + tarBlock - 1) / tarBlock * tarBlock
	if r.at == end {
		return nil
	}
	if r.at < padded {
		return r.explain(io.ErrUnexpectedEOF)
	}
	for _, b := range r.b[padded:r.at] {
		if b != 0 {
			return r.explain(io.ErrUnexpectedEOF)
		}
	}
	return nil
}

func (r *archiveReader) explain(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the archive is cut: it ends at byte %d, inside a header or an entry: %w", len(r.b), err)
	case errors.Is(err, tar.ErrHeader):
		return fmt.Errorf("not an uncompressed tar archive: the header before byte %d is invalid: %w", r.at, err)
	}
	return err
}

// extractor writes entries below a directory.
type extractor struct {
	dir string
	// dirs are the directories below it, relative and with slashes, that are known to be directories and no links.
	dirs map[string]bool
	buf  []byte
}

func (x *extractor) path(name string) string { return filepath.Join(x.dir, filepath.FromSlash(name)) }

func (x *extractor) extract(name string, h *tar.Header, data io.Reader) error {
	mode := fs.FileMode(h.Mode) & fs.ModePerm
	if h.Typeflag == tar.TypeDir {
		if err := x.makeDir(name); err != nil {
			return err
		}
		if name == "." {
			return nil
		}
		return Chmod(x.path(name), mode|0o700)
	}
	if mode == 0 {
		mode = 0o600
	}
	if err := x.makeDir(path.Dir(name)); err != nil {
		return err
	}
	if err := x.writeFile(name, data); err != nil {
		return err
	}
	if mode == 0o600 {
		return nil
	}
	return Chmod(x.path(name), mode)
}

// makeDir makes a directory and its parents. A link in the place of one is replaced.
func (x *extractor) makeDir(name string) error {
	if x.dirs[name] {
		return nil
	}
	if err := x.makeDir(path.Dir(name)); err != nil {
		return err
	}
	p := x.path(name)
	err := os.Mkdir(p, 0o700)
	if errors.Is(err, fs.ErrExist) {
		err = x.reuseDir(name, p)
	}
	if err == nil {
		x.dirs[name] = true
	}
	return err
}

// reuseDir takes a directory that is there already, and puts one in the place of a link.
func (x *extractor) reuseDir(name, p string) error {
	info, err := os.Lstat(p)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return nil
	case info.Mode()&fs.ModeSymlink == 0:
		return fmt.Errorf("a file has the name of the directory %s", quote(name))
	}
	if err := os.Remove(p); err != nil {
		return err
	}
	return os.Mkdir(p, 0o700)
}

// writeFile writes a new file; one that was there is removed first, so that no link is followed and no other name of the
// old file sees the new content.
func (x *extractor) writeFile(name string, data io.Reader) (err error) {
	p := x.path(name)
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	f, err := os.OpenFile(p, flags, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if err := x.makeWay(p); err != nil {
			return err
		}
		f, err = os.OpenFile(p, flags, 0o600)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if x.buf == nil {
		x.buf = make([]byte, 64<<10)
	}
	// The plain writer keeps io.CopyBuffer from having the file allocate a buffer of its own.
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, data, x.buf)
	return err
}

// makeWay removes what is in the place of a new file.
func (x *extractor) makeWay(p string) error {
	info, err := os.Lstat(p)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errors.New("a directory has the name of the file")
	}
	return os.Remove(p)
}
