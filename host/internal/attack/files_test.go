package attack

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/server"
	wt "github.com/provisor/provisor/host/internal/wasmtest"
	"github.com/provisor/provisor/proto/guestpb"
)

const byRoot = "Each path is resolved step by step below the session's directories, and links are never followed out of them"

// canary is in a file that lies where no session may come to. Its text is not in its path.
const canary = "the canary sings"

func files() []attack {
	return []attack{
		{"the password file by its path", "Opens /etc/passwd as it is, with `..`, with slashes in front and between, relative to each directory and to an opened one", byRoot, reads("/etc/passwd", "root:", func(*module) []string {
			return []string{"/etc/passwd", "etc/passwd", "../etc/passwd", "../../../../../../../../etc/passwd", "//etc/passwd", "./../..//etc//passwd", "d/../../../../../etc/passwd", "/work/../etc/passwd", "..\\..\\etc\\passwd", "/etc/passwd\x00", "file:///etc/passwd"}
		})},
		{"the password file by its own links", "Makes symbolic links to /etc/passwd, to `/`, to `/etc`, to `..`, to `/proc/self/root` and to each other, and opens what is behind them", byRoot, ownLinks},
		{"the password file by a program's links", "A program makes the same links, a hard link, and a link to `/proc/self/fd`; the plugin opens what is behind them", byRoot + "; a file with several names is refused", reads("/etc/passwd", "root:", func(m *module) []string {
			m.start(engine("sh", "ln -s /etc/passwd a; ln -s / b; ln -s /etc c; ln -s ../../../../../../../../etc d; ln -s /proc/self/root e; ln -s /proc/self/fd f; ln -s a g; ln -s . h; ln /etc/passwd i; mkdir j; ln -s ../.. j/k"))
			m.call(abi.FuncExecWait, 1, outAt, 0)
			return []string{"a", "b/etc/passwd", "c/passwd", "d/passwd", "e/etc/passwd", "f/3", "f/10", "g", "h/a", "h/b/etc/passwd", "i", "j/k/../../../../../etc/passwd", "a/", "a/."}
		})},
		{"the password file by the host's functions", "`mode`, `chmod`, `cache_save` and the directory of a program, with paths and a program's links to it", byRoot + ": errnos 1 and 2", hostFiles},
		{"a link in the cache", "Keeps a link to /etc/passwd in the cache, as a path and in a directory, for the next session to restore", "Links that lead out are refused when they are kept", cachedLink},
		{"hard links", "Links files by `path_link`, within and across the two directories", "There are no hard links: EPERM, EXDEV", wasiErrnos(func(m *module) []int64 {
			m.start(engine("sh", "echo x >a"))
			m.call(abi.FuncExecWait, 1, outAt, 0)
			a, n := m.put("a")
			b, k := m.put("b")
			for _, to := range []int64{3, 4} {
				m.wasiCall("path_link", 3, 0, int64(a), int64(n), to, int64(b), int64(k))
			}
			return []int64{63, 75} // EPERM, EXDEV
		})},
		{"renames across the directories", "Renames a file from /work to /tmp, and a directory to below itself", "EXDEV, and what the system says", wasiErrnos(func(m *module) []int64 {
			m.start(engine("sh", "echo x >a; mkdir d"))
			m.call(abi.FuncExecWait, 1, outAt, 0)
			a, n := m.put("a")
			d, k := m.put("d")
			below, l := m.put("d/d")
			m.wasiCall("path_rename", 3, int64(a), int64(n), 4, int64(a), int64(n))
			m.wasiCall("path_rename", 3, int64(d), int64(k), 3, int64(below), int64(l))
			return []int64{75, eInval} // EXDEV
		})},
		{"pipes, sockets and devices", "A program makes a FIFO without a reader, and as root a device; the plugin opens them", "Opened without waiting, looked at, and refused", wasiErrnos(func(m *module) []int64 {
			m.start(engine("sh", "mkfifo fifo; mknod device c 1 5 || mkfifo device"))
			m.call(abi.FuncExecWait, 1, outAt, 0)
			for _, name := range []string{"fifo", "device"} {
				for _, rights := range []int64{1 << 1, 1 << 6} {
					at, n := m.put(name)
					m.wasiCall("path_open", 3, 1, int64(at), int64(n), 0, rights, 0, 0, outAt)
				}
			}
			return []int64{63, 63, 63, 63}
		})},
		{"names that are odd", "Makes files and directories with names of 255 and 256 bytes, line breaks, no UTF-8, `-rf`, `~`, and only dots", "What the system takes is made, and removed with the session", oddNames},
		{"links swapped under its feet", "A program swaps a directory for a link to one outside, as fast as it can, while the plugin opens, writes, lists, renames and removes what is in it", byRoot, swapped},
	}
}

