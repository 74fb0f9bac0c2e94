//go:build wasip1

// Command guest uses the files of /work and /tmp the way Go programs do, and says what it saw, one line for each check.
// The tests of jailfs build and run it.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	for _, c := range checks {
		if err := c.run(); err != nil {
			fmt.Printf("FAIL %s: %v\n", c.name, err)
		} else {
			fmt.Printf("ok %s\n", c.name)
		}
	}
}

var checks = []struct {
	name string
	run  func() error
}{
	{"write and read", writeAndRead},
	{"big file", bigFile},
	{"directories", directories},
	{"rename", rename},
	{"rename across the mounts", renameAcross},
	{"links", links},
	{"truncate", truncate},
	{"append", appendTo},
	{"exclusive", exclusive},
	{"seek and sync", seek},
	{"times", times},
	{"root", osRoot},
	{"outside", outside},
}

func writeAndRead() error {
	if err := os.WriteFile("/work/a.txt", []byte("hello"), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile("/work/a.txt", []byte("bye"), 0o644); err != nil {
		return err
	}
	if err := same("/work/a.txt", "bye"); err != nil {
		return err
	}
	_, err := os.ReadFile("/work/none")
	return want(err, fs.ErrNotExist)
}

func bigFile() error {
	data := bytes.Repeat([]byte("0123456789abcdef"), 40<<16/16*16)
	if err := os.WriteFile("/tmp/big", data, 0o600); err != nil {
		return err
	}
	got, err := os.ReadFile("/tmp/big")
	if err != nil {
		return err
	}
	if !bytes.Equal(got, data) {
		return fmt.Errorf("read %d bytes other than the %d written", len(got), len(data))
	}
	return os.Remove("/tmp/big")
}

func directories() error {
	if err := os.MkdirAll("/work/d/e/f", 0o755); err != nil {
		return err
	}
	for i := range 300 {
		if err := os.WriteFile(fmt.Sprintf("/work/d/e/file-%03d-%s", i, strings.Repeat("x", i%100)), nil, 0o600); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir("/work/d/e")
	if err != nil {
		return err
	}
	if len(entries) != 301 || !entries[0].IsDir() || entries[1].IsDir() {
		return fmt.Errorf("%d entries, the first %v", len(entries), entries[0])
	}
	seen := 0
	if err := filepath.WalkDir("/work/d", func(string, fs.DirEntry, error) error { seen++; return nil }); err != nil || seen != 303 {
		return fmt.Errorf("walked over %d: %v", seen, err)
	}
	if err := os.Remove("/work/d/e"); err == nil {
		return errors.New("removed a directory that is not empty")
	}
	if err := os.RemoveAll("/work/d"); err != nil {
		return err
	}
	_, err = os.Stat("/work/d")
	return want(err, fs.ErrNotExist)
}

func rename() error {
	return errors.Join(
		os.WriteFile("/work/old", []byte("new"), 0o600),
		os.WriteFile("/work/there", []byte("gone"), 0o600),
		os.Rename("/work/old", "/work/there"),
		same("/work/there", "new"),
		os.Mkdir("/work/dir", 0o700),
		os.Rename("/work/there", "/work/dir/here"),
		os.Rename("/work/dir", "/work/dir2"),
		same("/work/dir2/here", "new"),
		os.RemoveAll("/work/dir2"),
	)
}

func renameAcross() error {
	if err := os.WriteFile("/tmp/across", []byte("x"), 0o600); err != nil {
		return err
	}
	if err := want(os.Rename("/tmp/across", "/work/across"), syscall.EXDEV); err != nil {
		return err
	}
	return os.Remove("/tmp/across")
}

func links() error {
	if err := errors.Join(os.Mkdir("/work/l", 0o700), os.WriteFile("/work/l/target", []byte("t"), 0o600), os.Symlink("target", "/work/l/link")); err != nil {
		return err
	}
	if got, err := os.Readlink("/work/l/link"); err != nil || got != "target" {
		return fmt.Errorf("the link leads to %q: %v", got, err)
	}
	if err := same("/work/l/link", "t"); err != nil {
		return err
	}
	info, err := os.Lstat("/work/l/link")
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return fmt.Errorf("lstat of the link: %v, %v", info, err)
	}
	info, err = os.Stat("/work/l/link")
	if err != nil || !info.Mode().IsRegular() || info.Size() != 1 {
		return fmt.Errorf("stat of the link: %v, %v", info, err)
	}
	for _, target := range []string{"/etc/passwd", "../../etc", "/work/l/target"} {
		if err := want(os.Symlink(target, "/work/l/out"), fs.ErrPermission); err != nil {
			return fmt.Errorf("a link to %s: %w", target, err)
		}
	}
	if err := want(os.Link("/work/l/target", "/work/l/hard"), fs.ErrPermission); err != nil {
		return err
	}
	return os.RemoveAll("/work/l")
}

func truncate() error {
	if err := os.WriteFile("/work/t", []byte("0123456789"), 0o600); err != nil {
		return err
	}
	if err := errors.Join(os.Truncate("/work/t", 4), same("/work/t", "0123"), os.Truncate("/work/t", 6), same("/work/t", "0123\x00\x00")); err != nil {
		return err
	}
	return os.Remove("/work/t")
}

func appendTo() error {
	for _, s := range []string{"one", "two"} {
		f, err := os.OpenFile("/work/log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if _, err := f.WriteString(s); err != nil {
			return err
		}
		if _, err := f.WriteString(","); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return errors.Join(same("/work/log", "one,two,"), os.Remove("/work/log"))
}

func exclusive() error {
	f, err := os.OpenFile("/work/x", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	_, err = os.OpenFile("/work/x", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	return errors.Join(want(err, fs.ErrExist), os.Remove("/work/x"))
}

func seek() error {
	f, err := os.CreateTemp("", "seek")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.WriteString("0123456789"); err != nil {
		return err
	}
	if at, err := f.Seek(-3, io.SeekEnd); err != nil || at != 7 {
		return fmt.Errorf("at %d: %v", at, err)
	}
	rest, err := io.ReadAll(f)
	if err != nil || string(rest) != "789" {
		return fmt.Errorf("read %q: %v", rest, err)
	}
	if _, err := f.WriteAt([]byte("xy"), 2); err != nil {
		return err
	}
	buf := make([]byte, 4)
	if _, err := f.ReadAt(buf, 1); err != nil || string(buf) != "1xy4" {
		return fmt.Errorf("read %q: %v", buf, err)
	}
	return f.Sync()
}

func times() error {
	when := time.Date(2001, 2, 3, 4, 5, 6, 7000, time.UTC)
	if err := errors.Join(os.WriteFile("/work/when", nil, 0o600), os.Chtimes("/work/when", when, when)); err != nil {
		return err
	}
	info, err := os.Stat("/work/when")
	if err != nil || !info.ModTime().Equal(when) {
		return fmt.Errorf("modified at %v: %v", info.ModTime(), err)
	}
	return os.Remove("/work/when")
}

func osRoot() error {
	root, err := os.OpenRoot("/work")
	if err != nil {
		return err
	}
	defer root.Close()
	if err := errors.Join(root.MkdirAll("r/s", 0o700), root.WriteFile("r/s/f", []byte("in"), 0o600), same("/work/r/s/f", "in")); err != nil {
		return err
	}
	if _, err := root.ReadFile("../etc/passwd"); err == nil {
		return errors.New("read a file outside")
	}
	return root.RemoveAll("r")
}

func outside() error {
	for _, name := range []string{"/etc/passwd", "/work/../etc/passwd", "../etc/passwd", "/proc/self/environ", "/", "/work/../../etc"} {
		if data, err := os.ReadFile(name); err == nil {
			return fmt.Errorf("read %q: %d bytes", name, len(data))
		}
		if err := os.WriteFile(name+"x", nil, 0o600); err == nil && !strings.HasPrefix(name, "/work/") {
			return fmt.Errorf("wrote %qx", name)
		}
	}
	return nil
}

func same(name, want string) error {
	got, err := os.ReadFile(name)
	if err == nil && string(got) != want {
		err = fmt.Errorf("%s holds %q, want %q", name, got, want)
	}
	return err
}

func want(err, target error) error {
	if !errors.Is(err, target) {
		return fmt.Errorf("got %v, want %v", err, target)
	}
	return nil
}
