package recovery

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/host/internal/workdir/recovery/copies"
)

// smallDisk mounts a file system with that many bytes; without the right to, the test is skipped.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skip("this user can't mount a small file system:", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes a file until the disk is full.
func fill(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "filler")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !copies.IsFull(err) {
		t.Fatal(err)
	}
	return name
}

// On a full disk the ballast makes room for the state, and for what is said of it.
func TestBallastOnAFullDisk(t *testing.T) {
	disk := smallDisk(t, 1<<20)
	f := newFixture(t, Options{Dir: filepath.Join(disk, "recovery"), Ballast: 1 << 18})
	k := f.begin(t)
	fill(t, disk)
	f.write(t, mainFile, `{"serial":2}`) // elsewhere: there is room for it
	if got := finish(k); got != `{"serial":2}` {
		t.Errorf("the newest state is %s", got)
	}
	if err := k.Keep("why"); err != nil {
		t.Fatal(err)
	}
	f.wantList(t, `dir.1 kept (why) terraform.tfstate={"serial":2}`)
}

// Without any ballast the file itself is moved, or stays where it is and is said to.
func TestFullDiskWithoutBallast(t *testing.T) {
	for _, tt := range []struct {
		name string
		// same is whether the work directory is on the disk that is full.
		same bool
	}{{"moved", true}, {"left", false}} {
		t.Run(tt.name, func(t *testing.T) {
			disk := smallDisk(t, 1<<20)
			f := newFixture(t, Options{Dir: filepath.Join(disk, "recovery")})
			if tt.same {
				f.work = filepath.Join(disk, "work")
				if err := os.Mkdir(f.work, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			state := fmt.Sprintf(`{"padding":"%s"}`, bytes.Repeat([]byte("x"), 10_000))
			f.write(t, mainFile, strings.Repeat("x", len(state)))
			k := f.begin(t)
			filler := fill(t, disk)
			overwrite(t, filepath.Join(f.work, mainFile), state) // it has its place on the disk
			k.Finish()
			err := k.Keep("why")
			if k.Unsaved() == nil {
				t.Errorf("the work directory would be removed; keep: %v", err)
			}
			if _, err := os.Lstat(filepath.Join(f.work, mainFile)); tt.same != errors.Is(err, os.ErrNotExist) {
				t.Errorf("the file in the work directory: %v", err)
			}
			// Once there is room, a sweep saves it.
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			if err := f.Rescue("dir", f.work); err != nil {
				t.Fatal(err)
			}
			f.wantList(t, "dir.1 kept ("+whyDied+") terraform.tfstate="+state)
		})
	}
}

// overwrite writes into a file as it is.
func overwrite(t *testing.T, name, content string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(content); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
