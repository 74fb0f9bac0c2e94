package endpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gofrs/flock"
)

// ErrInUse is why a socket can't be opened that another daemon has.
var ErrInUse = errors.New("another daemon listens there: stop it, or give another address")

// Listen opens the endpoint. A unix socket is one that only this user can connect to. close frees what belongs to it beside the listener
// itself.
func (e Endpoint) Listen() (l net.Listener, close func() error, err error) {
	if e.Network == "unix" {
		return listenUnix(e.Address)
	}
	l, err = net.Listen(e.Network, e.Address)
	if err != nil {
		return nil, nil, fmt.Errorf("listen on %s: %w", e, err)
	}
	return l, func() error { return nil }, nil
}

// listenUnix opens a unix socket that only this user can connect to. A lock beside it, held as long as the daemon lives, says whether a
// socket that is there is in use or was left by a daemon that died.
func listenUnix(path string) (net.Listener, func() error, error) {
	fail := func(err error) (net.Listener, func() error, error) {
		return nil, nil, fmt.Errorf("listen on socket %s: %w", path, err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	if err := CheckDirectory(dir); err != nil {
		return fail(err)
	}
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err == nil && !locked {
		err = ErrInUse
	}
	if err != nil {
		return fail(err)
	}
	l, err := bind(path)
	if err != nil {
		return fail(errors.Join(err, lock.Close()))
	}
	return l, func() error {
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		// The lock's file stays: to remove it would let two daemons hold a lock at once.
		return errors.Join(err, lock.Close())
	}, nil
}

// bind binds a socket under a name of its own and moves it into place once its mode is right: there is no moment at which others could
// connect, and a stale socket is replaced at one stroke.
func bind(path string) (net.Listener, error) {
	if err := checkStale(path); err != nil {
		return nil, err
	}
	next := path + "." + strconv.Itoa(os.Getpid())
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: next, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("%w (a socket's path may have about 100 bytes; this one has %d)", err, len(next))
	}
	l.SetUnlinkOnClose(false)
	err = os.Chmod(next, 0o600)
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(next))
	}
	return l, nil
}

// checkStale says why what is at the path may not be replaced.
func checkStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return errors.New("there is something that is no socket: remove it, or give another address")
	}
	// A program that takes no such lock may listen there.
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return errors.New("another program listens there: stop it, or give another address")
	}
	return nil
}
