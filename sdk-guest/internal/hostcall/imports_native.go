//go:build !wasip1

package hostcall

import (
	"context"
	"sync"
)

var (
	mu        sync.Mutex
	installed Host
	guest     Exports
)

// Current is the host that the plugin runs under: the one that was installed last. Without one, as when a plugin is
// started like an ordinary program, it panics.
func Current() Host {
	mu.Lock()
	defer mu.Unlock()
	if installed == nil {
		panic("a plugin needs a host: build it with GOOS=wasip1 GOARCH=wasm, or open a session with guesttest.New in a test")
	}
	return installed
}

// Install puts h in the place of the host, and returns the one that was there.
func Install(h Host) (previous Host) {
	mu.Lock()
	defer mu.Unlock()
	previous, installed = installed, h
	return previous
}

// Exports is what a native host calls in place of the module's exports.
type Exports struct {
	// Handle is provisor_handle. The provisioner is a guest.Provisioner, or nil for the one that was registered.
	Handle func(provisioner any, request []byte) int32
	// NewContext returns a context like that of a request, and what ends it.
	NewContext func() (context.Context, func())
}

// SetExports is called by package guest when it is initialised.
func SetExports(e Exports) {
	mu.Lock()
	defer mu.Unlock()
	guest = e
}

// Guest returns the exports of package guest.
func Guest() Exports {
	mu.Lock()
	defer mu.Unlock()
	return guest
}