// reads is an attack that opens paths, from /work, /tmp and a directory that it has opened, and reads what it gets. The file stays as it is.
func reads(file, content string, paths func(*module) []string) func(*testing.T, *arena) {
	return func(t *testing.T, a *arena) {
		before := look(t, file)
		m := newModule()
		dir, n := m.put("dir")
		list := paths(m)
		first := len(m.calls)
		m.wasiCall("path_create_directory", 3, int64(dir), int64(n))
		m.wasiCall("path_open", 3, 0, int64(dir), int64(n), 2, 1<<14, 0, 0, outAt) // descriptor 5
		vector, _ := m.put(string(append(slices.Clone(wt32(outAt+64)), wt32(1000)...)))
		const opened = outAt + 8
		tries := 0
		for _, path := range list {
			at, k := m.put(path)
			for _, fd := range []int64{3, 4, 5} {
				m.wasiCall("path_open", fd, 1, int64(at), int64(k), 0, 1<<1, 0, 0, opened)
				m.body = slices.Concat(m.body, wt.I32Const(opened), wt.I32Load(0), wt.I32Const(vector), wt.I32Const(1), wt.I32Const(outAt+16), wt.Call(m.wasiIndex("fd_read")), wt.Drop)
				tries++
			}
		}
		runs(host.Options{}, m.report, "", func(t *testing.T, o outcome) {
			if o.results[first] != 0 || o.results[first+1] != 0 {
				t.Fatalf("the directory was not opened: %d", o.results[first:first+2])
			}
			for i, r := range o.results[first+2 : first+2+tries] {
				if r == 0 {
					t.Errorf("opened %q, relative to descriptor %d", list[i/3], 3+i%3)
				}
			}
			without(t, o, content)
		})(t, a)
		if now := look(t, file); now != before {
			t.Errorf("%s was %s and is %s", file, before, now)
		}
	}
}

func wt32(n uint32) []byte { return []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)} }

// look is what can be seen of a file.
func look(t *testing.T, file string) string {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(info.Mode(), info.Size(), info.ModTime())
}

// ownLinks has the plugin itself make links. That they are made is no harm.
func ownLinks(t *testing.T, a *arena) {
	reads("/etc/passwd", "root:", func(m *module) []string {
		for name, target := range map[string]string{
			"a": "/etc/passwd", "b": "/", "c": "/etc", "d": "../../../../../../etc", "e": "/proc/self/root", "g": "a", "h": "..", "l": "l",
		} {
			from, n := m.put(target)
			to, k := m.put(name)
			m.wasiCall("path_symlink", int64(from), int64(n), 3, int64(to), int64(k))
		}
		return []string{"a", "b/etc/passwd", "c/passwd", "d/passwd", "e/etc/passwd", "g", "h/etc/passwd", "l"}
	})(t, a)
}

func hostFiles(t *testing.T, a *arena) {
	before := look(t, "/etc/passwd")
	m := newModule()
	m.start(engine("sh", "ln -s /etc/passwd a; ln -s / b; ln /etc/passwd c; mkfifo d"))
	m.call(abi.FuncExecWait, 1, outAt, 0)
	for _, path := range []string{"/etc/passwd", "../etc/passwd", "/work/../etc/passwd", "/tmp/../../etc/passwd", "/work/a", "a", "b/etc/passwd", "/work/b/etc/passwd", "d", "/"} {
		m.with(abi.FuncMode, path)
		m.with(abi.FuncChmod, path, 0o666)
	}
	for _, path := range []string{"/etc/passwd", "../etc", "a", "b/etc/passwd", "b", "d", "."} {
		m.with(abi.FuncCacheSave, string(marshal(&guestpb.CacheSave{Key: "key", Paths: []string{path}})))
	}
	m.start(&guestpb.ExecRequest{Program: "terraform", Args: []string{"version"}, Dir: "b/etc"})
	runs(host.Options{}, m.report, "", func(t *testing.T, o outcome) {
		for i := 2; i < len(m.calls); i++ {
			if o.results[i] >= 0 {
				t.Errorf("call %d, %s, returned %d", i, m.calls[i], o.results[i])
			}
		}
	})(t, a)
	if now := look(t, "/etc/passwd"); now != before {
		t.Errorf("/etc/passwd was %s and is %s", before, now)
	}
}

func cachedLink(t *testing.T, a *arena) {
	m := newModule()
	m.start(engine("sh", "ln -s /etc/passwd a; mkdir d; ln -s ../../../../../../../../etc/passwd d/a; ln -s ../d e; mkdir f; ln -s ../e/a f/g"))
	m.call(abi.FuncExecWait, 1, outAt, 0)
	for i, paths := range [][]string{{"a"}, {"d"}, {"e/a"}, {"d/a"}} {
		m.with(abi.FuncCacheSave, string(marshal(&guestpb.CacheSave{Key: fmt.Sprint(i), Paths: paths})))
		m.with(abi.FuncCacheRestore, fmt.Sprint(i))
	}
	runs(host.Options{}, m.report, "", func(t *testing.T, o outcome) {
		for i := range 4 {
			if saved, restored := o.results[2+2*i], o.results[3+2*i]; saved >= 0 || restored != 0 {
				t.Errorf("keeping link %d returned %d, and restoring it %d", i, saved, restored)
			}
		}
	})(t, a)
}

