package registry

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/tenant"
	"github.com/provisor/provisor/proto/guestpb"
)

func TestUse(t *testing.T) {
	h := build(t)
	h.want(map[string]string{"default": "a@1.0.0"})
	h.mustInstall("a@1.1.0")
	h.want(map[string]string{"default": "a@1.0.0"})
	h.mustUse("a@1.1.0", "", 0)
	h.want(map[string]string{"default": "a@1.1.0", "other": "a@1.1.0"})
	h.reopen()
	h.want(map[string]string{"default": "a@1.1.0"})
	h.mustInstall("a@1.2.0", used)
	h.want(map[string]string{"default": "a@1.2.0"})
	// What the daemon was started with is a version, too.
	h.mustUse("a@base", "", 0)
	h.want(map[string]string{"default": "a@1.0.0"})
	h.mustUse("a@1.2.0", "", 0)
	h.mustUse("a@1.0.0", "", 0)
	h.want(map[string]string{"default": "a@1.0.0"})
	if got := h.loaded(); !slices.Equal(got, []string{"a@1.0.0"}) {
		t.Errorf("loaded are %v", got)
	}
}

func TestAnotherPlugin(t *testing.T) {
	h := build(t)
	h.mustInstall("b@1.0.0", used)
	h.want(map[string]string{"default": "b@1.0.0"})
	h.reopen()
	h.want(map[string]string{"default": "b@1.0.0"})
	if done, err := h.Rollback(t.Context(), "b"); err != nil || done != "a@base is in use again" {
		t.Errorf("rolled back: %q, %v", done, err)
	}
	h.want(map[string]string{"default": "a@1.0.0"})
	h.mustUse("b@1.0.0", "", 0)
	h.mustInstall("b@1.1.0", used)
	for _, want := range []string{"b@1.0.0", "b@1.1.0"} {
		if _, err := h.Rollback(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		h.want(map[string]string{"default": want})
	}
}

func TestRollback(t *testing.T) {
	h := build(t)
	_, err := h.Rollback(t.Context(), "a")
	wantKind(t, err, Conflict, "nothing to go back to")
	_, err = h.Rollback(t.Context(), "z")
	wantKind(t, err, NotFound, "there is no plugin z: there are a")
	h.mustInstall("a@1.1.0", used)
	h.mustInstall("a@1.2.0", used)
	if _, err := h.Rollback(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	h.want(map[string]string{"default": "a@1.1.0"})
	// A canary is what is undone first.
	h.mustUse("a@1.2.0", "", 10)
	if done, err := h.Rollback(t.Context(), "a"); err != nil || done != "the canary a@1.2.0 is withdrawn" {
		t.Errorf("rolled back: %q, %v", done, err)
	}
	h.want(map[string]string{"default": "a@1.1.0"})
	if got := h.loaded(); !slices.Equal(got, []string{"a@1.1.0"}) {
		t.Errorf("loaded are %v", got)
	}
}

func TestRollbackToBase(t *testing.T) {
	h := build(t)
	h.mustInstall("a@1.1.0", used)
	h.reopen()
	if got := h.loaded(); !slices.Equal(got, []string{"a@1.1.0"}) {
		t.Errorf("loaded are %v: the base is not needed", got)
	}
	if done, err := h.Rollback(t.Context(), "a"); err != nil || done != "a@base is in use again" {
		t.Errorf("rolled back: %q, %v", done, err)
	}
	h.want(map[string]string{"default": "a@1.0.0"})
}

func TestPin(t *testing.T) {
	h := build(t)
	h.mustInstall("a@1.1.0", used)
	h.mustInstall("a@1.2.0")
	h.mustInstall("b@1.0.0")
	h.mustUse("a@1.2.0", "early", 0)
	h.mustUse("a@base", "late", 0)
	h.mustUse("b@1.0.0", "bees", 0)
	all := map[string]string{"default": "a@1.1.0", "early": "a@1.2.0", "late": "a@1.0.0", "bees": "b@1.0.0"}
	h.want(all)
	h.reopen()
	h.want(all)
	wantKind(t, h.Remove(t.Context(), plugin.Ref{Name: "a", Version: "1.2.0"}), Conflict, "tenants are pinned to it: early")
	h.mustUse("a", "early", 0)
	h.want(map[string]string{"early": "a@1.1.0"})
	if err := h.Remove(t.Context(), plugin.Ref{Name: "a", Version: "1.2.0"}); err != nil {
		t.Error(err)
	}
	wantKind(t, h.use("a@1.1.0", "../x", 0), Invalid, "tenant name")
}

func TestRemove(t *testing.T) {
	h := build(t)
	h.mustInstall("a@1.1.0", used)
	old := plugin.Ref{Name: "a", Version: "1.1.0"}
	wantKind(t, h.Remove(t.Context(), old), Conflict, "it is in use; use another version of a first")
	wantKind(t, h.Remove(t.Context(), plugin.Ref{Name: "a", Version: "9.0.0"}), NotFound, "there are base, 1.1.0")
	wantKind(t, h.Remove(t.Context(), plugin.Ref{Name: "a", Version: "base"}), Conflict, "not installed")
	inFlight, err := h.Lease(tenant.Default)
	if err != nil {
		t.Fatal(err)
	}
	h.mustInstall("a@1.2.0", used)
	if err := h.Remove(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(h.dir, "modules", "*")); len(files) != 1 {
		t.Errorf("files are left: %v", files)
	}
	// The session in flight keeps it.
	if inFlight.Plugin.Version != "1.1.0" {
		t.Errorf("the session has %s now", inFlight.Plugin.Version)
	}
	if sessions, compiled := h.shelf.users(inFlight.version.key); sessions != 1 || !compiled {
		t.Errorf("%d sessions use it, compiled is %v", sessions, compiled)
	}
	key := inFlight.version.key
	inFlight.Release()
	if _, compiled := h.shelf.users(key); compiled {
		t.Error("its code is still there after the last session")
	}
	_, err = h.Rollback(t.Context(), "a")
	wantKind(t, err, Conflict, "nothing to go back to")
	h.mustUse("a@1.2.0", "", 0)
	h.mustInstall("a@1.3.0")
	h.mustUse("a@1.3.0", "", 10)
	wantKind(t, h.Remove(t.Context(), plugin.Ref{Name: "a", Version: "1.3.0"}), Conflict, "it is the canary")
}

// TestRemoveUnused removes the last version of a plugin that no tenant gets any more.
func TestRemoveUnused(t *testing.T) {
	h := build(t)
	h.mustInstall("b@1.0.0", used)
	if _, err := h.Rollback(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if err := h.Remove(t.Context(), plugin.Ref{Name: "b", Version: "1.0.0"}); err != nil {
		t.Fatal(err)
	}
	h.reopen()
	h.want(map[string]string{"default": "a@1.0.0"})
	if list := h.List(); len(list) != 1 {
		t.Errorf("listed are %+v", list)
	}
}

func TestInstallRefuses(t *testing.T) {
	h := build(t, func(o *Options) { o.Grants = map[string]plugin.Grants{"declared": {}} })
	h.mustInstall("a@1.1.0", used)
	h.bad = func(ref string) error {
		if ref == "bad@1.0.0" {
			return errors.New("it trapped")
		}
		return nil
	}
	for name, tt := range map[string]struct {
		module []byte
		change func(*Installation)
		kind   Kind
		want   string
	}{
		"another digest":         {module(t, "a@2.0.0", ""), func(i *Installation) { i.Digest = strings.Repeat("0", 64) }, Refused, "expected was 000"},
		"another name":           {module(t, "b@2.0.0", ""), func(i *Installation) { i.Want = plugin.Ref{Name: "a"} }, Refused, "its manifest says b@2.0.0, expected was a"},
		"another version":        {module(t, "a@2.0.0", ""), func(i *Installation) { i.Want = plugin.Ref{Name: "a", Version: "2.0.1"} }, Refused, "expected was a@2.0.1"},
		"a version that exists":  {module(t, "a@1.1.0", "other"), nil, Conflict, "installed already, with other bytes"},
		"a program":              {module(t, "a@2.0.0", "", func(m *guestpb.Manifest) { m.Programs = []string{"terraform", "sh"} }), nil, Refused, "asks for more than is granted: the program sh;"},
		"a variable":             {module(t, "a@2.0.0", "", func(m *guestpb.Manifest) { m.Env = []string{"TF_*"} }), nil, Refused, "the variable TF_*"},
		"its probe":              {module(t, "bad@1.0.0", ""), nil, Refused, "bad@1.0.0 fails its probe: it trapped"},
		"a name":                 {module(t, "a@2.0.0", "", func(m *guestpb.Manifest) { m.Name = "../a" }), nil, Refused, `name: "../a" must be`},
		"a version":              {module(t, "a@2.0.0", "", func(m *guestpb.Manifest) { m.Version = "2" }), nil, Refused, `version: "2" is not a semantic version`},
		"a version of the ABI":   {module(t, "a@2.0.0", "", func(m *guestpb.Manifest) { m.AbiVersion = 9 << 16 }), nil, Refused, "it speaks version 9.0 of the ABI"},
		"no plugin":              {[]byte("\x7fELF"), nil, Refused, "the file is not a plugin: not a WebAssembly binary module"},
		"nothing":                {nil, nil, Refused, "the file is not a plugin"},
		"half of one":            {module(t, "a@2.0.0", "")[:300], nil, Refused, "cut short"},
		"no manifest":            {withoutManifest(t), nil, Refused, "it has no name and version"},
		"no code":                {withManifest(t, []byte("\x00asm\x01\x00\x00\x00")), nil, Refused, "it lacks the export provisor_handle"},
		"a canary of everybody":  {module(t, "a@2.0.0", ""), func(i *Installation) { i.Canary = 100 }, Invalid, "1% to 50%"},
		"a canary of nothing":    {module(t, "c@2.0.0", ""), func(i *Installation) { i.Canary = 10 }, Conflict, "no version of c is in use"},
		"grants that can't be":   {module(t, "a@2.0.0", ""), func(i *Installation) { i.Grants = &plugin.Grants{Programs: []string{"/bin/sh"}} }, Invalid, "logical name"},
		"grants declared before": {module(t, "declared@1.0.0", ""), func(i *Installation) { i.Grants = &plugin.Grants{} }, Conflict, "--grant"},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := h.options.Store.State().Encode()
			if err != nil {
				t.Fatal(err)
			}
			i := Installation{Module: bytes.NewReader(tt.module), Use: true}
			if tt.change != nil {
				tt.change(&i)
			}
			_, err = h.Install(t.Context(), i)
			wantKind(t, err, tt.kind, tt.want)
			after, err := h.options.Store.State().Encode()
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the state has changed (%v):\n%s", err, after)
			}
			if files, _ := filepath.Glob(filepath.Join(h.dir, "modules", "*")); len(files) != 1 {
				t.Errorf("files are left: %v", files)
			}
			h.want(map[string]string{"default": "a@1.1.0"})
			if !strings.Contains(h.log.String(), "was not installed") {
				t.Error("nothing of it in the log")
			}
		})
	}
	if got := h.loaded(); !slices.Equal(got, []string{"a@1.1.0"}) {
		t.Errorf("loaded are %v", got)
	}
	if n := len(h.shelf.versions); n != 1 {
		t.Errorf("%d versions are in memory", n)
	}
}

