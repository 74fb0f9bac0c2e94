// Package endpoint is where a daemon listens: how an address is written, which socket it is if none is given, and how it is opened.
package endpoint

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Endpoint is where a daemon listens.
type Endpoint struct {
	// Network is "unix" or "tcp".
	Network string
	// Address is a path or HOST:PORT.
	Address string
}

// Parse reads an address: unix:PATH, unix:///PATH, a path with a separator in it, or HOST:PORT (also tcp:HOST:PORT). An empty one is the
// default socket.
func Parse(address string) (Endpoint, error) {
	if address == "" {
		path, err := DefaultSocket()
		return Endpoint{"unix", path}, err
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return unixEndpoint(address, strings.TrimPrefix(path, "//"))
	}
	hostPort := strings.TrimPrefix(strings.TrimPrefix(address, "tcp:"), "//")
	if hostPort == address && strings.ContainsRune(filepath.ToSlash(address), '/') {
		return unixEndpoint(address, address)
	}
	if _, port, err := net.SplitHostPort(hostPort); err != nil || port == "" {
		return Endpoint{}, fmt.Errorf("address %q: want unix:PATH or HOST:PORT", address)
	}
	return Endpoint{"tcp", hostPort}, nil
}

func unixEndpoint(address, path string) (Endpoint, error) {
	if path == "" {
		return Endpoint{}, fmt.Errorf("address %q: want unix:PATH", address)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return Endpoint{}, fmt.Errorf("address %q: %w", address, err)
	}
	return Endpoint{"unix", path}, nil
}

// String is the endpoint as Parse reads it.
func (e Endpoint) String() string {
	if e.Network == "unix" {
		return "unix:" + e.Address
	}
	return e.Address
}

// Loopback says whether only this machine reaches the endpoint.
func (e Endpoint) Loopback() bool {
	if e.Network == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(e.Address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// DefaultSocket is the socket of this user's daemon: provisor/provisor.sock in XDG_RUNTIME_DIR; without that, in /run for root, in the
// user's cache directory on Windows, else in a directory of the user's own below the system's temporary one.
func DefaultSocket() (string, error) {
	const name = "provisor.sock"
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "provisor", name), nil
	}
	if runtime.GOOS == "windows" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a place for the daemon's socket: %w; give an address instead", err)
		}
		return filepath.Join(dir, "provisor", name), nil
	}
	if _, err := os.Stat("/run"); err == nil && os.Getuid() == 0 {
		return filepath.Join("/run/provisor", name), nil
	}
	return filepath.Join(os.TempDir(), "provisor-"+strconv.Itoa(os.Getuid()), name), nil
}

// AdminSocket is where a daemon that listens at the endpoint has its admin socket unless told otherwise: beside its own socket, or beside
// the default one.
func (e Endpoint) AdminSocket() (string, error) {
	path := e.Address
	if e.Network != "unix" {
		var err error
		if path, err = DefaultSocket(); err != nil {
			return "", err
		}
	}
	return strings.TrimSuffix(path, ".sock") + "-admin.sock", nil
}

// CheckDirectory says what is wrong with the directory of a socket: others could put their own socket there.
func CheckDirectory(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at the socket's directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no directory: the daemon's socket belongs into one", dir)
	}
	return checkOwner(dir, info)
}