// wasiErrnos is an attack whose last calls are to return those numbers.
func wasiErrnos(build func(*module) []int64) func(*testing.T, *arena) {
	return func(t *testing.T, a *arena) {
		m := newModule()
		want := build(m)
		runs(host.Options{}, m.report, "", func(t *testing.T, o outcome) {
			if got := o.results[len(m.calls)-len(want) : len(m.calls)]; !slices.Equal(got, want) {
				t.Errorf("the calls returned %d, want %d", got, want)
			}
		})(t, a)
	}
}

func oddNames(t *testing.T, a *arena) {
	names := []string{
		strings.Repeat("n", 255), "new\nline", "\xff\xfe", "-rf", "~", "...", "a b", "*", "$HOME", "\x1b[2J", "\u202egnp", "C:", "con", "a\\b", "\x7f", " ", "é", "e\u0301",
	}
	m := newModule()
	for _, name := range names {
		at, n := m.put(name)
		m.wasiCall("path_create_directory", 3, int64(at), int64(n))
		m.wasiCall("path_open", 4, 0, int64(at), int64(n), 1, 1<<6, 0, 0, outAt)
	}
	at, n := m.put(strings.Repeat("n", 256))
	m.wasiCall("path_create_directory", 3, int64(at), int64(n))
	runs(host.Options{}, m.report, "", func(t *testing.T, o outcome) {
		for i, name := range names {
			if mkdir, open := o.results[2*i], o.results[2*i+1]; mkdir != 0 || open != 0 {
				t.Logf("%q: errnos %d and %d", name, mkdir, open) // a file system may refuse it
			}
		}
		if r := o.results[2*len(names)]; r == 0 {
			t.Error("a name of 256 bytes was taken")
		}
	})(t, a)
}

// swapped runs an everlasting swap beside the plugin's own everlasting work in the directory. A file lies outside, which must stay the only one
// there, and stay as it is.
func swapped(t *testing.T, a *arena) {
	out := t.TempDir()
	file := filepath.Join(out, "f")
	if err := os.WriteFile(file, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	before := look(t, file)
	m := newModule()
	hold := m.request(engine("sh", "while :; do rm -rf d; mkdir d; echo x >d/f; rm -rf d; ln -s "+out+" d; done"))
	m.body = append(append(m.body, m.Host(abi.FuncExecStart, hold.ptr, hold.length)...), wt.Drop...)
	path, n := m.put("d/f")
	other, k := m.put("d/g")
	vector, _ := m.put(string(append(wt32(outAt+64), wt32(1000)...)))
	const opened = outAt + 8
	use := func(name string, args ...int64) []byte {
		from := len(m.body)
		m.wasiCall(name, args...)
		call := slices.Clone(m.body[from:])
		m.body, m.calls = m.body[:from], m.calls[:len(m.calls)-1]
		return call
	}
	drop := func(name string, args ...int32) []byte {
		body := append(wt.I32Const(opened), wt.I32Load(0)...)
		for _, arg := range args {
			body = append(body, wt.I32Const(arg)...)
		}
		return append(append(body, wt.Call(m.wasiIndex(name))...), wt.Drop...)
	}
	round := bytes.Join([][]byte{
		use("path_open", 3, 1, int64(path), int64(n), 0, 1<<1|1<<6, 0, 0, opened), drop("fd_read", vector, 1, outAt+16), drop("fd_write", vector, 1, outAt+16), drop("fd_close"),
		use("path_open", 3, 1, int64(path), int64(n), 1|8, 1<<1|1<<6, 0, 0, opened), drop("fd_close"),
		use("path_open", 3, 1, int64(other), int64(k), 1, 1<<6, 0, 0, opened), drop("fd_close"),
		use("path_rename", 3, int64(path), int64(n), 3, int64(other), int64(k)),
		use("path_filestat_set_times", 3, 1, int64(path), int64(n), 1e9, 1e9, 5),
		use("path_unlink_file", 3, int64(path), int64(n)),
		m.Host(abi.FuncChmod, path, n, 0o777), wt.Drop,
	}, nil)
	m.body = append(m.body, forever(round)...)
	o := inBrief()
	o.RequestTimeout *= 5
	d, err := load(t, o, server.Options{}, m.report())
	if err != nil {
		t.Fatal(err)
	}
	got := d.init(t, initOf(nil))
	if !strings.Contains(got.text, "(setting request_timeout)") && !strings.Contains(got.text, "grace_period") {
		t.Errorf("the Complete says %q", got.text)
	}
	a.clean(t, d)
	list, err := os.ReadDir(out)
	if now := look(t, file); now != before || err != nil || len(list) != 1 {
		t.Errorf("outside there are %v, %v; the file was %s and is %s", list, err, before, now)
	}
}
