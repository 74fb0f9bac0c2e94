package attack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/client/template"
	"github.com/provisor/provisor/host/internal/server"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

const (
	bySDK  = "The archive is checked as a whole before anything is written: an error that says which entry, and nothing is left of it"
	bySkip = "Only files and directories are extracted: left out, with a warning"
)

func archives() []attack {
	refused := func(name, tries, want string, build func(*testing.T) []byte) attack {
		return attack{name, tries, bySDK, func(t *testing.T, a *arena) { a.refuseArchive(t, build(t), want) }}
	}
	of := func(headers ...tar.Header) func(*testing.T) []byte {
		return func(t *testing.T) []byte { return tarOf(t, headers...) }
	}
	return []attack{
		refused("an archive that is none", "Text in the place of an archive", "not an uncompressed tar archive", func(*testing.T) []byte { return []byte(strings.Repeat("no archive", 100)) }),
		refused("a gzip bomb", "64 MiB of zeros, compressed to 64 KiB", "not an uncompressed tar archive", func(t *testing.T) []byte {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			if _, err := io.Copy(w, io.LimitReader(zeros{}, 64<<20)); err != nil {
				t.Fatal(err)
			}
			w.Close()
			return b.Bytes()
		}),
		refused("a sparse bomb", "A file of 1 TiB that is one hole, in 2 KiB of archive", "the limit for one file is 67108864 bytes", func(t *testing.T) []byte { return holesOf(t, 1<<40) }),
		refused("files that are large together", "Five files of 60 MiB, each one hole", "and the limit is 268435456 bytes", func(t *testing.T) []byte {
			return holesOf(t, 60<<20, 60<<20, 60<<20, 60<<20, 60<<20)
		}),
		refused("files without end", "30,000 empty files", "there are more than 20000 entries", func(t *testing.T) []byte {
			headers := make([]tar.Header, 30_000)
			for i := range headers {
				headers[i].Name = fmt.Sprint(i)
			}
			return tarOf(t, headers...)
		}),
		refused("directories without end", "21 files, each 1,000 directories deep", "there are more than 20000 entries", func(t *testing.T) []byte {
			var headers []tar.Header
			for i := range 21 {
				headers = append(headers, tar.Header{Name: strings.Repeat(string(rune('a'+i))+"/", 1000) + "x"})
			}
			return tarOf(t, headers...)
		}),
		refused("a size that is a lie", "The header says 8 EiB, and no data follows", "the limit for one file is 67108864 bytes", func(t *testing.T) []byte {
			b := tarOf(t, tar.Header{Name: "a"})
			copy(b[124:136], "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff") // in base 256
			return sumTar(b)
		}),
		refused("a negative size", "The header says -1 bytes, so that the next one is before it", "invalid", func(t *testing.T) []byte {
			b := tarOf(t, tar.Header{Name: "a"})
			copy(b[124:136], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
			return sumTar(b)
		}),
		refused("a name of 1 MiB", "A name longer than any path may be", "the limit is 4096 bytes", of(tar.Header{Name: strings.Repeat("d/", 500_000) + "x"})),
		refused("a name that leads out", "`../x` after a good file", "refusing to extract to non-local path \"../x\"", of(tar.Header{Name: "good"}, tar.Header{Name: "../x"})),
		refused("a name that is absolute", "`/etc/passwd`", "refusing to extract to non-local path \"/etc/passwd\"", of(tar.Header{Name: "/etc/passwd"})),
		refused("a name that leads out and back", "`a/../../work/x`", "refusing to extract to non-local path", of(tar.Header{Name: "a/../../work/x"})),
		refused("a name of nothing", "An entry without a name", "refusing to extract to non-local path", of(tar.Header{Name: ""})),
		refused("names that differ by case", "`main.tf` and `Main.TF`, one file to some systems", "differ by nothing but case or Unicode form", of(tar.Header{Name: "main.tf"}, tar.Header{Name: "Main.TF"})),
		refused("names that differ by Unicode form", "`é` as one character and as two", "differ by nothing but case or Unicode form", of(tar.Header{Name: "\u00e9"}, tar.Header{Name: "e\u0301"})),
		refused("an archive that is cut", "The last byte is missing", "the archive is cut", func(t *testing.T) []byte {
			b := tarOf(t, tar.Header{Name: "a", Size: 100})
			return b[:len(b)-1025]
		}),
		{"links in an archive", "Symbolic and hard links to /etc/passwd and to `..`, and then files through them", bySkip, archiveLinks},
		{"devices in an archive", "A device, a FIFO, and a kind of entry that there is not", bySkip, func(t *testing.T, a *arena) {
			a.extract(t, tarOf(t, tar.Header{Name: "d", Typeflag: tar.TypeChar}, tar.Header{Name: "f", Typeflag: tar.TypeFifo}, tar.Header{Name: "v", Typeflag: 'Z'}),
				`"d" is left out`, `"f" is left out`, `"v" is left out`)
		}},
		{"one name many times", "A file's name 1,000 times", "As in tar, the last counts; each counts against the limits", func(t *testing.T, a *arena) {
			a.extract(t, tarOf(t, make1000("x")...))
		}},
		{"a template that is packed through links", "A template's directory with links to /etc/passwd, to `/` and to itself, and a FIFO, packed by the client", "The client follows links within the directory alone, and leaves out the rest with a warning", packed},
	}
}

// tarOf is an archive of entries with content of x.
func tarOf(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		h.Mode = 0o600
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte("x"), int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func make1000(name string) []tar.Header {
	headers := make([]tar.Header, 1000)
	for i := range headers {
		headers[i] = tar.Header{Name: name, Size: int64(i)}
	}
	return headers
}

// sumTar gives the first header the checksum that it needs.
func sumTar(b []byte) []byte {
	copy(b[148:156], "        ")
	var sum int
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// holesOf is an archive of files that are nothing but a hole, in PAX format 1.0. Package tar does not write that: the records have the right
// length.
func holesOf(t *testing.T, sizes ...int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, size := range sizes {
		name := fmt.Sprint("hole", i)
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: 512, PAXRecords: map[string]string{
			"XXX.sparse.major": "1", "XXX.sparse.minor": "0", "XXX.sparse.name": name, "XXX.sparse.realsize": fmt.Sprint(size),
		}}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "0\n"+strings.Repeat("\x00", 510)); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	return bytes.ReplaceAll(b.Bytes(), []byte("XXX.sparse"), []byte("GNU.sparse"))
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// refuseArchive has the echo plugin, by the SDK, refuse the archive; the session then takes another, and finds nothing but that.
func (a *arena) refuseArchive(t *testing.T, archive []byte, want string) {
	t.Helper()
	ctx := inTime(t)
	s, err := a.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	resp, err := s.Do(ctx, initOf(archive), nil)
	if err != nil {
		t.Fatal(err)
	}
	if text := client.ErrorOf(resp); !strings.Contains(text, want) {
		t.Errorf("the Complete says %.300q, want %q", text, want)
	}
	var logs []string
	onLog := func(l *pb.Log) { logs = append(logs, l.Output) }
	if resp, err = s.Do(ctx, initWith("on init\nrun terraform sh ls\n"), onLog); err != nil || client.ErrorOf(resp) != "" || strings.Join(logs, "") != "echo.txt" {
		t.Errorf("after it: %v, %v, and there is %q", resp, err, logs)
	}
}

// extract has the echo plugin extract the archive, with warnings that say each of that.
func (a *arena) extract(t *testing.T, archive []byte, warnings ...string) {
	t.Helper()
	got := a.init(t, initOf(archive))
	if got.text != "" {
		t.Errorf("the Complete says %q", got.text)
	}
	logs := strings.Join(got.logs, "\n")
	for _, w := range warnings {
		if !strings.Contains(logs, w) {
			t.Errorf("no warning says %q:\n%s", w, logs)
		}
	}
}

func archiveLinks(t *testing.T, a *arena) {
	before := look(t, "/etc/passwd")
	link := func(kind byte, name, to string) tar.Header {
		return tar.Header{Name: name, Typeflag: kind, Linkname: to}
	}
	a.extract(t, tarOf(t, link(tar.TypeSymlink, "a", "/etc/passwd"), link(tar.TypeSymlink, "b", ".."), link(tar.TypeLink, "c", "/etc/passwd"), link(tar.TypeSymlink, "d", "/"),
		tar.Header{Name: "a", Size: 3}, tar.Header{Name: "b/x", Size: 3}, tar.Header{Name: "c", Size: 3}, tar.Header{Name: "d/etc/passwd", Size: 3}),
		`"a" is left out: it is a symbolic link to "/etc/passwd"`, `"b" is left out`, `"c" is left out: it is a hard link`, `"d" is left out`)
	if now := look(t, "/etc/passwd"); now != before {
		t.Errorf("/etc/passwd was %s and is %s", before, now)
	}
}

// packed has a session take what a client makes of a hostile directory.
func packed(t *testing.T, a *arena) {
	dir := t.TempDir()
	for name, to := range map[string]string{"passwd": "/etc/passwd", "root": "/", "self": ".", "up": "..", "loop": "loop", "nowhere": "none"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "echo.txt"), []byte("on init\nread passwd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	makeFIFO(t, filepath.Join(dir, "fifo"))
	var warnings []string
	b, err := template.Pack(dir, template.Options{Warn: func(text string) { warnings = append(warnings, text) }})
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) < 7 {
		t.Errorf("the warnings are %q", warnings)
	}
	d := startDaemon(t, host.Options{}, server.Options{})
	if got := d.init(t, initOf(b)); !strings.Contains(got.text, "No such file") || bytes.Contains(b, []byte("root:")) {
		t.Errorf("the Complete says %q", got.text)
	}
	a.clean(t, d)
}
