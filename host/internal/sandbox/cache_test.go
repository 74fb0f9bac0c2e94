package sandbox

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisor/provisor/host/internal/wasmtest"
)

func cached(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// machineCode is the file of machine code in the cache.
func machineCode(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the cache has the machine code %v, %v", files, err)
	}
	return files[0]
}

func TestCompiledModulesAreKept(t *testing.T) {
	p := wasmtest.NewPlugin()
	module := p.Handled(p.Respond("x"))
	dir := filepath.Join(t.TempDir(), "compiled")
	var made time.Time
	for n := range 2 {
		i := newInstance(t, newRuntime(t, Options{CacheDir: dir}), module, &fakeHost{})
		if _, err := i.Handle(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(machineCode(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 && !info.ModTime().Equal(made) {
			t.Error("it was compiled again")
		}
		made = info.ModTime()
	}
}

// Nothing that is damaged may be run, nor keep a plugin from ever starting again.
func TestDamagedCacheIsMadeAgain(t *testing.T) {
	p := wasmtest.NewPlugin()
	module := p.Handled(p.Respond("x"))
	dir := t.TempDir()
	newInstance(t, newRuntime(t, Options{CacheDir: dir}), module, &fakeHost{})
	for _, file := range cached(t, dir) {
		name := filepath.Base(file)
		if strings.HasSuffix(name, lockSuffix) {
			continue
		}
		if len(name) == 64 {
			name = "machine code"
		}
		for how, spoil := range map[string]func([]byte) []byte{
			"empty":              func([]byte) []byte { return nil },
			"cut":                func(b []byte) []byte { return b[:len(b)/2] },
			"garbage":            func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, len(b)) },
			"altered":            func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
			"altered at its end": func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
			"longer":             func(b []byte) []byte { return append(b, 0) },
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				good, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, spoil(bytes.Clone(good)), 0o600); err != nil {
					t.Fatal(err)
				}
				var log bytes.Buffer
				// Where there is a snapshot nobody looks at what precedes it.
				options := Options{CacheDir: dir, NoSnapshots: name == initialFile, Log: slog.New(slog.NewTextHandler(&log, nil))}
				r := newRuntime(t, options)
				i := newInstance(t, r, module, &fakeHost{})
				if _, err := i.Handle(t.Context(), []byte("x")); err != nil {
					t.Error(err)
				}
				if !strings.Contains(log.String(), "made again") {
					t.Errorf("the log has %q", &log)
				}
				// And from here on it is whole.
				log.Reset()
				newInstance(t, newRuntime(t, options), module, &fakeHost{})
				if log.Len() > 0 {
					t.Errorf("the log has %q", &log)
				}
			})
		}
	}
}

// Nor may what is not even a file in the place of one, or of an entry.
func TestCacheWithOtherThingsInIt(t *testing.T) {
	p := wasmtest.NewPlugin()
	module := p.Handled(p.Respond("x"))
	dir := t.TempDir()
	newInstance(t, newRuntime(t, Options{CacheDir: dir}), module, &fakeHost{})
	places := []string{machineCode(t, dir)}
	for _, file := range cached(t, filepath.Join(dir, entriesDir)) {
		if filepath.Base(file) == codeFile {
			places = append(places, filepath.Dir(file))
		}
		if !strings.HasSuffix(file, lockSuffix) {
			places = append(places, file)
		}
	}
	for _, place := range places {
		for what, put := range map[string]func() error{
			"a directory": func() error { return os.MkdirAll(filepath.Join(place, "x"), 0o700) },
			"a link":      func() error { return os.Symlink(place, place) }, // to nowhere but itself
			"a file":      func() error { return os.WriteFile(place, []byte("x"), 0o600) },
		} {
			t.Run(filepath.Base(place)+" "+what, func(t *testing.T) {
				if err := os.RemoveAll(place); err != nil {
					t.Fatal(err)
				}
				if err := put(); err != nil {
					t.Skip(err) // no rights to make links
				}
				// Where there is a snapshot nobody looks at what precedes it.
				options := Options{CacheDir: dir, NoSnapshots: filepath.Base(place) == initialFile}
				i := newInstance(t, newRuntime(t, options), module, &fakeHost{})
				if _, err := i.Handle(t.Context(), []byte("x")); err != nil {
					t.Error(err)
				}
				var log bytes.Buffer
				options.Log = slog.New(slog.NewTextHandler(&log, nil))
				newInstance(t, newRuntime(t, options), module, &fakeHost{})
				if log.Len() > 0 {
					t.Errorf("after it the log has %q", &log)
				}
			})
		}
	}
}

