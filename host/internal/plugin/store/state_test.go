package store

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/provisor/provisor/host/internal/plugin"
)

var digests = []string{strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("0", 64)}

// full has something in every field.
func full() *State {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &State{
		Format: format, Default: "echo",
		Plugins: map[string]*Plugin{
			"echo": {
				Active: "1.1.0", Previous: plugin.Base, Replaced: "terraform",
				Canary:    &Canary{Version: "1.2.0", Percent: 10, Since: at},
				Withdrawn: &Withdrawn{Version: "1.3.0", At: at, Reason: "it failed"},
				Grants:    &plugin.Grants{Programs: []string{"terraform"}, Env: []string{"TF_*"}},
				Versions: map[string]*Version{
					"1.1.0": {Digest: digests[0], Size: 7, Installed: at, File: "echo.wasm"},
					"1.2.0": {Digest: digests[1], Size: 8, Installed: at},
				},
			},
			"terraform": {},
		},
		Tenants:  map[string]Choice{"a": {Plugin: "echo", Version: "1.2.0"}, "b": {Plugin: "terraform", Version: plugin.Base}, "c": {Plugin: "echo"}},
		Deployed: map[string]string{"echo.wasm": digests[0]},
	}
}

func TestEncode(t *testing.T) {
	b, err := full().Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full(), got); diff != "" {
		t.Error(diff)
	}
	if again, err := full().Clone().Encode(); err != nil || !bytes.Equal(b, again) {
		t.Errorf("a copy is %s, %v", again, err)
	}
	// A copy shares nothing.
	original := full()
	c := original.Clone()
	c.Plugins["echo"].Canary.Percent, c.Plugins["echo"].Withdrawn.Reason, c.Plugins["echo"].Grants.Env[0] = 9, "x", "y"
	c.Plugins["echo"].Versions["1.1.0"].Size, c.Tenants["a"], c.Deployed["x"] = 9, Choice{}, "y"
	delete(c.Plugins, "terraform")
	if diff := cmp.Diff(full(), original); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*State)
		want   string
	}{
		"a plugin's name":           {func(s *State) { s.Plugins["../x"] = &Plugin{} }, `"../x" is not a plugin`},
		"no plugin":                 {func(s *State) { s.Plugins["x"] = nil }, `"x" is not a plugin`},
		"a version":                 {func(s *State) { s.Plugins["echo"].Versions["1"] = &Version{Digest: digests[2]} }, "not a semantic version"},
		"no digest":                 {func(s *State) { s.Plugins["echo"].Versions["2.0.0"] = &Version{} }, "has no digest"},
		"a digest that is a path":   {func(s *State) { s.Plugins["echo"].Versions["2.0.0"] = &Version{Digest: "../../etc/passwd"} }, "has no digest"},
		"no version":                {func(s *State) { s.Plugins["echo"].Versions["2.0.0"] = nil }, "has no digest"},
		"one digest twice":          {func(s *State) { s.Plugins["echo"].Versions["2.0.0"] = &Version{Digest: digests[0]} }, "have one digest"},
		"a size":                    {func(s *State) { s.Plugins["echo"].Versions["1.1.0"].Size = -1 }, "such a file"},
		"what is active is missing": {func(s *State) { s.Plugins["echo"].Active = "9.0.0" }, `"9.0.0" is not installed`},
		"what was before is":        {func(s *State) { s.Plugins["echo"].Previous = "9.0.0" }, `"9.0.0" is not installed`},
		"a canary that is missing":  {func(s *State) { s.Plugins["echo"].Canary.Version = "9.0.0" }, "can't be a canary"},
		"a canary of none":          {func(s *State) { s.Plugins["echo"].Canary.Percent = 0 }, "with 0 percent"},
		"a canary of all":           {func(s *State) { s.Plugins["echo"].Canary.Percent = 100 }, "with 100 percent"},
		"a withdrawn one":           {func(s *State) { s.Plugins["echo"].Withdrawn.Version = "x" }, "can't have been withdrawn"},
		"a long reason":             {func(s *State) { s.Plugins["echo"].Withdrawn.Reason = strings.Repeat("x", maxText+1) }, "can't have been withdrawn"},
		"a grant":                   {func(s *State) { s.Plugins["echo"].Grants.Programs[0] = "/bin/sh" }, "logical name"},
		"what it replaced":          {func(s *State) { s.Plugins["echo"].Replaced = "/" }, "not a plugin's name"},
		"the default":               {func(s *State) { s.Default = "/" }, "the default plugin"},
		"a tenant":                  {func(s *State) { s.Tenants["../x"] = Choice{Plugin: "echo"} }, "tenant name"},
		"a tenant's plugin":         {func(s *State) { s.Tenants["a"] = Choice{Plugin: "/"} }, "not a plugin's name"},
		"a tenant's version":        {func(s *State) { s.Tenants["a"] = Choice{Plugin: "echo", Version: "9.0.0"} }, "echo@9.0.0 is not installed"},
		"a deployed file":           {func(s *State) { s.Deployed["x"] = "y" }, "has no digest"},
	} {
		t.Run(name, func(t *testing.T) {
			s := full()
			tt.change(s)
			if _, err := s.Encode(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	for text, want := range map[string]string{
		"":                              "unexpected end",
		"{}":                            "format 0",
		`{"format": 2, "new": true}`:    "written by another version",
		`{"format": 1, "other": 1}`:     "unknown field",
		`{"format": 1}{}`:               "after top-level value",
		`{"format": 1, "plugins": 1}`:   "cannot unmarshal",
		strings.Repeat(" ", maxState+1): "the limit is",
	} {
		if _, err := Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
}

// FuzzDecode: what is taken can be written and is then the same.
func FuzzDecode(f *testing.F) {
	b, err := full().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"format":1}`))
	f.Add([]byte(`{"format":1,"plugins":{"a":{"versions":{"1.0.0":null}}}}`))
	f.Add([]byte(`{"format":1,"tenants":{"a":{"plugin":"a"}},"deployed":{"a":""}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			return
		}
		first, err := s.Encode()
		if err != nil {
			t.Fatalf("what was taken can't be written: %v", err)
		}
		again, err := Decode(first)
		if err != nil {
			t.Fatalf("what was written can't be read: %v", err)
		}
		if second, err := again.Clone().Encode(); err != nil || !bytes.Equal(first, second) {
			t.Errorf("%v: it changes when it is written again:\n%s\n%s", err, first, second)
		}
	})
}
