package jailfs_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero/experimental/sys"

	"github.com/provisor/provisor/host/internal/jailfs"
)

// TestSymlinkRace swaps directories, files and links that lead out of the mount for each other, as fast as it can, while a
// guest does everything there is to do with their paths. The directory outside stays as it was.
func TestSymlinkRace(t *testing.T) {
	m := newMounts(t, jailfs.QuotaLimits{Files: 1000})
	out := filepath.Join(m.outside, "out")
	must(t, os.Mkdir(out, 0o700), os.WriteFile(filepath.Join(out, "f"), []byte(canary), 0o600))
	before := lookAt(t, m.outside)

	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		d, f := filepath.Join(m.work, "d"), filepath.Join(m.work, "d", "f")
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.RemoveAll(d) // each may fail: the guest removes and makes the same
			_ = os.Mkdir(d, 0o700)
			_ = os.Symlink(filepath.Join(out, "f"), f)
			_ = os.Remove(f)
			_ = os.RemoveAll(d)
			_ = os.Symlink(out, d)
		}
	})
	wins := 0
	for end := time.Now().Add(time.Second); time.Now().Before(end) || wins == 0 && time.Now().Before(end.Add(time.Minute)); {
		wins += everyOperation(t, m.workFS, "d/f", "d")
	}
	close(stop)
	swapping.Wait()
	if diff := cmp.Diff(before, lookAt(t, m.outside)); diff != "" {
		t.Errorf("what lies outside was changed:\n%s", diff)
	}
	if wins == 0 {
		t.Error("not one operation had success: the race was not run")
	}
}

// everyOperation does everything with a file in a directory. It returns how many operations had success.
func everyOperation(t *testing.T, f *jailfs.FS, file, dir string) (done int) {
	count := func(errno sys.Errno) {
		if errno == 0 {
			done++
		}
	}
	for _, flag := range []sys.Oflag{sys.O_RDONLY, sys.O_RDWR | sys.O_CREAT | sys.O_TRUNC, sys.O_RDWR | sys.O_CREAT | sys.O_EXCL, sys.O_WRONLY | sys.O_NOFOLLOW} {
		opened, errno := f.OpenFile(file, flag, 0o600)
		if count(errno); errno != 0 {
			continue
		}
		buf := make([]byte, len(canary))
		if n, _ := opened.Read(buf); string(buf[:n]) == canary {
			t.Error("read the canary")
		}
		_, _ = opened.Write([]byte("overwritten"))
		_ = opened.Truncate(3)
		_ = opened.Utimens(0, 0)
		count(opened.Close())
	}
	if listing, errno := f.OpenFile(dir, sys.O_DIRECTORY, 0o600); errno == 0 {
		_, errno = listing.Readdir(-1)
		count(errno)
		listing.Close()
	}
	_ = f.SetMode(file, 0o777)
	_ = f.SetMode(dir, 0o777)
	count(f.Utimens(file, 1e9, 1e9))
	count(f.Utimens(dir, 1e9, 1e9))
	count(f.Symlink("f", dir+"/l"))
	count(f.Rename(file, dir+"/g"))
	count(f.Rename(dir+"/g", file))
	count(f.Mkdir(dir+"/sub", 0))
	count(f.Rmdir(dir + "/sub"))
	count(f.Unlink(file))
	count(f.Unlink(dir + "/l"))
	count(f.Rmdir(dir))
	return done
}

// FuzzOperations runs sequences of operations with hostile names, and looks at what lies outside. Each operation takes a
// byte for what to do and two names from the list or from the input.
func FuzzOperations(f *testing.F) {
	f.Add([]byte("\x00\x03\x04"), "../canary")
	f.Add([]byte("\x05\x01\x00\x00\x01\x02\x06\x01\x01"), "a/../../x")
	f.Add([]byte("\x03\x00\x07\x04\x00\x01\x08\x01\x00\x09\x00\x00\x0a\x02\x02"), "\x00")
	f.Fuzz(func(t *testing.T, program []byte, own string) {
		m := newMounts(t, jailfs.QuotaLimits{Bytes: 1 << 16, Files: 64, OpenFiles: 8})
		must(t, os.WriteFile(filepath.Join(m.outside, "canary"), []byte(canary), 0o600), os.Symlink("..", filepath.Join(m.work, "up")))
		must(t, os.Symlink(filepath.Join(m.outside, "canary"), filepath.Join(m.work, "abs")), os.Mkdir(filepath.Join(m.work, "d"), 0o700))
		before := lookAt(t, m.outside)
		names := []string{own, "a", "d", "d/a", "up", "up/canary", "abs", "..", "../canary", "/", ".", "", "a/", "l", "l/canary", "d/../../canary"}
		name := func(b byte) string { return names[int(b)%len(names)] }
		for ; len(program) >= 3 && len(program) < 3*64; program = program[3:] {
			operate(m.workFS, program[0], name(program[1]), name(program[2]))
		}
		if diff := cmp.Diff(before, lookAt(t, m.outside)); diff != "" {
			t.Errorf("changed what lies outside:\n%s", diff)
		}
		if used := m.quota.Usage(); used.Bytes < 0 || used.Bytes > 1<<16 || used.Files < 0 || used.Files > 64 || used.OpenFiles < 0 || used.OpenFiles > 8 {
			t.Errorf("in use: %+v", used)
		}
		must(t, m.workFS.Close())
		if open := m.quota.Usage().OpenFiles; open != 0 {
			t.Errorf("%d files open after all", open)
		}
	})
}

func operate(f *jailfs.FS, what byte, a, b string) {
	switch what % 12 {
	case 0, 1, 2:
		opened, errno := f.OpenFile(a, []sys.Oflag{sys.O_RDWR | sys.O_CREAT, sys.O_RDWR | sys.O_CREAT | sys.O_TRUNC, sys.O_RDONLY}[what%12], 0o600)
		if errno == 0 && what%2 == 0 {
			_, _ = opened.Write([]byte("written"))
			_ = opened.Truncate(int64(len(b)) << 10)
			opened.Close()
		} // and sometimes it stays open
	case 3:
		f.Mkdir(a, 0)
	case 4:
		f.Symlink(a, b)
	case 5:
		f.Rename(a, b)
	case 6:
		f.Unlink(a)
	case 7:
		f.Rmdir(a)
	case 8:
		_ = f.SetMode(a, 0o700)
	case 9:
		f.Utimens(a, 1e9, 1e9)
	case 10:
		f.Link(a, b)
	case 11:
		f.Readlink(a)
		f.Stat(a)
	}
}
