package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/proto/guestpb"
)

// declared is a version of a plugin with its file.
func declared(t testing.TB, ref string, change ...func(*guestpb.Manifest)) DeclaredPlugin {
	t.Helper()
	r, err := plugin.ParseRef(ref)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file.wasm")
	if err := os.WriteFile(path, module(t, ref, "", change...), 0o600); err != nil {
		t.Fatal(err)
	}
	return DeclaredPlugin{Ref: r, Source: path, At: "p.hcl:7"}
}

func (h *house) declare(d Declared) error {
	p, err := h.Prepare(h.t.Context(), d)
	if err == nil {
		p.Commit()
	}
	return err
}

// listed is all that there is, as a text.
func (h *house) listed() string {
	b, err := json.Marshal(h.List())
	if err != nil {
		h.t.Fatal(err)
	}
	return string(b)
}

// TestDeclared: what is declared goes before what operators have chosen, who can't say otherwise, and counts for as long as it is declared.
func TestDeclared(t *testing.T) {
	h := build(t)
	h.mustInstall("a@1.1.0", used)
	h.mustInstall("c@1.0.0")
	h.mustUse("a@1.1.0", "pinned", 0)
	chosen := map[string]string{"default": "a@1.1.0", "pinned": "a@1.1.0", "other": "a@1.1.0"}
	h.want(chosen)

	first := declared(t, "b@1.0.0")
	first.Grants, first.Limits = &plugin.Grants{Env: []string{"TF_VAR_x"}}, &guestpb.Limits{Files: 7}
	d := Declared{
		Plugins: []DeclaredPlugin{first, declared(t, "b@0.9.0"), {Ref: plugin.Ref{Name: "c"}, At: "p.hcl:9"}},
		Tenants: map[string]plugin.Ref{"pinned": {Name: "b", Version: "0.9.0"}, "third": {Name: "c"}},
	}
	p, err := h.Prepare(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	h.want(chosen)
	p.Commit()
	h.want(map[string]string{"default": "b@1.0.0", "pinned": "b@0.9.0", "third": "~no version of the plugin c is in use"})

	lease, err := h.Lease(tenant.Default)
	if err != nil || lease.Limits.GetFiles() != 7 {
		t.Fatalf("got %v, %v", lease, err)
	}
	lease.Release()
	use := func(ref, tenant string, canary int) func() error {
		return func() error { return h.use(ref, tenant, canary) }
	}
	for name, try := range map[string]func() error{
		"use":           use("b@0.9.0", "", 0),
		"the same":      use("b@1.0.0", "", 0),
		"a canary":      use("b@0.9.0", "", 10),
		"a tenant":      use("a@1.1.0", "pinned", 0),
		"a tenant, too": use("c", "third", 0),
		"rollback":      func() error { _, err := h.Rollback(t.Context(), "b"); return err },
		"grant":         func() error { return h.Grant(t.Context(), "b", &plugin.Grants{}) },
		"remove":        func() error { return h.Remove(t.Context(), plugin.Ref{Name: "b", Version: "0.9.0"}) },
		"install":       func() error { _, err := h.install("b@1.1.0", used); return err },
		"deploy":        func() error { _, err := h.install("b@1.1.0", func(i *Installation) { i.File = "b.wasm" }); return err },
		"install more": func() error {
			_, err := h.install("b@1.1.0", func(i *Installation) { i.Grants = &plugin.Grants{} })
			return err
		},
	} {
		before := h.listed()
		if err := try(); err == nil || !strings.Contains(err.Error(), "the configuration") {
			t.Errorf("%s: got %v", name, err)
		}
		if after := h.listed(); after != before {
			t.Errorf("%s has changed\n%s into\n%s", name, before, after)
		}
	}
	// What it leaves open is the operators'.
	h.mustUse("c@1.0.0", "", 0)
	h.mustUse("b@0.9.0", "other", 0)
	h.mustInstall("b@1.1.0")
	declaration := map[string]string{"default": "b@1.0.0", "pinned": "b@0.9.0", "third": "c@1.0.0", "other": "b@0.9.0"}
	h.want(declaration)

	// A daemon that starts needs the files no more.
	for _, p := range d.Plugins[:2] {
		if err := os.Remove(p.Source); err != nil {
			t.Fatal(err)
		}
	}
	h.options.Declared = d
	h.reopen()
	h.want(declaration)
	if err := h.declare(Declared{}); err != nil {
		t.Fatal(err)
	}
	h.want(map[string]string{"default": "a@1.1.0", "pinned": "a@1.1.0", "third": "a@1.1.0", "other": "b@0.9.0"})
	if err := h.Remove(t.Context(), plugin.Ref{Name: "b", Version: "1.0.0"}); err != nil {
		t.Error(err)
	}
}

// A declaration with a bad plugin is refused whole, and nothing is left of it, on the disk neither.
func TestBadDeclaration(t *testing.T) {
	h := build(t)
	h.mustInstall("a@1.1.0", used)
	h.bad = func(ref string) error {
		if ref == "b@6.6.6" {
			return errors.New("it traps")
		}
		return nil
	}
	files := func() int {
		entries, err := os.ReadDir(filepath.Join(h.dir, "modules"))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := h.listed()
	for name, test := range map[string]struct {
		bad  DeclaredPlugin
		want string
	}{
		"other bytes":        {with(declared(t, "b@1.0.0"), func(p *DeclaredPlugin) { p.Digest = strings.Repeat("0", 64) }), "expected was 0000"},
		"another version":    {with(declared(t, "b@1.0.0"), func(p *DeclaredPlugin) { p.Version = "2.0.0" }), "its manifest says b@1.0.0, expected was b@2.0.0"},
		"no file":            {with(declared(t, "b@1.0.0"), func(p *DeclaredPlugin) { p.Source += "x" }), "no such file"},
		"not installed":      {DeclaredPlugin{Ref: plugin.Ref{Name: "b", Version: "1.0.0"}, At: "p.hcl:7"}, "it is not installed: say its source"},
		"it fails":           {declared(t, "b@6.6.6"), "b@6.6.6 fails its probe: it traps"},
		"it asks for more":   {declared(t, "b@1.0.0", func(m *guestpb.Manifest) { m.Programs = []string{"sh"} }), "asks for more than is granted: the program sh"},
		"it asks for grants": {with(declared(t, "b@1.0.0", func(m *guestpb.Manifest) { m.Programs = []string{"terraform"} }), func(p *DeclaredPlugin) { p.Grants = &plugin.Grants{} }), "the program terraform"},
		"other bytes than those that are there": {with(declared(t, "a@1.1.0", func(m *guestpb.Manifest) { m.Description = "other" }),
			func(p *DeclaredPlugin) { p.Digest = strings.Repeat("1", 64) }), "is installed already, with other bytes"},
	} {
		err := h.declare(Declared{Plugins: []DeclaredPlugin{declared(t, "g@1.0.0"), test.bad}})
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "p.hcl:7: plugin ") {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
		if after := h.listed(); after != before || files() != 1 {
			t.Errorf("%s: there are %d files, and\n%s became\n%s", name, files(), before, after)
		}
	}
	p, err := h.Prepare(t.Context(), Declared{Plugins: []DeclaredPlugin{declared(t, "g@1.0.0")}})
	if err != nil {
		t.Fatal(err)
	}
	p.Discard()
	if after := h.listed(); after != before || files() != 1 {
		t.Errorf("what was discarded left %d files, and\n%s", files(), after)
	}
	// Nothing is locked.
	h.mustInstall("b@1.0.0", used)
	h.options.Declared = Declared{Plugins: []DeclaredPlugin{declared(t, "b@6.6.6")}}
	if r, err := New(t.Context(), h.options); err == nil || !strings.Contains(err.Error(), "it traps") {
		t.Errorf("a start with it: %v, %v", r, err)
	}
}

func with(p DeclaredPlugin, change func(*DeclaredPlugin)) DeclaredPlugin {
	change(&p)
	return p
}

// Plugins come by HTTPS, and are what they should be.
func TestFetch(t *testing.T) {
	good := module(t, "b@1.0.0", "")
	digest := sha256.Sum256(good)
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/b.wasm":
			_, _ = w.Write(good)
		case "/long.wasm":
			_, _ = w.Write(make([]byte, 65<<20))
		case "/elsewhere":
			http.Redirect(w, r, plain.URL, http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	h := build(t, func(o *Options) { o.Transport = server.Client().Transport })
	fetch := func(path string) error {
		return h.declare(Declared{Plugins: []DeclaredPlugin{{
			Ref: plugin.Ref{Name: "b", Version: "1.0.0"}, Source: server.URL + path, Digest: hex.EncodeToString(digest[:]), At: "p.hcl:7",
		}}})
	}
	for path, want := range map[string]string{
		"/none":      "the answer is 404 Not Found",
		"/elsewhere": "not by HTTPS",
		"/long.wasm": "larger than 67108864 bytes",
	} {
		if err := fetch(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
	// The good one comes last: a plugin that is installed is not fetched again.
	if err := fetch("/b.wasm"); err != nil {
		t.Error(err)
	}
	h.want(map[string]string{"default": "b@1.0.0"})
}
