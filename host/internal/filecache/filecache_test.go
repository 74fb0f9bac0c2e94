package filecache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/provisor/provisor/abi"
)

var scope = Scope{"default", "terraform"}

func open(t *testing.T, o Options) *Cache {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "cache")
	}
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tree makes a directory of name, content pairs. A name that ends in / is a directory, a content that begins with -> a symlink.
func tree(t *testing.T, pairs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(pairs); i += 2 {
		name, content := filepath.Join(dir, pairs[i]), pairs[i+1]
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, isLink := strings.CutPrefix(content, "->"); isLink {
			err = os.Symlink(target, name)
		} else if strings.HasSuffix(pairs[i], "/") {
			err = os.MkdirAll(name, 0o700)
		} else {
			err = os.WriteFile(name, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// list is all that is below a directory, with modes and contents.
func list(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, p)
		switch {
		case d.IsDir():
			all[name] = info.Mode().String()
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(p)
			all[name] = "->" + target
			return err
		default:
			content, err := os.ReadFile(p)
			all[name] = info.Mode().String() + " " + string(content)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func save(t *testing.T, c *Cache, key, work string, paths ...string) {
	t.Helper()
	if err := c.Save(t.Context(), scope, key, work, paths); err != nil {
		t.Fatal(err)
	}
}

func restore(t *testing.T, c *Cache, key, work string) bool {
	t.Helper()
	found, err := c.Restore(t.Context(), scope, key, work)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// entries are the entries' directories.
func entries(t *testing.T, c *Cache) []string {
	t.Helper()
	found, err := filepath.Glob(c.path(entriesDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func wantNothingStaged(t *testing.T, c *Cache) {
	t.Helper()
	if left := list(t, c.path(stagingDir)); len(left) > 0 {
		t.Errorf("left in staging: %v", left)
	}
}

func TestRestoreBringsBackWhatWasSaved(t *testing.T) {
	mirror := tree(t, "p/bin", "x")
	c := open(t, Options{LinkTargets: []string{mirror}})
	work := tree(t,
		".terraform/modules/modules.json", "{}",
		".terraform/modules/a/run.sh", "#!",
		".terraform/modules/a/empty/", "",
		".terraform/modules/b", "->a/empty",
		".terraform/modules/a/up", "->../modules.json",
		".terraform/providers/p", "->"+filepath.Join(mirror, "p"),
		".terraform.lock.hcl", "locked",
		"main.tf", "not asked for",
	)
	for name, mode := range map[string]fs.FileMode{".terraform/modules/a/run.sh": 0o755, ".terraform/modules/a/empty": 0o500} {
		if err := os.Chmod(filepath.Join(work, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	save(t, c, "k", work, ".terraform", ".terraform.lock.hcl")
	want := list(t, work)
	delete(want, "main.tf")
	want[".terraform/modules/a/empty"] = "drwx------" // so that the session's directory can be removed

	later := tree(t, ".terraform/old", "goes", ".terraform.lock.hcl", "goes")
	if !restore(t, c, "k", later) {
		t.Fatal("nothing was restored")
	}
	if diff := cmp.Diff(want, list(t, later)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	wantNothingStaged(t, c)
}

func TestKeysAndScopes(t *testing.T) {
	c := open(t, Options{})
	save(t, c, "k", tree(t, "f", "1"), "f")
	for _, other := range []struct {
		scope Scope
		key   string
	}{
		{scope, "K"}, {scope, ""}, {scope, "../k"}, {Scope{"default", "terraform2"}, "k"}, {Scope{"default"}, "terraform k"},
		{Scope{`default" "terraform`}, "k"}, {Scope{"default", "terraform", "k"}, ""}, {scope, "k\x00"},
	} {
		if found, err := c.Restore(t.Context(), other.scope, other.key, t.TempDir()); found || err != nil {
			t.Errorf("%q %q: %v, %v", other.scope, other.key, found, err)
		}
	}
	hostile := strings.Repeat("../", 40) + "\xff\x00/etc"
	save(t, c, hostile, tree(t, "f", "2"), "f")
	if work := t.TempDir(); !restore(t, c, hostile, work) || list(t, work)["f"] != "-rw------- 2" {
		t.Errorf("a key of any bytes: %v", list(t, work))
	}
	for _, e := range entries(t, c) {
		if !isEntryName(filepath.Base(e)) {
			t.Errorf("entry %s", e)
		}
	}
}

func TestSaveRefuses(t *testing.T) {
	mirror, outside := tree(t, "p", "x"), tree(t, "secret", "s")
	if real, err := filepath.EvalSymlinks(mirror); err != nil || real != mirror {
		t.Skip("the temporary directory is behind a symlink")
	}
	for _, c := range []struct {
		name  string
		pairs []string
		paths []string
		want  abi.Errno
	}{
		{"nothing", nil, nil, abi.Invalid},
		{"an empty path", nil, []string{""}, abi.Invalid},
		{"all of it", []string{"f", ""}, []string{"."}, abi.Invalid},
		{"all of it, in disguise", []string{"a/f", ""}, []string{"a/.."}, abi.Invalid},
		{"a path up", nil, []string{"../x"}, abi.Invalid},
		{"a path up, later", nil, []string{"a/../../x"}, abi.Invalid},
		{"an absolute path", nil, []string{outside}, abi.Invalid},
		{"a NUL", nil, []string{"a\x00b"}, abi.Invalid},
		{"a path twice", []string{"f", ""}, []string{"f", "./f"}, abi.Invalid},
		{"a path in another", []string{"a/f", "", "a.b", ""}, []string{"a", "a.b", "a/f"}, abi.Invalid},
		{"too many paths", nil, strings.Split(strings.Repeat("x,", maxPaths+1), ","), abi.Limit},
		{"what is not there", []string{"f", ""}, []string{"f", "g"}, abi.NotFound},
		{"an absolute link", []string{"l", "->" + outside}, []string{"l"}, abi.Denied},
		{"an absolute link below", []string{"a/l", "->/etc/passwd"}, []string{"a"}, abi.Denied},
		{"a link to the mirror itself", []string{"l", "->" + mirror}, []string{"l"}, abi.Denied},
		{"a link to the mirror's neighbor", []string{"l", "->" + mirror + "x/p"}, []string{"l"}, abi.Denied},
		{"a link through the mirror", []string{"l", "->" + mirror + "/../x"}, []string{"l"}, abi.Denied},
		{"a link up", []string{"a/l", "->../../x"}, []string{"a"}, abi.Denied},
		{"a link up, later", []string{"a/l", "->b/../../../x"}, []string{"a"}, abi.Denied},
		{"a link up through another", []string{"a/m", "->" + mirror + "/p", "a/l", "->m/.."}, []string{"a"}, abi.Denied},
		{"a path through a link out", []string{"a", "->" + outside}, []string{"a/secret"}, abi.Denied},
		{"a path through a link within", []string{"b/f", "", "a", "->b"}, []string{"a/f"}, abi.Denied},
		{"too many bytes", []string{"a/f", strings.Repeat("x", 60), "a/g", strings.Repeat("x", 60)}, []string{"a"}, abi.Limit},
		{"too many files", []string{"a/1", "", "a/2", "", "a/3", "", "a/4", "", "a/5", ""}, []string{"a"}, abi.Limit},
		{"too many directories", []string{"a/a/a/a/a/a/", ""}, []string{"a"}, abi.Limit},
	} {
		t.Run(c.name, func(t *testing.T) {
			cache := open(t, Options{LinkTargets: []string{mirror}, MaxEntryBytes: 100, MaxEntryFiles: 5})
			err := cache.Save(t.Context(), scope, "k", tree(t, c.pairs...), c.paths)
			if abi.ErrnoOf(err) != c.want {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if found := entries(t, cache); len(found) > 0 {
				t.Errorf("an entry was made: %v", found)
			}
			wantNothingStaged(t, cache)
		})
	}
}

// TestRestoreStaysInside restores over what a hostile session has laid in the way.
func TestRestoreStaysInside(t *testing.T) {
	c := open(t, Options{})
	save(t, c, "k", tree(t, "a/b/f", "kept", "g", "kept"), "a/b", "g")
	outside := tree(t, "b/f", "precious", "g", "precious")
	before := list(t, outside)
	t.Run("links at the paths", func(t *testing.T) {
		work := tree(t, "a/b", "->"+filepath.Join(outside, "b"), "g", "->"+filepath.Join(outside, "g"))
		if !restore(t, c, "k", work) || list(t, work)["a/b/f"] != "-rw------- kept" || list(t, work)["g"] != "-rw------- kept" {
			t.Errorf("restored: %v", list(t, work))
		}
	})
	t.Run("links before the paths", func(t *testing.T) {
		if found, err := c.Restore(t.Context(), scope, "k", tree(t, "a", "->"+outside)); found || err == nil {
			t.Errorf("%v, %v; want an error", found, err)
		}
	})
	if diff := cmp.Diff(before, list(t, outside)); diff != "" {
		t.Errorf("outside (-want +got):\n%s", diff)
	}
}

func TestSessionsShareNoFiles(t *testing.T) {
	c := open(t, Options{})
	first := tree(t, "d/f", "kept")
	save(t, c, "k", first, "d")
	write := func(work string) {
		if err := os.WriteFile(filepath.Join(work, "d/f"), []byte("evil"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(first)
	second, third := t.TempDir(), t.TempDir()
	restore(t, c, "k", second)
	write(second)
	restore(t, c, "k", third)
	if got := list(t, third)["d/f"]; got != "-rw------- kept" {
		t.Errorf("the third session has %q", got)
	}
}

func TestDamagedEntriesAreDropped(t *testing.T) {
	mirror := tree(t, "p", "x")
	damages := map[string]func(t *testing.T, entry string) error{
		"content": func(_ *testing.T, e string) error {
			return os.WriteFile(filepath.Join(e, "files/1"), []byte("KEPT"), 0o600)
		},
		"truncated": func(_ *testing.T, e string) error { return os.Truncate(filepath.Join(e, "files/1"), 0) },
		"longer": func(_ *testing.T, e string) error {
			return os.WriteFile(filepath.Join(e, "files/1"), []byte("kept!"), 0o600)
		},
		"missing": func(_ *testing.T, e string) error { return os.Remove(filepath.Join(e, "files/1")) },
		"manifest": func(_ *testing.T, e string) error {
			content, err := os.ReadFile(filepath.Join(e, manifestName))
			return errors.Join(err, os.WriteFile(filepath.Join(e, manifestName), []byte(strings.Replace(string(content), `"d/f"`, `"../f"`, 1)), 0o600))
		},
		"empty manifest": func(_ *testing.T, e string) error { return os.Truncate(filepath.Join(e, manifestName), 0) },
		"no manifest":    func(_ *testing.T, e string) error { return os.Remove(filepath.Join(e, manifestName)) },
		"mirror": func(_ *testing.T, _ string) error {
			return os.Rename(filepath.Join(mirror, "p"), filepath.Join(mirror, "q"))
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			c := open(t, Options{LinkTargets: []string{mirror}})
			work := tree(t, "d/f", "kept", "l", "->"+filepath.Join(mirror, "p"))
			save(t, c, "k", work, "d", "l")
			if err := damage(t, entries(t, c)[0]); err != nil {
				t.Fatal(err)
			}
			later := t.TempDir()
			if restore(t, c, "k", later) {
				t.Error("it was restored")
			}
			if left := list(t, later); len(left) > 0 {
				t.Errorf("left in the session's directory: %v", left)
			}
			if left := entries(t, c); len(left) > 0 {
				t.Errorf("the entry is still there: %v", left)
			}
			wantNothingStaged(t, c)
		})
	}
}

func TestEviction(t *testing.T) {
	c := open(t, Options{MaxBytes: 3 * (1000 + nodeBytes)})
	work := tree(t, "f", strings.Repeat("x", 1000))
	for i := range 5 {
		key := fmt.Sprint(i)
		save(t, c, key, work, "f")
		// An hour apart; the very first is in use all the time.
		used := time.Now().Add(time.Duration(i-10) * time.Hour)
		if err := os.Chtimes(filepath.Join(c.path(entriesDir, entryName(scope, key)), manifestName), used, used); err != nil {
			t.Fatal(err)
		}
		restore(t, c, "0", t.TempDir())
	}
	var kept []string
	for i := range 5 {
		if restore(t, c, fmt.Sprint(i), t.TempDir()) {
			kept = append(kept, fmt.Sprint(i))
		}
	}
	if diff := cmp.Diff([]string{"0", "3", "4"}, kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	wantNothingStaged(t, c)
}

func TestEntriesInUseStay(t *testing.T) {
	c := open(t, Options{})
	save(t, c, "k", tree(t, "f", "x"), "f")
	name := entryName(scope, "k")
	lock := c.lock(name)
	if err := lock.RLock(); err != nil {
		t.Fatal(err)
	}
	if c.remove(name) || len(entries(t, c)) != 1 {
		t.Error("an entry was removed while it was read")
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if !c.remove(name) || len(entries(t, c)) != 0 {
		t.Error("the entry was not removed")
	}
}

func TestOpenSweeps(t *testing.T) {
	c := open(t, Options{})
	old, young := c.path(stagingDir, "save-1"), c.path(stagingDir, "save-2")
	for _, dir := range []string{old, young} {
		if err := os.MkdirAll(filepath.Join(dir, filesDir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-2 * stagingAge)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	open(t, Options{Dir: c.o.Dir})
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a dead process left is still there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesAnOpenDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "0700") {
		t.Errorf("error %v", err)
	}
}

// TestAtOnce has two caches on one directory, as two processes would, with many sessions on a few keys and hardly any room.
func TestAtOnce(t *testing.T) {
	first := open(t, Options{MaxBytes: 3 * (1000 + 2*nodeBytes)})
	caches := []*Cache{first, open(t, Options{Dir: first.o.Dir, MaxBytes: first.o.MaxBytes})}
	var running sync.WaitGroup
	for i := range 16 {
		running.Go(func() {
			c := caches[i%len(caches)]
			for round := range 12 {
				key := fmt.Sprint((i + round) % 5)
				content := strings.Repeat(key, 1000)
				work, err := os.MkdirTemp(t.TempDir(), "")
				if err != nil {
					t.Error(err)
					return
				}
				found, err := c.Restore(t.Context(), scope, key, work)
				if err != nil {
					t.Errorf("restore %s: %v", key, err)
				}
				if !found {
					if err := errors.Join(os.Mkdir(filepath.Join(work, "d"), 0o700), os.WriteFile(filepath.Join(work, "d/f"), []byte(content), 0o600)); err != nil {
						t.Error(err)
					}
					if err := c.Save(t.Context(), scope, key, work, []string{"d"}); err != nil {
						t.Errorf("save %s: %v", key, err)
					}
				}
				if got, err := os.ReadFile(filepath.Join(work, "d/f")); err != nil || string(got) != content {
					t.Errorf("a session of %s has %.10q, %v", key, got, err)
				}
			}
		})
	}
	running.Wait()
	first.evict("")
	if n := len(entries(t, first)); n > 3 {
		t.Errorf("%d entries are left, there is room for 3", n)
	}
	wantNothingStaged(t, first)
}

// A copy may have gigabytes. It ends with the request.
func TestEndOfTheRequest(t *testing.T) {
	c := open(t, Options{})
	work := tree(t, "a/b", "content")
	ended, end := context.WithCancelCause(t.Context())
	end(errors.New("the request is over"))
	if err := c.Save(ended, scope, "k", work, []string{"a"}); abi.ErrnoOf(err) != abi.Canceled || !strings.Contains(err.Error(), "the request is over") {
		t.Errorf("save: %v", err)
	}
	if len(entries(t, c)) > 0 {
		t.Error("half of it was saved")
	}
	save(t, c, "k", work, "a")
	if found, err := c.Restore(ended, scope, "k", t.TempDir()); found || abi.ErrnoOf(err) != abi.Canceled {
		t.Errorf("restore: %v, %v", found, err)
	}
	if !restore(t, c, "k", t.TempDir()) {
		t.Error("the entry is gone")
	}
}
