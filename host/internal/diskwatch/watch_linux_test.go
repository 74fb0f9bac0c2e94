package diskwatch

import (
	"errors"
	"fmt"
	"math"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/abi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const block = 4096

// Counted is what takes room, once, in whatever way a template hides it, and nothing else.
func TestLook(t *testing.T) {
	outside := t.TempDir()
	write(t, filepath.Join(outside, "large"), 100*block)
	for _, tt := range []struct {
		name, script string
		bytes, files int64
	}{
		{"a file", "head -c 40960 /dev/zero >a", 10 * block, 1},
		{"a file with two names", "head -c 40960 /dev/zero >a; ln a b", 10 * block, 1},
		{"a file with holes", "truncate -s 1G a", 0, 1},
		{"links to the outside", "ln -s " + outside + " a; ln -s " + outside + "/large b", 0, 2},
		{"directories that nobody reads", "mkdir -p a/b; head -c 40960 /dev/zero >a/b/c; chmod 0 a/b; chmod 0300 a", 10*block + 2*block, 3},
		{"a FIFO", "mkfifo a", 0, 1},
		{"a file without a name", "exec 9>a; head -c 40960 /dev/zero >&9; rm a; WAIT", 10 * block, 1},
		{"a file without a name that is mapped", `exec python3 -c 'import mmap,os,time
f=open("a","w+b"); f.truncate(40960); m=mmap.mmap(f.fileno(),40960); m[:]=b"x"*40960; f.close(); os.remove("a"); os.write(1,b"\n"); time.sleep(1000)'`, 10 * block, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Contains(tt.script, "python3") {
				if _, err := osexec.LookPath("python3"); err != nil {
					t.Skip(err)
				}
			}
			dir := t.TempDir()
			cmd := osexec.Command("/bin/sh", "-c", strings.Replace(tt.script, "WAIT", "echo; exec sleep 1000", 1))
			cmd.Dir = dir
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			_, _ = out.Read(make([]byte, 1))
			defer cmd.Wait()
			defer cmd.Process.Kill()
			l := newLook(Limits{})
			if err := l.tree(dir); err != nil {
				t.Fatal(err)
			}
			l.unnamed(cmd.Process.Pid)
			// The directory itself is not counted. Others may take no block, or one.
			if l.Files != tt.files || l.Bytes > tt.bytes || l.Bytes < min(tt.bytes, 10*block) {
				t.Errorf("got %+v, want %d files with %d bytes", l.Usage, tt.files, tt.bytes)
			}
		})
	}
}

// A directory that its user has closed is opened, and no link is followed there. Root would see into it anyway.
func TestMakeReadable(t *testing.T) {
	dir := t.TempDir()
	closed, link := filepath.Join(dir, "closed"), filepath.Join(dir, "link")
	if err := errors.Join(os.Mkdir(closed, 0), os.Symlink("closed", link)); err != nil {
		t.Fatal(err)
	}
	if err := makeReadable(unix.AT_FDCWD, link); err == nil {
		t.Error("a link was followed")
	}
	if err := makeReadable(unix.AT_FDCWD, closed); err != nil {
		t.Error(err)
	}
	if info, err := os.Lstat(closed); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

// What can't be measured is over the limit.
func TestDeep(t *testing.T) {
	dir := t.TempDir()
	deep := dir
	for range maxDepth + 1 {
		deep += "/d"
	}
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	err := newLook(Limits{}).tree(dir)
	if limit := (*LimitError)(nil); !errors.As(err, &limit) || abi.ErrnoOf(err) != abi.Limit || err.Error() != "what programs have written: the limit of 256 levels of directories is reached" {
		t.Errorf("got %v", err)
	}
}

// A flood ends soon after the limit.
func TestFlood(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		limits       Limits
		want         string
	}{
		{"one file", "head -c 4000000000 /dev/zero >a", Limits{Bytes: 100 << 20}, "the limit of 104857600 bytes on disk is reached (setting disk_bytes)"},
		{"many", "while :; do i=$((i+1)); head -c 1000000 /dev/zero >a$i; done", Limits{Bytes: 20 << 20}, "(setting disk_bytes)"},
		{"without a name", "exec 9>a; rm a; head -c 4000000000 /dev/zero >&9", Limits{Bytes: 100 << 20}, "(setting disk_bytes)"},
		{"as much as one file may have", "ulimit -f 2048; head -c 3000000 /dev/zero >a", Limits{Bytes: 1 << 20}, "the limit of 1048576 bytes on disk is reached (setting disk_bytes)"},
		{"files", "while :; do i=$((i+1)); : >a$i; done", Limits{Files: 1000}, "the limit of 1000 files is reached (setting files)"},
		{"nothing", "sleep 1.5", Limits{Bytes: 1 << 20, Files: 10}, "<nil>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			cmd := osexec.Command("/bin/sh", "-c", tt.script)
			cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Setpgid: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			end := New([]string{dir}, tt.limits).Begin(func() []int { return []int{cmd.Process.Pid} }, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
			got := end(cmd.Wait() != nil)
			l := newLook(Limits{})
			if err := l.tree(dir); err != nil {
				t.Error(err)
			}
			if !strings.HasSuffix(fmt.Sprint(got), tt.want) {
				t.Errorf("got %v, want %s", got, tt.want)
			}
			t.Logf("limit %+v, there was %+v", tt.limits, l.Usage)
		})
	}
}