// A count in an outline can ask for more memory than there is, and must not be believed before it is known to be the one that was written.
func TestDamagedOutlineIsNotRead(t *testing.T) {
	p := wasmtest.NewPlugin()
	module := p.Handled(p.Respond("x"))
	dir := t.TempDir()
	options := Options{CacheDir: dir}
	newInstance(t, newRuntime(t, options), module, &fakeHost{})
	paths, err := filepath.Glob(filepath.Join(dir, entriesDir, "*", outlineFile))
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	good, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	r := newRuntime(t, options)
	e := entry{r.cache, filepath.Dir(paths[0])}
	for at := 0; at < len(good); at += 16 {
		bad := slices.Concat(good[:at], []byte("\xff\xff\xff\xff\x0f"), good[at:])
		if err := os.WriteFile(paths[0], bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := e.read(); !errors.Is(err, errDamaged) {
			t.Fatalf("damaged at byte %d: %v", at, err)
		}
	}
}

// A cache may be removed at any time.
func TestCacheThatIsRemoved(t *testing.T) {
	p := wasmtest.NewPlugin()
	dir := filepath.Join(t.TempDir(), "compiled")
	r := newRuntime(t, Options{CacheDir: dir})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	i := newInstance(t, r, p.Handled(p.Respond("x")), &fakeHost{})
	if _, err := i.Handle(t.Context(), []byte("x")); err != nil {
		t.Error(err)
	}
}

// Several processes may start with the same cold cache: one compiles, the others wait for it.
func TestCacheOfSeveralAtOnce(t *testing.T) {
	p := wasmtest.NewPlugin()
	module := p.Handled(p.Respond("x"))
	dir := t.TempDir()
	var starting sync.WaitGroup
	for range 6 {
		r := newRuntime(t, Options{CacheDir: dir})
		starting.Go(func() {
			if _, err := r.Compile(t.Context(), snapshotOf(module)); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
	machineCode(t, dir)
	if left, err := filepath.Glob(filepath.Join(dir, buildPrefix+"*")); len(left) > 0 || err != nil {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestCacheOfOthersIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no permission bits")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := New(t.Context(), Options{CacheDir: dir})
	if err == nil || !strings.Contains(err.Error(), "may be written by other users") {
		t.Errorf("got %v", err)
	}
}

func TestCacheDoesNotGrowForEver(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-2 * youngest)
	write := func(name, text string, made time.Time) {
		t.Helper()
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{path, filepath.Dir(path)} {
			if err := os.Chtimes(path, made, made); err != nil {
				t.Fatal(err)
			}
		}
	}
	var want []string
	for n := range keptModules + 5 {
		name := string(rune('a' + n))
		write("wazero-x/"+name, "", old)
		write("modules/"+name+"/code", `{"File":"wazero-x/`+name+`"}`, old.Add(time.Duration(n)*time.Second))
		if n >= 5 {
			want = append(want, filepath.Join("modules", name, "code"), filepath.Join("wazero-x", name))
		}
	}
	write("wazero-x/nobody's", "", old)
	write("build-1/x", "", old)
	write("modules/z.lock", "", old)
	write("wazero-x/new", "", time.Now())
	write("build-2/x", "", time.Now())
	want = append(want, "wazero-x/new", "build-2/x")
	newRuntime(t, Options{CacheDir: dir})
	var left []string
	for _, file := range cached(t, dir) {
		name, _ := filepath.Rel(dir, file)
		left = append(left, filepath.ToSlash(name))
	}
	for i := range want {
		want[i] = filepath.ToSlash(want[i])
	}
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("left are\n%v\nwant\n%v", left, want)
	}
}
