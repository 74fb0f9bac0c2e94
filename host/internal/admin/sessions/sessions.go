// Package sessions offers the daemon's running sessions on its admin socket, and is the client of that.
package sessions

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/observe"
)

// Info is a session that is open.
type Info struct {
	ID      string `json:"id"`
	Tenant  string `json:"tenant"`
	Plugin  string `json:"plugin"`
	Version string `json:"version"`
	// Began is when the session began.
	Began time.Time `json:"began"`
	// Request is what runs: "plan"; empty = the session waits for its client. Since is when that was asked for, or when the last one ended.
	Request string    `json:"request,omitempty"`
	Since   time.Time `json:"since"`
	// Waiting: the request has not had its turn yet.
	Waiting bool `json:"waiting,omitempty"`
	// Program is what the engine runs: "apply".
	Program string `json:"program,omitempty"`
	// Canceled: an operator has canceled the session, which is coming to its end.
	Canceled bool `json:"canceled,omitempty"`
}

// Table has the sessions that are open. It is an observe.Observer. Its methods may be called by several goroutines.
type Table struct {
	now func() time.Time

	mu   sync.Mutex
	open map[*observe.Session]*row
}

// row is a session in the table.
type row struct {
	Info
	cancel func()
}

// NewTable returns a table without sessions.
func NewTable() *Table { return &Table{now: time.Now, open: make(map[*observe.Session]*row)} }

// Begin implements observe.Observer.
func (t *Table) Begin(ctx context.Context, a observe.Activity) context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch a := a.(type) {
	case *observe.Session:
		if a.ID != "" {
			t.open[a] = &row{Info{ID: a.ID, Tenant: a.Tenant, Plugin: a.Plugin, Version: a.Version, Began: a.Began, Since: a.Began}, a.Cancel}
		}
	case *observe.Request:
		t.change(a, func(r *row) { r.Request, r.Since = a.Kind, a.Asked })
	case *observe.Wait:
		t.change(a.Request, func(r *row) { r.Waiting = true })
	case *observe.Program:
		t.change(a.Request, func(r *row) { r.Program = a.Command })
	}
	return ctx
}

// End implements observe.Observer.
func (t *Table) End(_ context.Context, a observe.Activity) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch a := a.(type) {
	case *observe.Session:
		delete(t.open, a)
	case *observe.Request:
		t.change(a, func(r *row) { r.Request, r.Program, r.Since = "", "", a.Ended })
	case *observe.Wait:
		t.change(a.Request, func(r *row) { r.Waiting = false })
	case *observe.Program:
		t.change(a.Request, func(r *row) { r.Program = "" })
	}
}

func (t *Table) change(q *observe.Request, f func(*row)) {
	if r := t.open[q.Session]; r != nil {
		f(r)
	}
}

// List lists the sessions, the oldest first.
func (t *Table) List() []Info {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Info, 0, len(t.open))
	for _, r := range t.open {
		list = append(list, r.Info)
	}
	slices.SortFunc(list, func(a, b Info) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.ID, b.ID)) })
	return list
}

// Cancel cancels a session by its ID, or by the beginning of it that no other has. It does not wait for its end.
func (t *Table) Cancel(id string) (Info, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []*row
	for _, r := range t.open {
		if strings.HasPrefix(r.ID, id) {
			found = append(found, r)
		}
	}
	switch {
	case id == "" || len(found) == 0:
		return Info{}, admin.Errorf(http.StatusNotFound, "there is no session %q (any more): provisor sessions lists those that there are", id)
	case len(found) > 1:
		return Info{}, admin.Errorf(http.StatusConflict, "%d sessions have an ID that begins with %q: give more of it", len(found), id)
	}
	r := found[0]
	r.Canceled = true
	r.cancel()
	return r.Info, nil
}

// The paths of the requests.
const (
	pathAll = "/v1/sessions"
	pathOne = "/v1/sessions/{id}"
)

// List is what the daemon answers.
type List struct {
	Sessions []Info `json:"sessions"`
	// Now is the daemon's time.
	Now time.Time `json:"now"`
}

// Handle hangs the table on the server.
func Handle(s *admin.Server, t *Table) {
	s.Handle("GET "+pathAll, admin.Handler(func(http.ResponseWriter, *http.Request) (any, error) { return List{t.List(), t.now()}, nil }))
	s.Handle("DELETE "+pathOne, admin.Handler(func(_ http.ResponseWriter, r *http.Request) (any, error) { return t.Cancel(r.PathValue("id")) }))
}

// Client asks a daemon for its sessions.
type Client struct{ *admin.Client }

// List lists the sessions that are open.
func (c Client) List(ctx context.Context) (List, error) {
	var list List
	err := c.Do(ctx, admin.Request{Method: http.MethodGet, Path: pathAll}, &list)
	return list, err
}

// Cancel cancels a session, by its ID or the beginning of it.
func (c Client) Cancel(ctx context.Context, id string) (Info, error) {
	var i Info
	if id == "" || strings.ContainsAny(id, "/.") {
		return i, fmt.Errorf("%q is not the ID of a session: provisor sessions lists those that there are", id)
	}
	err := c.Do(ctx, admin.Request{Method: http.MethodDelete, Path: strings.Replace(pathOne, "{id}", url.PathEscape(id), 1)}, &i)
	return i, err
}
