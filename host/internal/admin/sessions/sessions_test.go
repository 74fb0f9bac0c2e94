package sessions

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves a table, and Go's profiles, and returns a client.
func serve(t *testing.T, table *Table) (Client, string) {
	t.Helper()
	socket := filepath.Join(daemontest.SocketDir(t), "s")
	s, err := admin.Listen(socket, nil)
	if err != nil {
		t.Fatal(err)
	}
	Handle(s, table)
	admin.HandleProfiles(s)
	daemontest.Serve(t, s.Serve)
	c, err := admin.Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return Client{c}, socket
}

func TestSessions(t *testing.T) {
	table := NewTable()
	c, _ := serve(t, table)
	canceled := ""
	open := func(id string, age time.Duration) *observe.Session {
		s := &observe.Session{ID: id, Tenant: "a", Plugin: "p", Version: "1.0.0", Began: time.Now().Add(-age), Cancel: func() { canceled += id }}
		table.Begin(t.Context(), s)
		return s
	}
	newer, older := open("ab-1", time.Minute), open("ab-2", time.Hour)
	table.Begin(t.Context(), &observe.Session{Tenant: "a"}) // refused
	request := &observe.Request{Session: newer, Kind: "apply", Asked: time.Now()}
	wait, program := &observe.Wait{Request: request}, &observe.Program{Request: request, Command: "plan"}
	first := func() Info {
		t.Helper()
		list, err := c.List(t.Context())
		if err != nil || len(list.Sessions) != 2 || list.Sessions[0].ID != older.ID || list.Now.IsZero() {
			t.Fatalf("got %+v, %v", list, err)
		}
		return list.Sessions[1]
	}
	if got := first(); got.Request != "" || !got.Since.Equal(newer.Began) {
		t.Errorf("idle: %+v", got)
	}
	table.Begin(t.Context(), request)
	table.Begin(t.Context(), wait)
	if got := first(); got.Request != "apply" || !got.Waiting || !got.Since.Equal(request.Asked) {
		t.Errorf("waiting: %+v", got)
	}
	table.End(t.Context(), wait)
	table.Begin(t.Context(), program)
	if got := first(); got.Waiting || got.Program != "plan" {
		t.Errorf("running: %+v", got)
	}
	for id, want := range map[string]string{"x": "there is no session", "ab": "2 sessions have an ID", "": "is not the ID", "../plugins": "is not the ID", "a/b": "is not the ID"} {
		if _, err := c.Cancel(t.Context(), id); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("cancel %q: got %v, want %q", id, err, want)
		}
	}
	if i, err := c.Cancel(t.Context(), "ab-1"); err != nil || canceled != "ab-1" || !i.Canceled || i.Request != "apply" {
		t.Errorf("got %+v, %v; canceled %q", i, err, canceled)
	}
	table.End(t.Context(), program)
	request.Ended = time.Now()
	table.End(t.Context(), request)
	if got := first(); got.Request != "" || got.Program != "" || !got.Since.Equal(request.Ended) || !got.Canceled {
		t.Errorf("done: %+v", got)
	}
	table.End(t.Context(), newer)
	table.End(t.Context(), older)
	table.End(t.Context(), request) // of a session that is gone
	if left := table.List(); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

// Profiles are there for whoever can open the socket.
func TestProfiles(t *testing.T) {
	_, socket := serve(t, NewTable())
	c := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer c.CloseIdleConnections()
	for path, want := range map[string]string{"/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile", "/debug/pprof/heap": "\x1f\x8b"} {
		resp, err := c.Get("http://provisor" + path)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || !strings.Contains(string(b), want) {
			t.Errorf("%s: %s, %.100q", path, resp.Status, b)
		}
	}
}

// FuzzCancel asks for sessions by what may be no ID at all: only the one that is meant is canceled.
func FuzzCancel(f *testing.F) {
	for _, id := range []string{"", "ab-1", "ab", "ab-12", "../..", "%00"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		table, canceled := NewTable(), []string(nil)
		for _, known := range []string{"ab-1", "ab-2"} {
			table.Begin(t.Context(), &observe.Session{ID: known, Cancel: func() { canceled = append(canceled, known) }})
		}
		i, err := table.Cancel(id)
		if err == nil != (len(canceled) == 1) || len(canceled) > 1 {
			t.Errorf("%q: %v, canceled %q", id, err, canceled)
		}
		if err == nil && (!strings.HasPrefix(canceled[0], id) || i.ID != canceled[0] || id == "") {
			t.Errorf("%q canceled %q", id, canceled)
		}
	})
}
