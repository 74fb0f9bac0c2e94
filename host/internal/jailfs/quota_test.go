package jailfs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/jailfs"
)

func TestBytesLimit(t *testing.T) {
	m := newMounts(t, jailfs.QuotaLimits{Bytes: 1000})
	r := newRaw(t, m)
	fd, errno := r.open(fdWork, "a", oCreat)
	if errno != ok {
		t.Fatalf("open: errno %d", errno)
	}
	steps := []struct {
		what  string
		do    func() uint64
		errno uint64
		bytes int64
	}{
		{"write 600", func() uint64 { return r.write(fd, make([]byte, 600)) }, ok, 600},
		{"write 600 more", func() uint64 { return r.write(fd, make([]byte, 600)) }, eNospc, 600},
		{"seek back", func() uint64 { return r.call("fd_seek", fd, 0, 0, r.bytes(make([]byte, 8))) }, ok, 600},
		{"write 600 over it", func() uint64 { return r.write(fd, make([]byte, 600)) }, ok, 600},
		{"write far out", func() uint64 {
			return r.call("fd_pwrite", fd, r.iovec(r.bytes([]byte("x")), 1), 1, 1<<40, r.bytes(make([]byte, 4)))
		}, eNospc, 600},
		{"write past the end of all numbers", func() uint64 {
			return r.call("fd_pwrite", fd, r.iovec(r.bytes([]byte("x")), 1), 1, 1<<63-1, r.bytes(make([]byte, 4)))
		}, eInval, 600},
		{"allocate", func() uint64 { return r.call("fd_allocate", fd, 500, 501) }, eNospc, 600},
		{"allocate what fits", func() uint64 { return r.call("fd_allocate", fd, 500, 500) }, ok, 1000},
		{"extend", func() uint64 { return r.call("fd_filestat_set_size", fd, 1001) }, eNospc, 1000},
		{"shorten", func() uint64 { return r.call("fd_filestat_set_size", fd, 100) }, ok, 100},
		{"remove while open", func() uint64 { return r.onPath("path_unlink_file", fdWork, "a") }, ok, 100},
		{"write 900 without a name", func() uint64 { return r.call("fd_allocate", fd, 0, 1000) }, ok, 1000},
		{"one too many", func() uint64 { return r.call("fd_allocate", fd, 0, 1001) }, eNospc, 1000},
		{"close", func() uint64 { return r.call("fd_close", fd) }, ok, 0},
	}
	for _, s := range steps {
		if errno := s.do(); errno != s.errno {
			t.Errorf("%s: errno %d, want %d", s.what, errno, s.errno)
		}
		if used := m.quota.Usage().Bytes; used != s.bytes {
			t.Errorf("%s: %d bytes in use, want %d", s.what, used, s.bytes)
		}
	}
	wantRefusal(t, m.quota, `extend "a": the limit of 1000 bytes on disk is reached (setting disk_bytes)`)
}

func TestBytesOfReplacedFiles(t *testing.T) {
	m := newMounts(t, jailfs.QuotaLimits{Bytes: 1000})
	r := newRaw(t, m)
	put := func(name string, n int) uint64 {
		fd, errno := r.open(fdWork, name, oCreat|oTrunc)
		if errno == ok {
			errno = r.write(fd, make([]byte, n))
			r.call("fd_close", fd)
		}
		return errno
	}
	for range 5 { // truncated each time
		if errno := put("a", 700); errno != ok {
			t.Fatalf("errno %d", errno)
		}
	}
	if errno := put("b", 300); errno != ok {
		t.Fatalf("errno %d", errno)
	}
	from, fromLen := r.path("b")
	to, toLen := r.path("a")
	if errno := r.call("path_rename", fdWork, from, fromLen, fdWork, to, toLen); errno != ok {
		t.Fatalf("errno %d", errno)
	}
	if got, want := m.quota.Usage(), (jailfs.Usage{Bytes: 300, Files: 1}); got != want {
		t.Errorf("in use: %+v, want %+v", got, want)
	}
}

func TestFilesLimit(t *testing.T) {
	m := newMounts(t, jailfs.QuotaLimits{Files: 3})
	r := newRaw(t, m)
	link, linkLen := r.path("a")
	symlink := func(name string) uint64 {
		ptr, n := r.path(name)
		return r.call("path_symlink", link, linkLen, fdTmp, ptr, n)
	}
	create := func(name string) uint64 {
		fd, errno := r.open(fdWork, name, oCreat)
		if errno == ok {
			r.call("fd_close", fd)
		}
		return errno
	}
	steps := []struct {
		what  string
		errno uint64
		want  uint64
	}{
		{"a file", create("a"), ok},
		{"the same file", create("a"), ok},
		{"a directory", r.onPath("path_create_directory", fdWork, "d"), ok},
		{"the same directory", r.onPath("path_create_directory", fdWork, "d"), eExist},
		{"a link", symlink("l"), ok},
		{"a fourth", create("b"), eNospc},
		{"a fifth", r.onPath("path_create_directory", fdTmp, "d"), eNospc},
		{"a sixth", symlink("m"), eNospc},
		{"one less", r.onPath("path_remove_directory", fdWork, "d"), ok},
		{"one more", create("d"), ok},
		{"and no more", create("e"), eNospc},
	}
	for _, s := range steps {
		if s.errno != s.want {
			t.Errorf("%s: errno %d, want %d", s.what, s.errno, s.want)
		}
	}
	wantRefusal(t, m.quota, `create "e": the limit of 3 files is reached (setting files)`)
}

