package guest_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/provisor/provisor/sdk-guest"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

// entry is one of a test's archive; the type is TypeReg unless it says otherwise.
type entry struct {
	tar.Header
	data string
}

func file(name, data string) entry { return entry{tar.Header{Name: name, Mode: 0o644}, data} }

func dir(name string, mode int64) entry {
	return entry{tar.Header{Name: name, Mode: mode, Typeflag: tar.TypeDir}, ""}
}

func link(kind byte, name, to string) entry {
	return entry{tar.Header{Name: name, Linkname: to, Typeflag: kind}, ""}
}

// archive makes an archive without closing blocks.
func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.Size = int64(len(e.data))
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tree describes what is below a directory: "mode name" for directories, "mode name=content" for files, "name -> target" for links.
func tree(t testing.TB, root string) []string {
	t.Helper()
	list := []string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			list = append(list, fmt.Sprintf("%04o %s/", info.Mode().Perm(), name))
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(p)
			list = append(list, name+" -> "+to)
			return err
		default:
			os.Chmod(p, 0o600)
			b, err := os.ReadFile(p)
			list = append(list, fmt.Sprintf("%04o %s=%s", info.Mode().Perm(), name, b))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestExtractArchive(t *testing.T) {
	for name, c := range map[string]struct {
		archive []byte
		want    []string
		log     string
	}{
		"nothing at all":      {archive: nil},
		"closing blocks only": {archive: make([]byte, 1024)},
		"one closing block":   {archive: append(archive(t, file("a", "1")), make([]byte, 512)...), want: []string{"0644 a=1"}},
		"no padding":          {archive: archive(t, file("a", "1"))[:513], want: []string{"0644 a=1"}},
		"local names": {
			archive: archive(t, file("./a", "1"), file("x/../b", "2"), file("c/d/e.tf", "3"), dir("./", 0o755)),
			want:    []string{"0644 a=1", "0644 b=2", "0700 c/", "0700 c/d/", "0644 c/d/e.tf=3"},
		},
		"modes": {
			archive: archive(t,
				entry{tar.Header{Name: "run.sh", Mode: 0o4755}, "#!"}, entry{tar.Header{Name: "none"}, ""}, entry{tar.Header{Name: "read", Mode: 0o444}, ""},
				dir("none.d", 0), dir("read.d", 0o555), file("read.d/x", "")),
			want: []string{"0600 none=", "0700 none.d/", "0444 read=", "0755 read.d/", "0644 read.d/x=", "0755 run.sh=#!"},
		},
		"the last of a name counts": {
			archive: archive(t, entry{tar.Header{Name: "a", Mode: 0o444}, "first"}, file("./a", "2"), dir("d", 0o700), dir("d", 0o750)),
			want:    []string{"0644 a=2", "0750 d/"},
		},
		"the same name twice, in a directory that is implied twice": {
			archive: archive(t, file("d/a", "1"), file("d/a", "2"), file("d/b", "3")), want: []string{"0700 d/", "0644 d/a=2", "0644 d/b=3"},
		},
		"a link and a file by case": {
			archive: archive(t, link(tar.TypeSymlink, "S", "a"), file("s", "mine")), want: []string{"0644 s=mine"},
			log: "WARN: The template archive's entry \"S\" is left out: it is a symbolic link to \"a\", and only files and directories are extracted\n",
		},
		"links and devices": {
			archive: archive(t, link(tar.TypeSymlink, "s", "/etc/passwd"), link(tar.TypeLink, "h", "s"), link(tar.TypeFifo, "f", ""),
				link(tar.TypeChar, "c", ""), link(tar.TypeBlock, "b", ""), file("s", "mine")),
			want: []string{"0644 s=mine"},
			log: `WARN: The template archive's entry "s" is left out: it is a symbolic link to "/etc/passwd", and only files and directories are extracted
WARN: The template archive's entry "h" is left out: it is a hard link to "s", and only files and directories are extracted
WARN: The template archive's entry "f" is left out: it is a named pipe, and only files and directories are extracted
WARN: The template archive's entry "c" is left out: it is a device, and only files and directories are extracted
WARN: The template archive's entry "b" is left out: it is a device, and only files and directories are extracted
`,
		},
		"unknown type": {
			archive: archive(t, entry{tar.Header{Name: "v", Typeflag: 'Z'}, "data"}, file("a", "1")),
			want:    []string{"0644 a=1"},
			log:     "WARN: The template archive's entry \"v\" is left out: it is of the unknown type 'Z', and only files and directories are extracted\n",
		},
		"global header": {
			archive: archive(t, entry{tar.Header{Name: "../pax_global_header", Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "c"}}, ""}, file("a", "1")),
			want:    []string{"0644 a=1"},
		},
		"long names": {
			archive: archive(t, file(strings.Repeat("d/", 120)+"a", "1")),
			want:    longTree(120),
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := guesttest.New(t)
			if err := guest.ExtractArchive(s.Context(), c.archive, guest.ArchiveOptions{}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append([]string{}, c.want...), tree(t, s.WorkDir())); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.log, s.LogText()); diff != "" {
				t.Errorf("logs (-want +got):\n%s", diff)
			}
		})
	}
}

