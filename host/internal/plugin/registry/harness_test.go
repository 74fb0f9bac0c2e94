package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/store"
	"github.com/provisor/provisor/host/internal/sandbox"
	_ "github.com/provisor/provisor/host/internal/sandbox/compiler/compilertest"
	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/host/internal/wasmtest"
	"github.com/provisor/provisor/proto/guestpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// module is a plugin that can be compiled. Plugins with other names, versions or flavours have other bytes, also in their code.
func module(t testing.TB, ref, flavour string, change ...func(*guestpb.Manifest)) []byte {
	t.Helper()
	r, err := plugin.ParseRef(ref)
	if err != nil {
		t.Fatal(err)
	}
	m := &guestpb.Manifest{Name: r.Name, Version: r.Version, AbiVersion: abi.Version, Requests: []string{"init"}}
	for _, f := range change {
		f(m)
	}
	p := wasmtest.NewPlugin()
	return wasmtest.WithManifest(p.Handled(p.Respond(ref+flavour)), m)
}

// house is a registry with what it stands on.
type house struct {
	*Registry
	t       testing.TB
	dir     string
	options Options
	log     *daemontest.Log
	// bad says of a plugin's version why it fails its probe; nil = none does.
	bad func(ref string) error
}

// build makes a registry whose base is a@1.0.0.
func build(t testing.TB, change ...func(*Options)) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), log: new(daemontest.Log)}
	rt, err := sandbox.New(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h.options = Options{
		Sandbox: rt,
		Ready:   func(context.Context, *plugin.Plugin, plugin.Grants) error { return nil },
		Probe: func(_ context.Context, p *plugin.Plugin, _ plugin.Grants) error {
			if h.bad == nil {
				return nil
			}
			return h.bad(plugin.Ref{Name: p.Name, Version: p.Version}.String())
		},
		DefaultGrants: plugin.Grants{Programs: []string{"terraform"}, Env: []string{"TF_VAR_*"}},
		Log:           h.log.Logger(),
	}
	h.options.Base = Base{Name: "a", Load: func(ctx context.Context) (*plugin.Plugin, error) {
		f, err := plugin.Parse(module(t, "a@1.0.0", "base"))
		if err != nil {
			return nil, err
		}
		return f.Compile(ctx, rt)
	}}
	for _, f := range change {
		f(&h.options)
	}
	h.open()
	t.Cleanup(func() {
		h.close()
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *house) open() {
	h.t.Helper()
	var err error
	if h.options.Store, err = store.Open(h.dir, h.options.Log); err != nil {
		h.t.Fatal(err)
	}
	if h.Registry, err = New(h.t.Context(), h.options); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) close() {
	if err := errors.Join(h.Registry.Close(), h.options.Store.Close()); err != nil {
		h.t.Error(err)
	}
}

// reopen is what a restart of the daemon does.
func (h *house) reopen() {
	h.t.Helper()
	h.close()
	h.open()
}

func (h *house) install(ref string, change ...func(*Installation)) (*Installed, error) {
	i := Installation{Module: bytes.NewReader(module(h.t, ref, ""))}
	for _, f := range change {
		f(&i)
	}
	return h.Install(h.t.Context(), i)
}

func (h *house) mustInstall(ref string, change ...func(*Installation)) {
	h.t.Helper()
	if _, err := h.install(ref, change...); err != nil {
		h.t.Fatal(err)
	}
}

func used(i *Installation) { i.Use = true }

func (h *house) use(ref, tenant string, canary int) error {
	r, err := plugin.ParseRef(ref)
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = h.Use(h.t.Context(), Choice{Ref: r, Tenant: tenant, Canary: canary})
	return err
}

func (h *house) mustUse(ref, tenant string, canary int) {
	h.t.Helper()
	if err := h.use(ref, tenant, canary); err != nil {
		h.t.Fatal(err)
	}
}

// session is which version a new session of the tenant gets, "a@1.0.0", or an error's text.
func (h *house) session(name string) string {
	h.t.Helper()
	tn, err := tenant.Parse(name)
	if err != nil {
		h.t.Fatal(err)
	}
	l, err := h.Lease(tn)
	if err != nil {
		return err.Error()
	}
	defer l.Release()
	return plugin.Ref{Name: l.Plugin.Name, Version: l.Plugin.Version}.String()
}

func (h *house) want(sessions map[string]string) {
	h.t.Helper()
	for name, want := range sessions {
		if got := h.session(name); got != want && !(strings.HasPrefix(want, "~") && strings.Contains(got, want[1:])) {
			h.t.Errorf("a session of %s gets %s, want %s", name, got, want)
		}
	}
}

// loaded are the versions in memory.
func (h *house) loaded() []string {
	var found []string
	for _, i := range h.List() {
		for _, v := range i.Versions {
			if v.Loaded {
				found = append(found, fmt.Sprintf("%s@%s", i.Name, v.Version))
			}
		}
	}
	return found
}

func wantKind(t testing.TB, err error, k Kind, text string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Kind != k || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want kind %d and %q", err, k, text)
	}
}
