package jailfs_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/experimental/sys"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/jailfs"
)

// TestRefusals says which errno each trick gets, and the text behind it.
func TestRefusals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the traps are those of Unix")
	}
	m := newMounts(t, jailfs.QuotaLimits{})
	setTraps(t, m)
	r := newRaw(t, m)
	tests := []struct {
		path  string
		flags uint64
		errno uint64
		text  string // of LastError, empty if the errno says it all
	}{
		{path: "../canary", errno: ePerm},
		{path: "/etc/passwd", errno: ePerm},
		{path: "absolute", errno: ePerm, text: `open "absolute": path escapes from parent`},
		{path: "relative", errno: ePerm, text: `open "relative": path escapes from parent`},
		{path: "outdir/canary", errno: ePerm, text: `open "outdir/canary": path escapes from parent`},
		{path: "twice/new", flags: oCreat, errno: ePerm, text: `open "twice/new": path escapes from parent`},
		{path: "dangling", flags: oCreat, errno: ePerm, text: `open "dangling": path escapes from parent`},
		{path: "proc/etc/passwd", errno: ePerm, text: `open "proc/etc/passwd": path escapes from parent`},
		{path: "sub/up/canary", errno: ePerm, text: `open "sub/up/canary": path escapes from parent`},
		{path: "hard-link", errno: ePerm, text: `open "hard-link": the file has more than one name (a hard link): refused`},
		{path: "hard-link", flags: oTrunc, errno: ePerm, text: `open "hard-link": the file has more than one name (a hard link): refused`},
		{path: "fifo", errno: ePerm, text: `open "fifo": not a regular file or a directory: refused`},
		{path: "fifo", flags: oTrunc, errno: ePerm, text: `open "fifo": not a regular file or a directory: refused`},
		{path: "socket", errno: ePerm, text: `open "socket": no such device or address`},
		{path: "loop", errno: eLoop},
		{path: strings.Repeat("n", 256), errno: eNametoo},
		{path: strings.Repeat("d/", 3000), errno: eNametoo},
		{path: "nul\x00", errno: eInval},
		{path: "sub", flags: oTrunc, errno: eIsdir},
		{path: "none", errno: eNoent},
		{path: "none/none", flags: oCreat, errno: eNoent},
		{path: "sub", flags: oCreat | oExcl, errno: eExist},
		{path: "new", flags: oCreat, errno: ok},
		{path: "new", flags: oDirectory, errno: eNotdir},
		{path: "new/", errno: eNotdir},
	}
	for _, tt := range tests {
		fd, errno := r.open(fdWork, tt.path, tt.flags)
		if errno != tt.errno {
			t.Errorf("open %.40q with flags %d: errno %d, want %d", tt.path, tt.flags, errno, tt.errno)
		}
		if errno == ok {
			r.call("fd_close", fd)
		}
		if err := m.quota.LastError(); tt.text != "" && (err == nil || err.Error() != tt.text) {
			t.Errorf("open %.40q: %v, want %s", tt.path, err, tt.text)
		}
	}
	if errno := r.call("fd_renumber", fdTmp, 1<<31-1); errno != eBadf {
		t.Errorf("renumber to the highest descriptor: errno %d", errno)
	}
	for name, params := range map[string][]uint64{"fd_read": {fdTmp, 0, 1025, 0}, "fd_write": {fdTmp, 0, 1 << 28, 0}, "poll_oneoff": {0, 0, 1 << 28, 0}} {
		if errno := r.call(name, params...); errno != eInval {
			t.Errorf("%s with too many vectors or subscriptions: errno %d", name, errno)
		}
	}
	link, n := r.path("new")
	if errno := r.call("path_rename", fdWork, link, n, fdTmp, link, n); errno != eXdev {
		t.Errorf("rename across the mounts: errno %d, want %d", errno, eXdev)
	}
}