func longTree(depth int) (want []string) {
	for i := range depth {
		want = append(want, "0700 "+strings.TrimSuffix(strings.Repeat("d/", i+1), "/")+"/")
	}
	return append(want, "0644 "+strings.Repeat("d/", depth)+"a=1")
}

func TestExtractArchiveRefuses(t *testing.T) {
	whole := archive(t, file("a", strings.Repeat("x", 700)), file("b", "2"))
	long := archive(t, file(strings.Repeat("n", 200), "1"))
	limits := guest.ArchiveLimits{Entries: 3, FileBytes: 10, TotalBytes: 15}
	for name, c := range map[string]struct {
		archive []byte
		limits  guest.ArchiveLimits
		want    string
	}{
		"parent":          {archive: archive(t, file("a", "1"), file("../x", "2")), want: `refusing to extract to non-local path "../x"`},
		"absolute":        {archive: archive(t, file("/etc/x", "2")), want: `refusing to extract to non-local path "/etc/x"`},
		"parent, deeper":  {archive: archive(t, dir("a/../../x", 0o700)), want: `refusing to extract to non-local path`},
		"link's own name": {archive: archive(t, link(tar.TypeSymlink, "../x", "y")), want: `refusing to extract to non-local path "../x"`},
		"no tar":          {archive: []byte(strings.Repeat("not a tar", 200)), want: "not an uncompressed tar archive"},
		"short no tar":    {archive: []byte("not a tar"), want: "the archive is cut: it ends at byte 9"},
		"cut in header":   {archive: whole[:100], want: "the archive is cut: it ends at byte 100"},
		"cut in 2nd header": {
			archive: whole[:512+1024+10], want: "the archive is cut",
		},
		"cut in data":             {archive: whole[:512+600], want: `"a": the archive is cut: it ends at byte 1112`},
		"cut in padding":          {archive: whole[:512+701], want: "the archive is cut"},
		"cut in last padding":     {archive: whole[:len(whole)-1], want: "the archive is cut"},
		"cut after a long name":   {archive: long[:1024], want: "the archive is cut"},
		"cut in a long name":      {archive: long[:600], want: "the archive is cut"},
		"long name, then closing": {archive: append(slices.Clone(long[:1024]), make([]byte, 1024)...), want: "the archive is cut"},
		"too many entries": {
			archive: archive(t, file("a", ""), file("b", ""), link(tar.TypeSymlink, "c", "a"), file("d", "")), limits: limits,
			want: `with "d" there are more than 3 entries`,
		},
		"deep name": {
			archive: archive(t, file(strings.Repeat("d/", 1000)+"x", "")), limits: guest.ArchiveLimits{Entries: 1000},
			want: "there are more than 1000 entries",
		},
		"long name":       {archive: archive(t, file(strings.Repeat("d/", 100_000)+"x", "")), want: "has 200001 bytes, and the limit is 4096 bytes"},
		"names by case":   {archive: archive(t, file("main.tf", "1"), file("Main.TF", "2")), want: `"main.tf" and "Main.TF" differ by nothing but case or Unicode form`},
		"a parent's case": {archive: archive(t, file("mod/a", "1"), file("MOD/b", "2")), want: `"mod" and "MOD" differ by nothing but case or Unicode form`},
		"a file and a directory by case": {
			archive: archive(t, file("x", "1"), dir("X", 0o700)), want: `"x" and "X" differ by nothing but case or Unicode form`,
		},
		"names by Unicode form": {archive: archive(t, file("\u00e9", "1"), file("e\u0301", "2")), want: `differ by nothing but case or Unicode form`},
		"both at once":          {archive: archive(t, file("\u00c9", "1"), file("e\u0301", "2")), want: `differ by nothing but case or Unicode form`},
		"letters with two cases": {
			archive: archive(t, file("\u017f", "1"), file("S", "2")), want: `"ſ" and "S" differ by nothing but case or Unicode form`,
		},
		"big file":        {archive: archive(t, file("a", "12345678901")), limits: limits, want: `"a" has 11 bytes, and the limit for one file is 10 bytes`},
		"big altogether":  {archive: archive(t, file("a", "1234567890"), file("b", "123456")), limits: limits, want: `with "b" the files have 16 bytes together, and the limit is 15 bytes`},
		"sparse bomb":     {archive: sparse(t, 1<<40), want: "the limit for one file is"},
		"file as parent":  {archive: archive(t, file("a", ""), file("a/b", "")), want: `a file has the name of the directory "a"`},
		"directory again": {archive: archive(t, file("a/b", ""), file("a", "")), want: `"a": a directory has the name of the file`},
		"root is a file":  {archive: archive(t, file(".", "")), want: `a directory has the name of the file`},
	} {
		t.Run(name, func(t *testing.T) {
			s := guesttest.New(t)
			err := guest.ExtractArchive(s.Context(), c.archive, guest.ArchiveOptions{Limits: c.limits})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v\nwant  %s", err, c.want)
			}
			if !strings.HasPrefix(err.Error(), "extract template archive: ") {
				t.Errorf("error %v", err)
			}
			if got := tree(t, s.WorkDir()); len(got) > 0 && !strings.Contains(c.want, "has the name of") {
				t.Errorf("a bad archive left %q", got)
			}
		})
	}
}