// What is over a limit from the beginning does not stay so until the next look is due.
func TestOverTheLimitAlready(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), 1)
	write(t, filepath.Join(dir, "b"), 1)
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		killed := make(chan time.Duration, 1)
		end := New([]string{dir}, Limits{Files: 1}).Begin(func() []int { return nil }, func() { killed <- time.Since(began) })
		select {
		case took := <-killed:
			if took > lookEvery/2 {
				t.Errorf("it took %v", took)
			}
		case <-time.After(10 * lookEvery):
			t.Error("the program was not killed")
		}
		if err := end(true); abi.ErrnoOf(err) != abi.Limit {
			t.Errorf("error %v, want the limit", err)
		}
	})
}

// However much is left, it can't be written before the next look at the free space, and no look at the directories is late.
func TestNextTick(t *testing.T) {
	second := int64(fastest)
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			left int64
			look time.Duration // until the directories are looked at in any case
			want time.Duration
		}{
			{0, time.Hour, tick},
			{-1, time.Hour, tick},
			{second / 100, time.Hour, tick},
			{second / 32, time.Hour, time.Second / 32},
			{second / 16, time.Hour, time.Second / 16},
			{second, time.Hour, longTick},
			{math.MaxInt64, time.Hour, longTick},
			{math.MaxInt64, longTick / 2, longTick / 2},
			{math.MaxInt64, 0, tick},
			{math.MaxInt64, -time.Hour, tick},
		} {
			w := Watch{next: time.Now().Add(tt.look)}
			if got := w.nextTick(tt.left); got != tt.want {
				t.Errorf("with %d bytes left, and a look in %v: %v, want %v", tt.left, tt.look, got, tt.want)
			}
		}
	})
}

func write(t *testing.T, path string, size int) {
	t.Helper()
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Whatever a line of /proc/PID/maps says, it is taken for a file of the session or not at all.
func FuzzMapping(f *testing.F) {
	f.Add("55d0f000-55d10000 rw-s 00000000 fe:00 1234   /path (deleted)")
	f.Add("ffffffffffff0000-0 rw-s 0 ffffffff:ffffffff 18446744073709551615")
	f.Fuzz(func(t *testing.T, line string) {
		l := newLook(Limits{})
		l.mapping(strings.Fields(line))
		if l.Files != 0 {
			t.Errorf("%q is on a device that is none of the session's", line)
		}
		l.devices[0xfe00] = true
		l.mapping(strings.Fields(line))
		if l.Bytes < 0 || l.Files > 1 {
			t.Errorf("%q: %+v", line, l.Usage)
		}
	})
}

// BenchmarkLook is a look at 1000 files in 10 directories.
func BenchmarkLook(b *testing.B) {
	dir := b.TempDir()
	for i := range 1000 {
		name := filepath.Join(dir, fmt.Sprint(i%10), fmt.Sprint(i))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, nil, 0o600)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if err := newLook(Limits{}).tree(dir); err != nil {
			b.Fatal(err)
		}
	}
}
