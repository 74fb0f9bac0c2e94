package plugins

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/registry"
)

// Client asks a daemon for its plugins.
type Client struct{ *admin.Client }

// List lists the plugins.
func (c Client) List(ctx context.Context) (List, error) {
	var list List
	err := c.Do(ctx, admin.Request{Method: http.MethodGet, Path: pathAll}, &list)
	return list, err
}

// Install sends the plugin's file, which has that many bytes, and has it installed. Of the installation, the digest, the grants, use, canary
// and step count.
func (c Client) Install(ctx context.Context, file io.Reader, size int64, i registry.Installation) (registry.Installed, error) {
	q := url.Values{}
	if i.Digest != "" {
		q.Set(queryDigest, i.Digest)
	}
	if i.Use {
		q.Set(queryUse, "true")
	}
	if i.Canary != 0 {
		q.Set(queryCanary, strconv.Itoa(i.Canary))
	}
	var installed registry.Installed
	if i.Grants != nil {
		g, err := json.Marshal(i.Grants)
		if err != nil {
			return installed, err
		}
		q.Set(queryGrants, string(g))
	}
	err := c.Do(ctx, admin.Request{Method: http.MethodPost, Path: pathAll, Query: q, Upload: file, Size: size, Step: i.Step}, &installed)
	return installed, err
}

// Use has new sessions get a version.
func (c Client) Use(ctx context.Context, choice registry.Choice) (Done, error) {
	return c.done(ctx, http.MethodPost, pathUse, choice.Ref, useRequest{choice.Version, choice.Tenant, choice.Canary})
}

// Rollback undoes what was chosen last for a plugin.
func (c Client) Rollback(ctx context.Context, name string) (Done, error) {
	return c.done(ctx, http.MethodPost, pathRollback, plugin.Ref{Name: name}, nil)
}

// Remove removes a version.
func (c Client) Remove(ctx context.Context, ref plugin.Ref) (Done, error) {
	return c.done(ctx, http.MethodDelete, pathVersion, ref, nil)
}

// Grant sets what a plugin is granted; nil = what any plugin is.
func (c Client) Grant(ctx context.Context, name string, g *plugin.Grants) (Done, error) {
	return c.done(ctx, http.MethodPut, pathGrants, plugin.Ref{Name: name}, grantsRequest{g})
}

func (c Client) done(ctx context.Context, method, path string, ref plugin.Ref, body any) (Done, error) {
	path = strings.NewReplacer("{name}", ref.Name, "{version}", ref.Version).Replace(path)
	var done Done
	err := c.Do(ctx, admin.Request{Method: method, Path: path, Body: body}, &done)
	return done, err
}
