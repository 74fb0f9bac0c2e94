package guesttest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest/internal/hostcall"
)

// host is the session as the plugin sees it.
type host struct{ *Session }

var _ hostcall.Host = (*host)(nil)

func failf(errno abi.Errno, format string, args ...any) error {
	return &hostcall.Error{Errno: errno, Text: fmt.Sprintf(format, args...)}
}

func failed(err error) error {
	if err == nil {
		return nil
	}
	errno := abi.IO
	if errors.Is(err, fs.ErrNotExist) {
		errno = abi.NotFound
	}
	return &hostcall.Error{Errno: errno, Text: err.Error()}
}

func (h *host) SessionInfo() ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return proto.Marshal(h.info)
}

func (h *host) Log(level int32, text string) error {
	if _, ok := pb.LogLevel_name[level]; !ok || !utf8.ValidString(text) {
		return failf(abi.Invalid, "log: level %d or its text is invalid", level)
	}
	l := &pb.Log{Level: pb.LogLevel(level), Output: strings.Clone(text)} // a plugin may use its memory again
	h.mu.Lock()
	h.logs = append(h.logs, l)
	f := h.onLog
	h.mu.Unlock()
	if f != nil {
		f(l)
	}
	return nil
}

func (h *host) Respond(response []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.responses) > 0 {
		return failf(abi.WrongState, "the request is answered already")
	}
	if h.responseLimit > 0 && len(response) > h.responseLimit {
		return failf(abi.Limit, "the response has %d bytes, and the limit is %d", len(response), h.responseLimit)
	}
	h.responses = append(h.responses, append([]byte{}, response...))
	return nil
}

func (h *host) Canceled() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.canceled
}

func (h *host) Chmod(path string, mode uint32) error {
	return h.inRoot(path, func(root *os.Root, name string) error { return root.Chmod(name, fs.FileMode(mode).Perm()) })
}

func (h *host) Mode(path string) (mode uint32, err error) {
	err = h.inRoot(path, func(root *os.Root, name string) error {
		info, err := root.Stat(name)
		if err == nil {
			mode = uint32(info.Mode().Perm())
		}
		return err
	})
	return mode, err
}

// inRoot calls f with that of the session's two directories that path is below, and the rest of path.
func (h *host) inRoot(path string, f func(*os.Root, string) error) error {
	for _, dir := range []string{h.work, h.tmp} {
		name, err := filepath.Rel(dir, path)
		if err != nil || !filepath.IsLocal(name) {
			continue
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return failed(err)
		}
		defer root.Close()
		return failed(f(root, name))
	}
	return failf(abi.Invalid, "%q is neither below WorkDir nor below TmpDir", path)
}

func (h *host) WorkDir() string { return h.work }
func (h *host) TmpDir() string  { return h.tmp }

func (h *host) CacheRestore(key string) (bool, error) {
	kept := h.cacheEntry(key)
	if _, err := os.Stat(kept); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err := copyTree(kept, h.work); err != nil {
		return false, failed(err)
	}
	return true, nil
}

func (h *host) CacheSave(request []byte) error {
	save := new(guestpb.CacheSave)
	if err := proto.Unmarshal(request, save); err != nil {
		return failf(abi.Invalid, "cache_save: %v", err)
	}
	h.mu.Lock()
	late := h.programRanInPlan
	h.mu.Unlock()
	if late {
		return failf(abi.WrongState, "cache_save: plan or apply has run a program in this session")
	}
	kept := h.cacheEntry(save.GetKey())
	whole, err := os.MkdirTemp(h.CacheDir(), "new-")
	if err != nil {
		return failed(err)
	}
	defer os.RemoveAll(whole)
	for _, name := range save.GetPaths() {
		if !filepath.IsLocal(name) {
			return failf(abi.Invalid, "cache_save: %q is not below WorkDir", name)
		}
		if err := copyTree(filepath.Join(h.work, name), filepath.Join(whole, name)); err != nil {
			return failed(err)
		}
	}
	if err := os.RemoveAll(kept); err != nil {
		return failed(err)
	}
	return failed(os.Rename(whole, kept))
}

// cacheEntry is the directory for a key, which may hold any bytes.
func (h *host) cacheEntry(key string) string {
	return filepath.Join(h.CacheDir(), fmt.Sprintf("key-%x", key))
}

// copyTree copies a file or directory, over what is there.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o700)
		case info.Mode()&fs.ModeSymlink != 0:
			link, err := os.Readlink(p)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		return copyFile(p, target, info.Mode().Perm())
	})
}

func copyFile(from, to string, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, b, mode); err != nil {
		return err
	}
	return os.Chmod(to, mode)
}
