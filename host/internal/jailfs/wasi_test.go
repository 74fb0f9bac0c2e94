package jailfs_test

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/provisor/provisor/host/internal/jailfs"
)

// canary is what lies outside of the mounts and must neither be read nor changed.
const canary = "the canary sings"

// wasiTable names every function of WASI that takes a path or a descriptor, and calls it with one. TestEveryWASIFunction
// checks that none is missing and tries all of hostilePaths and hostileDescriptors on each.
//
// A path function does its worst with path, relative to the descriptor; a descriptor function does what it does with fd.
var wasiTable = map[string]struct {
	path       func(r *raw, fd uint64, path string) (errno uint64)
	descriptor func(r *raw, fd uint64) (errno uint64)
}{
	"path_open": {path: func(r *raw, fd uint64, path string) uint64 {
		_, errno := r.open(fd, path, oCreat|oTrunc)
		if opened, errno := r.open(fd, path, 0); errno == ok {
			r.read(opened, 100)
		}
		if opened, errno := r.open(fd, path, oDirectory); errno == ok {
			r.call("fd_readdir", opened, r.bytes(make([]byte, 4096)), 4096, 0, r.bytes(make([]byte, 4)))
		}
		return errno
	}},
	"path_create_directory": {path: func(r *raw, fd uint64, path string) uint64 { return r.onPath("path_create_directory", fd, path) }},
	"path_filestat_get": {path: func(r *raw, fd uint64, path string) uint64 {
		ptr, n := r.path(path)
		return r.call("path_filestat_get", fd, followLinks, ptr, n, r.bytes(make([]byte, 64)))
	}},
	"path_filestat_set_times": {path: func(r *raw, fd uint64, path string) uint64 {
		ptr, n := r.path(path)
		r.call("path_filestat_set_times", fd, 0, ptr, n, 1e9, 2e9, 5)
		return r.call("path_filestat_set_times", fd, followLinks, ptr, n, 1e9, 2e9, 5)
	}},
	"path_link": {path: func(r *raw, fd uint64, path string) uint64 {
		ptr, n := r.path(path)
		to, toLen := r.path("hard")
		r.call("path_link", fdTmp, 0, to, toLen, fd, ptr, n)
		return r.call("path_link", fd, followLinks, ptr, n, fdWork, to, toLen)
	}},
	"path_readlink": {path: func(r *raw, fd uint64, path string) uint64 {
		ptr, n := r.path(path)
		return r.call("path_readlink", fd, ptr, n, r.bytes(make([]byte, 4096)), 4096, r.bytes(make([]byte, 4)))
	}},
	"path_remove_directory": {path: func(r *raw, fd uint64, path string) uint64 { return r.onPath("path_remove_directory", fd, path) }},
	"path_unlink_file":      {path: func(r *raw, fd uint64, path string) uint64 { return r.onPath("path_unlink_file", fd, path) }},
	"path_rename": {path: func(r *raw, fd uint64, path string) uint64 {
		ptr, n := r.path(path)
		moved, movedLen := r.path("moved")
		errno := r.call("path_rename", fd, ptr, n, fdWork, moved, movedLen)
		r.open(fdWork, "mine", oCreat)
		mine, mineLen := r.path("mine")
		r.call("path_rename", fdWork, mine, mineLen, fd, ptr, n)
		return errno
	}},
	"path_symlink": {path: func(r *raw, fd uint64, path string) uint64 {
		ptr, n := r.path(path)
		inside, insideLen := r.path("inside")
		r.call("path_symlink", inside, insideLen, fd, ptr, n) // the link's name
		made, madeLen := r.path("made")
		errno := r.call("path_symlink", ptr, n, fdWork, made, madeLen) // its target
		if opened, errno := r.open(fdWork, "made", 0); errno == ok {
			r.read(opened, 100)
		}
		r.open(fdWork, "made", oCreat|oTrunc)
		return errno
	}},

	"fd_advise":   {descriptor: func(r *raw, fd uint64) uint64 { return r.call("fd_advise", fd, 0, 10, 0) }},
	"fd_allocate": {descriptor: func(r *raw, fd uint64) uint64 { return r.call("fd_allocate", fd, 0, 1<<62) }},
	"fd_close":    {descriptor: func(r *raw, fd uint64) uint64 { return r.call("fd_close", fd) }},
	"fd_datasync": {descriptor: func(r *raw, fd uint64) uint64 { return r.call("fd_datasync", fd) }},
	"fd_fdstat_get": {descriptor: func(r *raw, fd uint64) uint64 {
		return r.call("fd_fdstat_get", fd, r.bytes(make([]byte, 24)))
	}},
	"fd_fdstat_set_flags":  {descriptor: func(r *raw, fd uint64) uint64 { return r.call("fd_fdstat_set_flags", fd, 0x5) }},
	"fd_fdstat_set_rights": {descriptor: func(r *raw, fd uint64) uint64 { return r.call("fd_fdstat_set_rights", fd, 1<<63, 1<<63) }},
	"fd_filestat_get": {descriptor: func(r *raw, fd uint64) uint64 {
		return r.call("fd_filestat_get", fd, r.bytes(make([]byte, 64)))
	}},
	"fd_filestat_set_size":  {descriptor: func(r *raw, fd uint64) uint64 { return r.call("fd_filestat_set_size", fd, 1<<62) }},
	"fd_filestat_set_times": {descriptor: func(r *raw, fd uint64) uint64 { return r.call("fd_filestat_set_times", fd, 1e9, 2e9, 5) }},
	"fd_pread": {descriptor: func(r *raw, fd uint64) uint64 {
		return r.call("fd_pread", fd, r.iovec(r.bytes(make([]byte, 64)), 64), 1, 1<<63, r.bytes(make([]byte, 4)))
	}},
	"fd_prestat_get": {descriptor: func(r *raw, fd uint64) uint64 {
		return r.call("fd_prestat_get", fd, r.bytes(make([]byte, 8)))
	}},
	"fd_prestat_dir_name": {descriptor: func(r *raw, fd uint64) uint64 {
		return r.call("fd_prestat_dir_name", fd, r.bytes(make([]byte, 64)), 5)
	}},
	"fd_pwrite": {descriptor: func(r *raw, fd uint64) uint64 {
		return r.call("fd_pwrite", fd, r.iovec(r.bytes(make([]byte, 64)), 64), 1, 1<<62, r.bytes(make([]byte, 4)))
	}},
	"fd_read": {descriptor: func(r *raw, fd uint64) uint64 {
		_, errno := r.read(fd, 64)
		return errno
	}},
	"fd_readdir": {descriptor: func(r *raw, fd uint64) uint64 {
		return r.call("fd_readdir", fd, r.bytes(make([]byte, 4096)), 1<<32-1, 0, r.bytes(make([]byte, 4)))
	}},
	"fd_renumber": {descriptor: func(r *raw, fd uint64) uint64 {
		r.call("fd_renumber", fd, 1<<31-1) // wazero alone would allocate 16 GiB
		r.call("fd_renumber", fd, fdWork)
		return r.call("fd_renumber", fd, 40)
	}},
	"fd_seek": {descriptor: func(r *raw, fd uint64) uint64 {
		return r.call("fd_seek", fd, 1<<63, 2, r.bytes(make([]byte, 8)))
	}},
	"fd_sync": {descriptor: func(r *raw, fd uint64) uint64 { return r.call("fd_sync", fd) }},
	"fd_tell": {descriptor: func(r *raw, fd uint64) uint64 { return r.call("fd_tell", fd, r.bytes(make([]byte, 8))) }},
	"fd_write": {descriptor: func(r *raw, fd uint64) uint64 {
		return r.call("fd_write", fd, r.iovec(r.bytes(make([]byte, 64)), 64), 1, r.bytes(make([]byte, 4)))
	}},
	"poll_oneoff": {descriptor: func(r *raw, fd uint64) uint64 {
		subscription := make([]byte, 48)
		subscription[8] = 1 // fd_read
		subscription[16], subscription[17], subscription[18], subscription[19] = byte(fd), byte(fd>>8), byte(fd>>16), byte(fd>>24)
		return r.call("poll_oneoff", r.bytes(subscription), r.bytes(make([]byte, 32)), 1, r.bytes(make([]byte, 4)))
	}},
	"sock_accept": {descriptor: func(r *raw, fd uint64) uint64 { return r.call("sock_accept", fd, 0, r.bytes(make([]byte, 4))) }},
	"sock_recv": {descriptor: func(r *raw, fd uint64) uint64 {
		return r.call("sock_recv", fd, r.iovec(r.bytes(make([]byte, 64)), 64), 1, 0, r.bytes(make([]byte, 4)), r.bytes(make([]byte, 4)))
	}},
	"sock_send": {descriptor: func(r *raw, fd uint64) uint64 {
		return r.call("sock_send", fd, r.iovec(r.bytes(make([]byte, 64)), 64), 1, 0, r.bytes(make([]byte, 4)))
	}},
	"sock_shutdown": {descriptor: func(r *raw, fd uint64) uint64 { return r.call("sock_shutdown", fd, 3) }},
}