func TestOpenFilesLimit(t *testing.T) {
	m := newMounts(t, jailfs.QuotaLimits{OpenFiles: 4})
	r := newRaw(t, m)
	var fds []uint64
	for range 4 {
		fd, errno := r.open(fdWork, "a", oCreat)
		if errno != ok {
			t.Fatalf("errno %d", errno)
		}
		fds = append(fds, fd)
	}
	if _, errno := r.open(fdTmp, ".", oDirectory); errno != eMfile {
		t.Errorf("the fifth: errno %d, want %d", errno, eMfile)
	}
	wantRefusal(t, m.quota, `open ".": the limit of 4 open files is reached (setting open_files)`)
	if errno := r.call("fd_renumber", fds[0], fds[1]); errno != ok { // closes the other
		t.Errorf("renumber: errno %d", errno)
	}
	if _, errno := r.open(fdTmp, ".", oDirectory); errno != ok {
		t.Errorf("after one was closed: errno %d", errno)
	}
	must(t, m.workFS.Close(), m.tmpFS.Close())
	if got := m.quota.Usage().OpenFiles; got != 0 {
		t.Errorf("%d files open after the mounts were closed", got)
	}
}

// TestRefusedOpenCosts nothing.
func TestRefusedOpen(t *testing.T) {
	m := newMounts(t, jailfs.QuotaLimits{OpenFiles: 1, Files: 1})
	r := newRaw(t, m)
	for range 3 {
		r.open(fdWork, "none", 0)
		r.open(fdWork, ".", oTrunc)
		r.open(fdWork, "none/none", oCreat)
	}
	if got := m.quota.Usage(); got != (jailfs.Usage{}) {
		t.Errorf("in use: %+v", got)
	}
}

// TestOtherPrograms put and remove files beside the guest.
func TestOtherPrograms(t *testing.T) {
	m := newMounts(t, jailfs.QuotaLimits{Bytes: 1000, Files: 2})
	theirs := filepath.Join(m.work, "theirs")
	must(t, os.WriteFile(theirs, make([]byte, 5000), 0o600))
	r := newRaw(t, m)
	fd, errno := r.open(fdWork, "mine", oCreat)
	if errno != ok {
		t.Fatalf("errno %d", errno)
	}
	if errno := r.write(fd, make([]byte, 900)); errno != ok {
		t.Fatalf("errno %d", errno)
	}
	r.call("fd_close", fd)

	if errno := r.onPath("path_unlink_file", fdWork, "theirs"); errno != ok {
		t.Fatalf("errno %d", errno)
	}
	if got, want := m.quota.Usage(), (jailfs.Usage{Bytes: 900, Files: 1}); got != want {
		t.Errorf("after the guest removed another's file, in use: %+v, want %+v", got, want)
	}
	must(t, os.Remove(filepath.Join(m.work, "mine")))
	fd, _ = r.open(fdTmp, "more", oCreat)
	if errno := r.write(fd, make([]byte, 1000)); errno != ok {
		t.Errorf("after another program removed the guest's file: errno %d", errno)
	}
	if got, want := m.quota.Usage(), (jailfs.Usage{Bytes: 1000, Files: 1, OpenFiles: 1}); got != want {
		t.Errorf("after another program removed the guest's file, in use: %+v, want %+v", got, want)
	}
}

// TestListing bounds what the host keeps of directories that a guest reads again and again.
func TestListing(t *testing.T) {
	m := newMounts(t, jailfs.QuotaLimits{})
	for i := range 1000 {
		must(t, os.WriteFile(filepath.Join(m.work, strconv.Itoa(i)+strings.Repeat("n", 240)), nil, 0o600))
	}
	r := newRaw(t, m)
	last := uint64(ok)
	for range 300 {
		fd, errno := r.open(fdWork, ".", oDirectory)
		if errno != ok {
			t.Fatalf("errno %d", errno)
		}
		if last = r.call("fd_readdir", fd, 0, 1<<20, 0, r.bytes(make([]byte, 4))); last != ok {
			break
		}
	}
	if last != eMfile {
		t.Errorf("300 listings of 1000 entries were kept, errno %d", last)
	}
	must(t, m.workFS.Close())
}

func wantRefusal(t *testing.T, q *jailfs.Quota, text string) {
	t.Helper()
	err := q.LastError()
	var limit *jailfs.LimitError
	if err == nil || err.Error() != text || !errors.As(err, &limit) || abi.ErrnoOf(err) != abi.Limit {
		t.Errorf("refusal: %v, want %s", err, text)
	}
}
