// Package plugins offers the daemon's plugins on its admin socket, and is the client of that.
package plugins

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/registry"
)

// The paths of the requests.
const (
	pathAll      = "/v1/plugins"
	pathUse      = "/v1/plugins/{name}/use"
	pathRollback = "/v1/plugins/{name}/rollback"
	pathGrants   = "/v1/plugins/{name}/grants"
	pathVersion  = "/v1/plugins/{name}/versions/{version}"
)

// Handle hangs the registry's plugins on the server.
func Handle(s *admin.Server, r *registry.Registry) {
	h := handlers{r}
	for pattern, f := range map[string]admin.Handler{
		"GET " + pathAll:        h.list,
		"POST " + pathAll:       h.install,
		"POST " + pathUse:       h.use,
		"POST " + pathRollback:  h.rollback,
		"PUT " + pathGrants:     h.grant,
		"DELETE " + pathVersion: h.remove,
	} {
		s.Handle(pattern, explained(f))
	}
}

type handlers struct{ registry *registry.Registry }

// List is what there is.
type List struct {
	Plugins []registry.Info `json:"plugins"`
}

// Done is what was done.
type Done struct {
	Done string `json:"done"`
}

// useRequest asks that new sessions get a version; see registry.Choice.
type useRequest struct {
	Version string `json:"version,omitempty"`
	Tenant  string `json:"tenant,omitempty"`
	// Canary is a share in percent.
	Canary int `json:"canary,omitempty"`
}

// grantsRequest sets what a plugin is granted; null = what any plugin is.
type grantsRequest struct {
	Grants *plugin.Grants `json:"grants"`
}

// statuses are HTTP's for the kinds of failures.
var statuses = map[registry.Kind]int{
	registry.Invalid:  http.StatusBadRequest,
	registry.NotFound: http.StatusNotFound,
	registry.Conflict: http.StatusConflict,
	registry.Refused:  http.StatusUnprocessableEntity,
}

// explained gives failures of the registry their status.
func explained(h admin.Handler) admin.Handler {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		answer, err := h(w, r)
		var failure *registry.Error
		if errors.As(err, &failure) {
			return nil, &admin.Error{Status: statuses[failure.Kind], Text: err.Error()}
		}
		return answer, err
	}
}

func (h handlers) list(http.ResponseWriter, *http.Request) (any, error) {
	return List{h.registry.List()}, nil
}

// install takes the plugin's file as the body, and all else from the query.
func (h handlers) install(w http.ResponseWriter, r *http.Request) (any, error) {
	i, err := installation(r.URL.Query())
	if err != nil {
		return nil, &admin.Error{Status: http.StatusBadRequest, Text: err.Error()}
	}
	i.Module = r.Body
	i.Step = func(text string) { admin.Step(w, text) }
	return h.registry.Install(r.Context(), i)
}

// The names in the query of an installation.
const (
	queryDigest = "sha256"
	queryUse    = "use"
	queryCanary = "canary"
	queryGrants = "grants"
)

// installation reads the query of an installation.
func installation(q url.Values) (i registry.Installation, err error) {
	for name, values := range q {
		if len(values) != 1 {
			return i, errors.New("the parameter " + strconv.Quote(name) + " is there more than once")
		}
		value := values[0]
		switch name {
		case queryDigest:
			i.Digest = value
		case queryUse:
			i.Use, err = strconv.ParseBool(value)
		case queryCanary:
			i.Canary, err = strconv.Atoi(value)
		case queryGrants:
			err = json.Unmarshal([]byte(value), &i.Grants)
		default:
			err = errors.New("there is no such parameter")
		}
		if err != nil {
			return i, errors.New("the parameter " + strconv.Quote(name) + ": " + err.Error())
		}
	}
	return i, nil
}

func (h handlers) use(w http.ResponseWriter, r *http.Request) (any, error) {
	var u useRequest
	if err := admin.ReadJSON(w, r, &u); err != nil {
		return nil, err
	}
	ref, err := reference(r.PathValue("name"), u.Version)
	if err != nil {
		return nil, err
	}
	done, err := h.registry.Use(r.Context(), registry.Choice{Ref: ref, Tenant: u.Tenant, Canary: u.Canary})
	return Done{done}, err
}

func (h handlers) rollback(_ http.ResponseWriter, r *http.Request) (any, error) {
	ref, err := reference(r.PathValue("name"), "")
	if err != nil {
		return nil, err
	}
	done, err := h.registry.Rollback(r.Context(), ref.Name)
	return Done{done}, err
}

func (h handlers) remove(_ http.ResponseWriter, r *http.Request) (any, error) {
	ref, err := reference(r.PathValue("name"), r.PathValue("version"))
	if err != nil {
		return nil, err
	}
	if err := h.registry.Remove(r.Context(), ref); err != nil {
		return nil, err
	}
	return Done{ref.String() + " is removed"}, nil
}

func (h handlers) grant(w http.ResponseWriter, r *http.Request) (any, error) {
	var g grantsRequest
	if err := admin.ReadJSON(w, r, &g); err != nil {
		return nil, err
	}
	ref, err := reference(r.PathValue("name"), "")
	if err != nil {
		return nil, err
	}
	if err := h.registry.Grant(r.Context(), ref.Name, g.Grants); err != nil {
		return nil, err
	}
	return Done{"new sessions of " + ref.Name + " get that"}, nil
}

// reference checks the names in a request's path.
func reference(name, version string) (plugin.Ref, error) {
	ref, err := plugin.ParseRef(plugin.Ref{Name: name, Version: version}.String())
	if err != nil || ref.Name != name || ref.Version != version {
		if err == nil {
			err = errors.New("there is an @ in the name")
		}
		return ref, &admin.Error{Status: http.StatusBadRequest, Text: err.Error()}
	}
	return ref, nil
}