// noFiles are the functions of WASI that take neither a path nor a descriptor.
var noFiles = []string{
	"args_get", "args_sizes_get", "clock_res_get", "clock_time_get", "environ_get", "environ_sizes_get",
	"proc_raise", "random_get", "sched_yield",
}

// hostilePaths are the tricks. The links lead out of the mount and were made by another program, as an engine could.
var hostilePaths = []string{
	"..", "../", "../canary", "../../../../../../../../etc/passwd", "/etc/passwd", "//etc/passwd", "/", "a/../../canary", "./../canary",
	"absolute", "absolute/", "relative", "outdir", "outdir/", "outdir/canary", "outdir/new", "outdir/../canary", "twice", "twice/canary",
	"proc", "proc/etc/passwd", "cwd", "fd", "loop", "loop/x", "dangling", "work", "sub/up", "sub/up/canary", "hard-link",
	"fifo", "socket", "device", "fifo/x", "socket/",
	strings.Repeat("n", 256), strings.Repeat("d/", 3000) + "x", strings.Repeat("x", 1<<16), "nul\x00../canary", "new\nline", "\xff\xfe", "…/\u202e",
	`..\canary`, `C:\Windows`, "C:", "NUL", "con", ".", "", " ", "~", "-rf", "*", "sub/.", "sub//..", "sub/../sub",
}