// TestOverlongVectors: the same memory many times over in one call.
func TestOverlongVectors(t *testing.T) {
	m := newMounts(t, jailfs.QuotaLimits{})
	r := newRaw(t, m)
	fd, _ := r.open(fdWork, "a", oCreat)
	half := r.mod.Memory().Size() / 2
	var vectors []byte
	for range 3 {
		vectors = append(vectors, 0, 0, 0, 0, byte(half), byte(half>>8), byte(half>>16), byte(half>>24))
	}
	at := r.bytes(vectors)
	if errno := r.call("fd_write", fd, at, 3, 8); errno != eInval {
		t.Errorf("one and a half memories: errno %d, want %d", errno, eInval)
	}
	if errno := r.call("fd_write", fd, at, 2, 8); errno != ok {
		t.Errorf("one memory: errno %d", errno)
	}
}

// TestClosedMount: wazero panics on other errors than ENOENT of a mount that it opens late.
func TestClosedMount(t *testing.T) {
	m := newMounts(t, jailfs.QuotaLimits{})
	must(t, m.workFS.Close(), m.workFS.Close())
	r := newRaw(t, m)
	if _, errno := r.open(fdWork, "a", oCreat); errno != eBadf {
		t.Errorf("errno %d, want %d", errno, eBadf)
	}
	must(t, os.RemoveAll(m.tmp))
	if _, errno := r.open(fdTmp, "a", oCreat); errno != eNoent {
		t.Errorf("errno %d, want %d", errno, eNoent)
	}
}

func TestOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for _, name := range []string{file, file + "/none"} {
		if f, err := jailfs.Open(name, jailfs.NewQuota(jailfs.QuotaLimits{})); err == nil {
			t.Errorf("opened %s: %v", name, f)
		}
	}
}

func TestMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	m := newMounts(t, jailfs.QuotaLimits{})
	setTraps(t, m)
	must(t, os.WriteFile(filepath.Join(m.work, "script.sh"), nil, 0o600), os.Symlink("script.sh", filepath.Join(m.work, "link")))
	look := lookAt(t, m.outside)
	tests := []struct {
		name       string
		mode, want fs.FileMode
		errno      abi.Errno
	}{
		{name: "script.sh", mode: 0o755, want: 0o755},
		{name: "/script.sh", mode: 0o400, want: 0o400},
		{name: "link", mode: 0o640, want: 0o640},
		{name: "script.sh", mode: fs.ModeSetuid | 0o711, want: 0o711},
		{name: "sub", mode: 0, want: 0o700},
		{name: "sub", mode: 0o755, want: 0o755},
		{name: "none", errno: abi.NotFound},
		{name: "script.sh/x", errno: abi.NotFound},
		{name: "absolute", mode: 0o777, errno: abi.Denied},
		{name: "outdir/canary", mode: 0o777, errno: abi.Denied},
		{name: "hard-link", mode: 0o777, errno: abi.Denied},
		{name: "fifo", mode: 0o777, errno: abi.Denied},
		{name: "../canary", mode: 0o777, errno: abi.Denied},
		{name: "nul\x00", errno: abi.Invalid},
		{name: strings.Repeat("x", 5000), errno: abi.Invalid},
	}
	for _, tt := range tests {
		err := m.workFS.SetMode(tt.name, tt.mode)
		if got := abi.ErrnoOf(err); got != tt.errno {
			t.Errorf("SetMode(%.40q, %v): %v, want errno %v", tt.name, tt.mode, err, tt.errno)
		}
		got, err := m.workFS.Mode(tt.name)
		if abi.ErrnoOf(err) != tt.errno || err == nil && got != tt.want {
			t.Errorf("Mode(%.40q) = %v, %v, want %v, errno %v", tt.name, got, err, tt.want, tt.errno)
		}
	}
	if now := lookAt(t, m.outside); len(now) != len(look) || now[filepath.Join(m.outside, "canary")] != look[filepath.Join(m.outside, "canary")] {
		t.Error("a mode outside was changed")
	}
	if err := m.workFS.SetMode("none", 0); !errors.Is(err, fs.ErrNotExist) || err.Error() != `chmod "none": no such file or directory` {
		t.Errorf("SetMode of nothing: %v", err)
	}
	if errno := m.workFS.Chmod("none", 0); errno != sys.ENOENT {
		t.Errorf("Chmod of nothing: %v", errno)
	}
}