func withoutManifest(t *testing.T) []byte {
	t.Helper()
	m := module(t, "a@2.0.0", "")
	return m[:bytes.Index(m, []byte("provisor.manifest"))-3]
}

// withManifest is the module with the manifest of a@2.0.0.
func withManifest(t *testing.T, m []byte) []byte {
	t.Helper()
	whole := module(t, "a@2.0.0", "")
	return append(m, whole[len(withoutManifest(t)):]...)
}

func TestInstallAgain(t *testing.T) {
	h := build(t)
	for _, already := range []bool{false, true} {
		got, err := h.install("a@1.1.0", used)
		if err != nil || got.Already != already || !got.Default || got.Active != "1.1.0" {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	// A damaged file is noticed, and mended by that.
	files, _ := filepath.Glob(filepath.Join(h.dir, "modules", "*"))
	if err := os.WriteFile(files[0], []byte("\x00asm"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.reopen()
	h.want(map[string]string{"default": "~is damaged"})
	if list := h.List(); !strings.Contains(list[0].Versions[1].Problem, "is damaged") {
		t.Errorf("listed is %+v", list)
	}
	h.mustInstall("a@1.1.0")
	h.want(map[string]string{"default": "a@1.1.0"})
}

func TestGrant(t *testing.T) {
	h := build(t)
	asks := module(t, "a@2.0.0", "", func(m *guestpb.Manifest) {
		m.Programs, m.Env = []string{"terraform", "sh"}, []string{"TF_VAR_*", "MY_*"}
	})
	i := Installation{Module: bytes.NewReader(asks), Use: true, Grants: &plugin.Grants{Programs: []string{"sh", "git"}, Env: []string{"MY_*"}}}
	if _, err := h.Install(t.Context(), i); err != nil {
		t.Fatal(err)
	}
	got := func() string {
		t.Helper()
		l, err := h.Lease(tenant.Default)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Release()
		return strings.Join(append(l.Grants.Programs, l.Grants.Env...), " ")
	}
	if got := got(); got != "terraform sh MY_* TF_VAR_*" {
		t.Errorf("got %s", got)
	}
	h.reopen()
	// Less is granted: sessions get less, and it can't be chosen again.
	if err := h.Grant(t.Context(), "a", &plugin.Grants{Env: []string{"TF_VAR_a"}}); err != nil {
		t.Fatal(err)
	}
	if got := got(); got != "TF_VAR_a" {
		t.Errorf("got %s", got)
	}
	wantKind(t, h.use("a@2.0.0", "", 0), Refused, "asks for more than is granted: the program terraform, the program sh")
	if err := h.Grant(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	if got := got(); got != "terraform TF_VAR_*" {
		t.Errorf("got %s", got)
	}
}

// TestDeploy is what a watched directory does.
func TestDeploy(t *testing.T) {
	h := build(t)
	deploy := func(ref, file string) {
		t.Helper()
		h.mustInstall(ref, func(i *Installation) { i.File = file })
	}
	deploy("a@1.1.0", "a.wasm")
	h.want(map[string]string{"default": "a@1.1.0"})
	deploy("b@1.0.0", "b.wasm")
	h.want(map[string]string{"default": "b@1.0.0"})
	deploy("c@1.0.0", "c.wasm") // somebody chose b
	deploy("b@1.1.0", "b.wasm")
	h.want(map[string]string{"default": "b@1.1.0"})
	digest := h.Deployed("b.wasm")
	deploy("b@1.0.0", "b.wasm") // back to the old one
	h.want(map[string]string{"default": "b@1.0.0"})
	if now := h.Deployed("b.wasm"); now == digest || now == "" {
		t.Errorf("deployed is %s", now)
	}
	if err := h.Undeployed(t.Context(), map[string]bool{"a.wasm": true}); err != nil {
		t.Fatal(err)
	}
	h.reopen()
	if h.Deployed("b.wasm") != "" || h.Deployed("a.wasm") == "" {
		t.Error("what is gone is still known as deployed, or what is there is not")
	}
	h.want(map[string]string{"default": "b@1.0.0"})
}

// TestReadOnly has two daemons on one directory.
func TestReadOnly(t *testing.T) {
	h := build(t)
	h.mustInstall("a@1.1.0", used)
	second := build(t, func(*Options) {})
	second.close()
	second.dir = h.dir
	second.open()
	second.want(map[string]string{"default": "a@1.1.0"})
	for _, err := range []error{
		second.use("a@1.1.0", "", 0), second.Remove(t.Context(), plugin.Ref{Name: "a", Version: "1.1.0"}), second.Grant(t.Context(), "a", nil),
	} {
		wantKind(t, err, Conflict, "another daemon that is running keeps its plugins")
	}
	_, err := second.install("a@1.2.0")
	wantKind(t, err, Conflict, "another daemon")
}

// TestManyAtOnce swaps, removes and reads while sessions come and go.
func TestManyAtOnce(t *testing.T) {
	h := build(t)
	versions := []string{"a@1.1.0", "a@1.2.0", "a@1.3.0"}
	for _, v := range versions {
		h.mustInstall(v)
	}
	ctx, stop := context.WithCancel(t.Context())
	var sessions, changes sync.WaitGroup
	for range 8 {
		sessions.Go(func() {
			for ctx.Err() == nil {
				l, err := h.Lease(tenant.Default)
				if err != nil {
					t.Error(err)
					return
				}
				if l.Plugin.Module == nil || l.Plugin.Name != "a" {
					t.Errorf("leased is %+v", l.Plugin)
				}
				l.Release()
			}
		})
	}
	for i := range 4 {
		changes.Go(func() {
			for n := range 15 {
				switch {
				case i == 0:
					_ = h.Remove(ctx, plugin.Ref{Name: "a", Version: "1.3.0"})
					h.mustInstall("a@1.3.0")
				case i == 1 && n%3 == 0:
					_, _ = h.Rollback(ctx, "a")
				case i == 2:
					h.List()
					fallthrough
				default:
					if err := h.use(versions[n%3], "", 10*(n%2)); err != nil {
						var e *Error
						if !errors.As(err, &e) || e.Kind == Refused {
							t.Error(err)
						}
					}
				}
			}
		})
	}
	changes.Wait()
	stop()
	sessions.Wait()
	h.mustUse("a@1.1.0", "", 0)
	if got := h.loaded(); !slices.Equal(got, []string{"a@1.1.0"}) || len(h.shelf.versions) != 1 {
		t.Errorf("loaded are %v, %d versions in memory", got, len(h.shelf.versions))
	}
	h.reopen()
	h.want(map[string]string{"default": "a@1.1.0"})
}