// setTraps puts the links and special files into a mount, and the canary outside. It returns a look at what lies outside.
func setTraps(t *testing.T, m *mounts) (look func() map[string]string) {
	t.Helper()
	out := filepath.Join(m.outside, "outdir")
	must(t, os.Mkdir(out, 0o700))
	for _, file := range []string{filepath.Join(m.outside, "canary"), filepath.Join(out, "canary"), filepath.Join(m.outside, "linked")} {
		must(t, os.WriteFile(file, []byte(canary), 0o640))
	}
	must(t, os.Mkdir(filepath.Join(m.work, "sub"), 0o700), os.Mkdir(filepath.Join(m.tmp, "sub"), 0o700))
	for link, target := range map[string]string{
		"absolute": filepath.Join(m.outside, "canary"), "relative": "../canary", "outdir": "../outdir", "twice": "outdir", "proc": "/proc/self/root",
		"cwd": "/proc/self/cwd", "fd": "/proc/self/fd", "loop": "loop", "dangling": "../new", "work": "../work", "sub/up": "../..",
	} {
		must(t, os.Symlink(target, filepath.Join(m.work, link)))
	}
	must(t, os.Link(filepath.Join(m.outside, "linked"), filepath.Join(m.work, "hard-link")))
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(m.work, "socket")})
	must(t, err)
	socket.SetUnlinkOnClose(false)
	t.Cleanup(func() { socket.Close() })
	makeSpecial(t, m.work)
	return func() map[string]string { return lookAt(t, m.outside) }
}

// lookAt is what there is outside of the mounts: names, modes, times, content.
func lookAt(t *testing.T, dir string) map[string]string {
	t.Helper()
	seen := map[string]string{}
	must(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if rel, _ := filepath.Rel(dir, path); rel == "work" || rel == "tmp" {
			return filepath.SkipDir
		}
		if err != nil || path == dir {
			return err
		}
		content := []byte{}
		if info.Mode().IsRegular() {
			content, err = os.ReadFile(path)
		}
		seen[path] = fmt.Sprint(info.Mode(), info.ModTime().UnixNano(), string(content))
		return err
	}))
	return seen
}