// sparse makes an archive with one empty file of that size, all holes, in PAX format 1.0.
func sparse(t *testing.T, size int64) []byte {
	t.Helper()
	m := "0\n"
	b := archive(t, entry{tar.Header{Name: "hole", Mode: 0o644, PAXRecords: map[string]string{
		"XXX.sparse.major": "1", "XXX.sparse.minor": "0", "XXX.sparse.name": "hole", "XXX.sparse.realsize": fmt.Sprint(size),
	}}, m + strings.Repeat("\x00", 512-len(m))})
	// Package tar does not write sparse files, but the records have the right length.
	return bytes.ReplaceAll(b, []byte("XXX.sparse"), []byte("GNU.sparse"))
}

func TestExtractArchiveExpandsSparseFiles(t *testing.T) {
	s := guesttest.New(t)
	if err := guest.ExtractArchive(s.Context(), sparse(t, 3), guest.ArchiveOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := s.ReadFile("hole"); got != "\x00\x00\x00" {
		t.Errorf("the file has %q", got)
	}
}

func TestExtractArchiveNeverFollowsLinks(t *testing.T) {
	s := guesttest.New(t)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{
		"dir": outside, "file": filepath.Join(outside, "secret"), "dangling": filepath.Join(outside, "new"), "explicit": outside,
	} {
		if err := os.Symlink(to, filepath.Join(s.WorkDir(), name)); err != nil {
			t.Fatal(err)
		}
	}
	b := archive(t, file("dir/secret", "1"), file("file", "2"), file("dangling", "3"), dir("explicit", 0o755), file("explicit/secret", "4"))
	if err := guest.ExtractArchive(s.Context(), b, guest.ArchiveOptions{}); err != nil {
		t.Fatal(err)
	}
	want := []string{"0644 dangling=3", "0700 dir/", "0644 dir/secret=1", "0755 explicit/", "0644 explicit/secret=4", "0644 file=2"}
	if diff := cmp.Diff(want, tree(t, s.WorkDir())); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"0600 secret=kept"}, tree(t, outside)); diff != "" {
		t.Errorf("files outside (-want +got):\n%s", diff)
	}
}

