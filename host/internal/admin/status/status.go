// Package status tells an operator what a daemon is: its version, and what it enforces around the programs that it starts.
package status

import (
	"context"
	"net/http"
	"os"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/admin"
)

// Status is what a daemon says of itself.
type Status struct {
	Version string `json:"version"`
	PID     int    `json:"pid"`
	// UID is the user that the daemon runs as; -1 where there are none such.
	UID     int       `json:"uid"`
	Started time.Time `json:"started"`
	Jail    []Layer   `json:"jail"`
}

// Layer is what the daemon makes of a layer of the jail.
type Layer struct {
	Layer string `json:"layer"`
	State string `json:"state"`
	How   string `json:"how,omitempty"`
	// Fix is how to get it, or more of it.
	Fix string `json:"fix,omitempty"`
}

// Layers are the layers of a report.
func Layers(report []host.JailStatus) []Layer {
	layers := []Layer{}
	for _, s := range report {
		layers = append(layers, Layer{string(s.Layer), string(s.State), s.How, s.Fix})
	}
	return layers
}

const path = "/status"

// Handle has the server answer for a daemon of that version that has just started, and whose jail that is.
func Handle(s *admin.Server, version string, jail []host.JailStatus) {
	status := Status{Version: version, PID: os.Getpid(), UID: os.Getuid(), Started: time.Now().UTC().Truncate(time.Second), Jail: Layers(jail)}
	s.Handle("GET "+path, admin.Handler(func(http.ResponseWriter, *http.Request) (any, error) { return status, nil }))
}

// Get asks a daemon.
func Get(ctx context.Context, c *admin.Client) (Status, error) {
	var s Status
	err := c.Do(ctx, admin.Request{Method: http.MethodGet, Path: path}, &s)
	return s, err
}