func TestEveryWASIFunction(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the traps are those of Unix")
	}
	listed := map[string]bool{}
	for _, name := range noFiles {
		listed[name] = true
	}
	compiled, err := trampoline()
	must(t, err)
	for _, f := range compiled.functions {
		name := f.ExportNames()[0]
		entry, ok := wasiTable[name]
		switch {
		case ok && entry.path != nil:
			t.Run(name, func(t *testing.T) { t.Parallel(); tryPaths(t, name) })
		case ok:
			t.Run(name, func(t *testing.T) { t.Parallel(); tryDescriptors(t, name) })
		case !listed[name]:
			t.Errorf("WASI's %s is in no table", name)
		}
		for _, param := range f.ParamNames() {
			if listed[name] && (strings.Contains(param, "fd") || strings.Contains(param, "path")) {
				t.Errorf("WASI's %s takes %s, and is listed as a function without files", name, param)
			}
		}
	}
}

// tryPaths calls a function with every hostile path, from the mount and from a directory in it.
func tryPaths(t *testing.T, name string) {
	var m *mounts
	var look func() map[string]string
	var traps map[string]string
	for _, path := range hostilePaths {
		if m == nil || !maps.Equal(traps, lookAt(t, m.work)) { // the last path had success with something
			m = newMounts(t, jailfs.QuotaLimits{Bytes: 1 << 20, Files: 100, OpenFiles: 50})
			look = setTraps(t, m)
			traps = lookAt(t, m.work)
		}
		tryPath(t, name, path, m, look)
	}
}

func tryPath(t *testing.T, name, path string, m *mounts, look func() map[string]string) {
	before := look()
	r := newRaw(t, m)
	defer r.mod.Close(r.ctx)
	sub, subErrno := r.open(fdWork, "sub", oDirectory)
	here, hereErrno := r.open(fdWork, ".", oDirectory)
	if subErrno != ok || hereErrno != ok {
		t.Fatalf("open directories of the mount: errnos %d, %d", subErrno, hereErrno)
	}
	began := time.Now()
	for _, fd := range []uint64{here, sub, fdWork} {
		wasiTable[name].path(r, fd, path)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("%q took %v", path, took)
	}
	if diff := cmp.Diff(before, look()); diff != "" {
		t.Errorf("%q changed what lies outside:\n%s", path, diff)
	}
	if memory, _ := r.mod.Memory().Read(0, r.mod.Memory().Size()); bytes.Contains(memory, []byte(canary)) {
		t.Errorf("%q read the canary", path)
	}
}

// tryDescriptors calls a function with every kind of descriptor.
func tryDescriptors(t *testing.T, name string) {
	m := newMounts(t, jailfs.QuotaLimits{Bytes: 1 << 20, Files: 100, OpenFiles: 50})
	look := setTraps(t, m)
	before := look()
	fill := func() (*raw, map[string]uint64) {
		r := newRaw(t, m)
		file, _ := r.open(fdWork, "file", oCreat)
		readOnly, _ := r.open(fdWork, "file", 0)
		directory, _ := r.open(fdWork, "sub", oDirectory)
		closed, errno := r.open(fdWork, "file", 0)
		if errno != ok || r.call("fd_close", closed) != ok {
			t.Fatalf("open: errno %d", errno)
		}
		return r, map[string]uint64{
			"stdin": 0, "stdout": 1, "stderr": 2, "mount": fdWork, "file": file, "read-only file": readOnly, "directory": directory, "closed": closed,
			"never opened": 30, "far": 1 << 20, "highest": 1<<31 - 1, "negative": 1<<32 - 1, "lowest": 1 << 31, "wide": 1<<40 + fdWork,
		}
	}
	_, kinds := fill()
	for kind := range kinds {
		r, fds := fill()
		wasiTable[name].descriptor(r, fds[kind])
		wasiTable[name].descriptor(r, fds[kind]) // once more: closed twice, renumbered twice
	}
	if diff := cmp.Diff(before, look()); diff != "" {
		t.Errorf("changed what lies outside:\n%s", diff)
	}
	if bytes := m.quota.Usage().Bytes; bytes > 1<<20 {
		t.Errorf("%d bytes in use", bytes)
	}
}