func TestExtractArchiveReplacesAHardLink(t *testing.T) {
	s := guesttest.New(t)
	s.WriteFile("a", "old")
	if err := os.Link(filepath.Join(s.WorkDir(), "a"), filepath.Join(s.TmpDir(), "a")); err != nil {
		t.Skip(err)
	}
	if err := guest.ExtractArchive(s.Context(), archive(t, file("a", "new")), guest.ArchiveOptions{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"0600 a=old"}, tree(t, s.TmpDir())); diff != "" {
		t.Errorf("the other name (-want +got):\n%s", diff)
	}
}

func TestExtractArchiveOptions(t *testing.T) {
	s := guesttest.New(t)
	var warnings, asked []string
	o := guest.ArchiveOptions{
		Dir:  filepath.Join(s.TmpDir(), "new", "dir"),
		Warn: func(text string) { warnings = append(warnings, text) },
		Skip: func(name string) (string, bool) {
			asked = append(asked, name)
			return map[string]string{"x.tfstate": "a state comes from the request"}[name], strings.HasPrefix(name, "x")
		},
	}
	if err := guest.ExtractArchive(s.Context(), archive(t, file("./x.tfstate", "{}"), file("x/y", "1"), file("z", "2")), o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"0644 z=2"}, tree(t, o.Dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"x.tfstate", "x/y", "z"}, asked); diff != "" {
		t.Errorf("what Skip was asked (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`The template archive's entry "./x.tfstate" is left out: a state comes from the request`}, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestExtractArchiveLimitsWhatIsKept(t *testing.T) {
	s := guesttest.New(t)
	o := guest.ArchiveOptions{
		Dir:    filepath.Join(s.TmpDir(), "kept"),
		Limits: guest.ArchiveLimits{FileBytes: 10, TotalBytes: 10},
		Skip:   func(name string) (string, bool) { return "", strings.HasPrefix(name, ".terraform/") },
	}
	large := strings.Repeat("x", 11)
	if err := guest.ExtractArchive(s.Context(), archive(t, file(".terraform/provider", large), file("main.tf", "small")), o); err != nil {
		t.Errorf("what is left out counts: %v", err)
	}
	if err := guest.ExtractArchive(s.Context(), archive(t, file("main.tf", large)), o); err == nil {
		t.Error("what is kept does not count")
	}
}

func TestExtractArchiveCanceled(t *testing.T) {
	s := guesttest.New(t)
	s.Cancel()
	err := guest.ExtractArchive(s.Context(), archive(t, file("a", "1")), guest.ArchiveOptions{})
	if !errors.Is(err, guest.ErrCanceled) || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// FuzzExtractArchive: whatever the bytes are, nothing is written outside or through a link, no link is made, and the limits
// hold.
func FuzzExtractArchive(f *testing.F) {
	f.Add(archive(f, file("a/b", "1"), dir("c", 0o555), link(tar.TypeSymlink, "d", "a")))
	f.Add(archive(f, file("link/x", "1"), file("../x", "2")))
	f.Add(archive(f, file(strings.Repeat("n", 150), "1"), entry{tar.Header{Name: "p", PAXRecords: map[string]string{"comment": "c"}}, "2"}))
	f.Add([]byte{})
	limits := guest.ArchiveLimits{Entries: 20, FileBytes: 4096, TotalBytes: 8192}
	s := guesttest.New(f)
	outside := s.TmpDir()
	work := filepath.Join(s.WorkDir(), "work")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := errors.Join(os.RemoveAll(work), os.Mkdir(work, 0o700), os.Symlink(outside, filepath.Join(work, "link"))); err != nil {
			t.Fatal(err)
		}
		err := guest.ExtractArchive(context.Background(), b, guest.ArchiveOptions{Dir: work, Limits: limits, Warn: func(string) {}})
		if got := tree(t, outside); len(got) > 0 {
			t.Fatalf("outside: %q", got)
		}
		var bytes int64
		werr := filepath.WalkDir(work, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if !d.IsDir() && !d.Type().IsRegular() && filepath.Base(p) != "link" {
				t.Fatalf("%s is %v", p, d.Type())
			}
			if info, err := d.Info(); err == nil && d.Type().IsRegular() {
				bytes += info.Size()
			}
			return nil
		})
		if werr != nil || bytes > limits.TotalBytes {
			t.Fatalf("%d bytes, %v", bytes, werr)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "extract template archive: ") {
			t.Fatalf("error %v", err)
		}
	})
}
