package providercache

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/dirhash"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	digest  = "0123456789abcdef0123456789abcdef"
	address = "registry.example.com/acme/kinds"
)

type fixture struct {
	*Cache
	log strings.Builder
}

func newFixture(t *testing.T, o Options) *fixture {
	t.Helper()
	f := &fixture{}
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "providers")
		t.Cleanup(func() {
			if err := removeAll(o.Dir); err != nil {
				t.Error(err)
			}
		})
	}
	o.Log = slog.New(slog.NewTextHandler(&f.log, nil))
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	f.Cache = c
	return f
}

func (f *fixture) shelf(t *testing.T) *Shelf {
	t.Helper()
	s, err := f.Shelf(digest)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// install puts a package into a work directory, as an engine does, and returns its checksum.
func install(t *testing.T, work string, p Package, content string) string {
	t.Helper()
	dir := filepath.Join(work, filepath.FromSlash(providersDir), p.path())
	if err := os.MkdirAll(filepath.Join(dir, "docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"terraform-provider-kinds_v" + p.Version: 0o755, "docs/README": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content+name), mode); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := dirhash.HashDir(dir, "", dirhash.Hash1)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// lock writes a lock file that selects a package.
func lock(t *testing.T, work string, p Package, hashes ...string) {
	t.Helper()
	content := fmt.Sprintf("# maintained\nprovider %q {\n  version     = %q\n  constraints = \">= 1.0.0\"\n  hashes = [\n", p.Address, p.Version)
	for _, h := range hashes {
		content += fmt.Sprintf("    %q,\n", h)
	}
	if err := os.WriteFile(filepath.Join(work, LockFile), []byte(content+"  ]\n}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// nothing is what an init may leave in the work directory.
func nothing() []string { return nil }

// download has an init download a package into a new directory, and returns that.
func (s *Shelf) download(t *testing.T, p Package, content string) string {
	t.Helper()
	work := t.TempDir()
	i, err := s.Begin(work, false)
	if err != nil {
		t.Fatal(err)
	}
	lock(t, work, p, install(t, work, p, content))
	i.End(t.Context(), nothing)
	return work
}

func versions(s *Shelf) []string {
	var all []string
	for _, p := range s.Packages() {
		all = append(all, p.Address+" "+p.Version)
	}
	return all
}

func TestWhatWasDownloadedIsOffered(t *testing.T) {
	f := newFixture(t, Options{})
	s := f.shelf(t)
	v1 := Package{Address: address, Version: "1.0.0"}
	s.download(t, v1, "one")
	s.download(t, v1, "one") // again: it stays as it is
	if got := versions(s); !slices.Equal(got, []string{address + " 1.0.0"}) {
		t.Fatalf("on the shelf: %q; log %s", got, &f.log)
	}
	if runtime.GOOS != "windows" {
		err := filepath.Walk(filepath.Join(s.Mirror(), v1.path()), func(path string, info os.FileInfo, err error) error {
			if err == nil && info.Mode().Perm()&0o222 != 0 {
				t.Errorf("%s can be written: %v", path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	sum := s.Packages()[0].Sum
	for _, tt := range []struct {
		name          string
		version       string
		hashes        []string
		upgrade       bool
		offer, pinned bool
	}{
		{name: "no lock file", offer: true},
		{name: "no lock file, upgrade", upgrade: true, offer: true},
		{name: "locked", version: "1.0.0", hashes: []string{"zh:00", sum}, offer: true, pinned: true},
		{name: "locked, upgrade", version: "1.0.0", hashes: []string{sum}, upgrade: true, offer: true},
		{name: "locked by the archive's checksum alone", version: "1.0.0", hashes: []string{"zh:00"}},
		{name: "locked to another build", version: "1.0.0", hashes: []string{"h1:other"}, upgrade: true},
		{name: "locked to another version", version: "1.1.0", hashes: []string{"h1:other"}},
		{name: "locked to another version, upgrade", version: "1.1.0", hashes: []string{"h1:other"}, upgrade: true, offer: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			work := t.TempDir()
			if tt.version != "" {
				lock(t, work, Package{Address: address, Version: tt.version}, tt.hashes...)
			}
			i, err := s.Begin(work, tt.upgrade)
			if err != nil {
				t.Fatal(err)
			}
			if offer, pinned := slices.Contains(i.Offer, address), slices.Contains(i.Pinned, address); offer != tt.offer || pinned != tt.pinned {
				t.Errorf("offered %t, pinned %t; want %t, %t", offer, pinned, tt.offer, tt.pinned)
			}
		})
	}
}

// What nobody can vouch for is not kept.
func TestWhatIsNotKept(t *testing.T) {
	v1 := Package{Address: address, Version: "1.0.0"}
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, s *Shelf, work string)
		skip []string
	}{
		{"there before the init", func(t *testing.T, s *Shelf, work string) {
			sum := install(t, work, v1, "one")
			i, err := s.Begin(work, false)
			if err != nil {
				t.Fatal(err)
			}
			lock(t, work, v1, sum)
			i.End(t.Context(), nothing)
		}, nil},
		{"changed after the engine has written its checksum", func(t *testing.T, s *Shelf, work string) {
			i, err := s.Begin(work, false)
			if err != nil {
				t.Fatal(err)
			}
			lock(t, work, v1, install(t, work, v1, "one"))
			install(t, work, v1, "two")
			i.End(t.Context(), nothing)
		}, nil},
		{"not in the lock file", func(t *testing.T, s *Shelf, work string) {
			i, err := s.Begin(work, false)
			if err != nil {
				t.Fatal(err)
			}
			install(t, work, v1, "one")
			i.End(t.Context(), nothing)
		}, nil},
		{"a lock file that is none", func(t *testing.T, s *Shelf, work string) {
			i, err := s.Begin(work, false)
			if err != nil {
				t.Fatal(err)
			}
			install(t, work, v1, "one")
			if err := os.WriteFile(filepath.Join(work, LockFile), []byte(strings.Repeat("[", 1<<20)), 0o600); err != nil {
				t.Fatal(err)
			}
			i.End(t.Context(), nothing)
		}, nil},
		{"with a symlink in it", func(t *testing.T, s *Shelf, work string) {
			i, err := s.Begin(work, false)
			if err != nil {
				t.Fatal(err)
			}
			sum := install(t, work, v1, "one")
			if err := os.Symlink("/etc/passwd", filepath.Join(work, filepath.FromSlash(providersDir), v1.path(), "link")); err != nil {
				t.Skip(err)
			}
			lock(t, work, v1, sum)
			i.End(t.Context(), nothing)
		}, nil},
		{"a directory through a symlink", func(t *testing.T, s *Shelf, work string) {
			i, err := s.Begin(work, false)
			if err != nil {
				t.Fatal(err)
			}
			other := t.TempDir()
			lock(t, work, v1, install(t, other, v1, "one"))
			if err := os.MkdirAll(filepath.Join(work, ".terraform"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(other, filepath.FromSlash(providersDir)), filepath.Join(work, filepath.FromSlash(providersDir))); err != nil {
				t.Skip(err)
			}
			i.End(t.Context(), nothing)
		}, nil},
		{"a canceled request", func(t *testing.T, s *Shelf, work string) {
			i, err := s.Begin(work, false)
			if err != nil {
				t.Fatal(err)
			}
			lock(t, work, v1, install(t, work, v1, "one"))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			i.End(ctx, nothing)
		}, nil},
		{"the operator's mirror has it", func(t *testing.T, s *Shelf, work string) {
			i, err := s.Begin(work, false)
			if err != nil {
				t.Fatal(err)
			}
			lock(t, work, v1, install(t, work, v1, "one"))
			i.End(t.Context(), func() []string { return []string{address} })
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, Options{})
			s := f.shelf(t)
			tt.do(t, s, t.TempDir())
			if got := versions(s); len(got) > 0 {
				t.Errorf("on the shelf: %q", got)
			}
			if left, err := os.ReadDir(filepath.Join(f.o.Dir, stagingDir)); err != nil || len(left) > 0 {
				t.Errorf("left in staging: %v, %v", left, err)
			}
		})
	}
}

// Links onto the shelf go before an init, and are uses of it afterwards.
func TestLinks(t *testing.T) {
	f := newFixture(t, Options{})
	s := f.shelf(t)
	v1 := Package{Address: address, Version: "1.0.0"}
	s.download(t, v1, "one")
	work := t.TempDir()
	name := filepath.Join(work, filepath.FromSlash(providersDir), v1.path())
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(s.Mirror(), v1.path()), name); err != nil {
		t.Skip(err)
	}
	later := time.Now().Add(time.Hour)
	f.now = func() time.Time { return later }
	i, err := s.Begin(work, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(name); err == nil {
		t.Error("the link is still there when the init begins")
	}
	if err := os.Symlink(filepath.Join(s.Mirror(), v1.path()), name); err != nil {
		t.Fatal(err)
	}
	i.End(t.Context(), nothing)
	if info, err := os.Stat(filepath.Join(s.Mirror(), v1.path())); err != nil || !info.ModTime().Equal(later.Truncate(time.Nanosecond)) {
		t.Errorf("last used %v, %v; want %v", info.ModTime(), err, later)
	}
}

// Plugins see nothing of each other's.
func TestScopes(t *testing.T) {
	f := newFixture(t, Options{})
	f.shelf(t).download(t, Package{Address: address, Version: "1.0.0"}, "one")
	s, err := f.Shelf("fedcba9876543210")
	if err != nil {
		t.Fatal(err)
	}
	if got := versions(s); len(got) > 0 {
		t.Errorf("another plugin sees %q", got)
	}
	for _, digest := range []string{"", "short", "../../../../../../etc"} {
		if _, err := f.Shelf(digest); err == nil {
			t.Errorf("a shelf for the digest %q", digest)
		}
	}
}

// What nobody has used for long makes room; what is in use stays, and the new one is not kept then.
func TestEviction(t *testing.T) {
	const size = 100
	f := newFixture(t, Options{MaxBytes: 3 * size})
	s := f.shelf(t)
	now := time.Now()
	f.now = func() time.Time { return now }
	content := strings.Repeat("x", 20)
	for _, v := range []string{"1.0.0", "2.0.0", "3.0.0"} {
		s.download(t, Package{Address: address, Version: v}, content)
	}
	if got := versions(s); len(got) != 3 {
		t.Fatalf("on the shelf: %q, %s", got, &f.log)
	}
	s.download(t, Package{Address: address, Version: "4.0.0"}, content)
	if got := versions(s); len(got) != 3 || !strings.Contains(f.log.String(), "setting provider_cache") {
		t.Errorf("on the shelf: %q, log %s", got, &f.log)
	}
	now = now.Add(2 * unusedFor)
	for _, v := range []string{"1.0.0", "3.0.0"} {
		s.use(Package{Address: address, Version: v})
	}
	s.download(t, Package{Address: address, Version: "4.0.0"}, content)
	want := []string{address + " 1.0.0", address + " 3.0.0", address + " 4.0.0"}
	if got := versions(s); !slices.Equal(got, want) {
		t.Errorf("on the shelf: %q, want %q; log %s", got, want, &f.log)
	}
}

// Many that add the same at once neither fail nor spoil it.
func TestManyAddTheSame(t *testing.T) {
	f := newFixture(t, Options{})
	s := f.shelf(t)
	p := Package{Address: address, Version: "1.0.0"}
	var all sync.WaitGroup
	for range 8 {
		work := t.TempDir()
		i, err := s.Begin(work, false)
		if err != nil {
			t.Fatal(err)
		}
		lock(t, work, p, install(t, work, p, strings.Repeat("x", 1<<20)))
		all.Go(func() { i.End(t.Context(), nothing) })
	}
	all.Wait()
	if got := s.Packages(); len(got) != 1 || f.log.Len() > 0 {
		t.Fatalf("on the shelf: %v, log %s", got, &f.log)
	}
	if sum, err := dirhash.HashDir(filepath.Join(s.Mirror(), p.path()), "", dirhash.Hash1); err != nil || sum != s.Packages()[0].Sum {
		t.Errorf("its checksum is %s, %v; want %s", sum, err, s.Packages()[0].Sum)
	}
}

// What dead processes left in staging goes, once it is old.
func TestSweep(t *testing.T) {
	f := newFixture(t, Options{})
	for name, age := range map[string]time.Duration{"add-old": 2 * stagingAge, "add-new": 0} {
		dir := filepath.Join(f.o.Dir, stagingDir, name)
		if err := os.MkdirAll(filepath.Join(dir, "package"), 0o500); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(dir, at, at); err != nil {
			t.Fatal(err)
		}
	}
	newFixture(t, Options{Dir: f.o.Dir})
	left, err := os.ReadDir(filepath.Join(f.o.Dir, stagingDir))
	if err != nil || len(left) != 1 || left[0].Name() != "add-new" {
		t.Errorf("left: %v, %v", left, err)
	}
}
