package plugins_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisor/provisor/host/internal/plugin/registry"
)

// TestBadPlugins: each is refused, the old one stays, and the reason is in the answer and in the log.
func TestBadPlugins(t *testing.T) {
	d := start(t, tiny(t, "a@1.0.0"))
	d.must(d.install(tiny(t, "a@1.1.0"), used))
	state := filepath.Join(d.options.Plugins, "state.json")
	before, err := os.ReadFile(state)
	d.must(err)
	asks := func(f func(*tinyPlugin)) []byte { return tiny(t, "a@2.0.0", f) }
	for name, tt := range map[string]struct {
		module []byte
		digest string
		status int
		want   string
	}{
		"its digest differs":             {tiny(t, "a@2.0.0"), strings.Repeat("0", 64), 422, "expected was 0000"},
		"it asks for a program":          {asks(func(p *tinyPlugin) { p.manifest.Programs = []string{"sh"} }), "", 422, "a@2.0.0 asks for more than is granted: the program sh"},
		"it asks for a variable":         {asks(func(p *tinyPlugin) { p.manifest.Env = []string{"AWS_*"} }), "", 422, "the variable AWS_*"},
		"it traps in its probe":          {asks(func(p *tinyPlugin) { p.fails = 3 }), "", 422, "a@2.0.0 fails its probe: plugin a: trapped: unreachable"},
		"it traps on a parse":            {asks(func(p *tinyPlugin) { p.fails = 2 }), "", 422, "fails its probe: plugin a: trapped"},
		"it lies about its ABI":          {asks(func(p *tinyPlugin) { p.version = 2 << 16 }), "", 422, "it speaks version 2.0 of the ABI"},
		"its manifest says another ABI":  {asks(func(p *tinyPlugin) { p.manifest.AbiVersion = 2 << 16 }), "", 422, "abi_version: it speaks version 2.0"},
		"a name that can't be one":       {asks(func(p *tinyPlugin) { p.manifest.Name = "../../etc" }), "", 422, `name: \"../../etc\" must be`},
		"a version that can't be one":    {asks(func(p *tinyPlugin) { p.manifest.Version = "latest" }), "", 422, `version: \"latest\" is not a semantic version`},
		"the name of the base version":   {asks(func(p *tinyPlugin) { p.manifest.Version = "base" }), "", 422, `is not a semantic version`},
		"a version that has other bytes": {tiny(t, "a@1.1.0", func(p *tinyPlugin) { p.mark = "other" }), "", 409, "a@1.1.0 is installed already, with other bytes"},
		"no manifest":                    {asks(func(p *tinyPlugin) { p.bare = true }), "", 422, "the file has no manifest"},
		"half of a file":                 {tiny(t, "a@2.0.0")[:500], "", 422, "cut short"},
		"no plugin":                      {[]byte("#!/bin/sh\n"), "", 422, "not a WebAssembly binary module"},
		"nothing":                        {nil, "", 422, "not a WebAssembly binary module"},
	} {
		t.Run(name, func(t *testing.T) {
			err := d.install(tt.module, used, func(i *registry.Installation) { i.Digest = tt.digest })
			want := strings.ReplaceAll(tt.want, `\"`, `"`)
			wantAnswer(t, err, tt.status, want)
			found := false
			for line := range strings.Lines(d.log.String()) {
				found = found || strings.Contains(line, "a plugin was not installed") && strings.Contains(line, tt.want)
			}
			if !found {
				t.Errorf("the reason is not in the log: %s", tt.want)
			}
			if got := d.whole("default"); got != "a@1.1.0" {
				t.Errorf("afterwards a session got %s", got)
			}
			if after, err := os.ReadFile(state); err != nil || string(after) != string(before) {
				t.Errorf("the state has changed: %v\n%s", err, after)
			}
		})
	}
	if files, _ := filepath.Glob(filepath.Join(d.options.Plugins, "modules", "*")); len(files) != 1 {
		t.Errorf("files are left: %v", files)
	}
	for _, v := range d.info("a").Versions {
		if v.Loaded != v.Active {
			t.Errorf("listed is %+v", v)
		}
	}
}

// TestBadRequests are those that no client of ours sends.
func TestBadRequests(t *testing.T) {
	d := start(t, tiny(t, "a@1.0.0"))
	for name, tt := range map[string]struct {
		method, path, query, body string
		status                    int
		want                      string
	}{
		"a plugin that is not there":   {"POST", "/v1/plugins/z/use", "", `{"version":"1.0.0"}`, 404, "there is no plugin z: there are a"},
		"a version that is not there":  {"POST", "/v1/plugins/a/use", "", `{"version":"7.0.0"}`, 404, "a@7.0.0 is not installed: there are base"},
		"a name that can't be one":     {"POST", "/v1/plugins/A/use", "", `{"version":"1.0.0"}`, 400, `"A" is not a plugin's name`},
		"a name with a version":        {"POST", "/v1/plugins/a@1.0.0/rollback", "", ``, 400, "an @ in the name"},
		"a version that can't be one":  {"POST", "/v1/plugins/a/use", "", `{"version":"../x"}`, 400, "not a semantic version"},
		"no version":                   {"POST", "/v1/plugins/a/use", "", `{}`, 400, "say which version of a"},
		"a canary of all":              {"POST", "/v1/plugins/a/use", "", `{"version":"base","canary":100}`, 400, "1% to 50%"},
		"a canary below nothing":       {"POST", "/v1/plugins/a/use", "", `{"version":"base","canary":-1}`, 400, "1% to 50%"},
		"a canary for one":             {"POST", "/v1/plugins/a/use", "", `{"version":"base","canary":10,"tenant":"t"}`, 400, "can't be given to the tenant"},
		"a tenant that can't be one":   {"POST", "/v1/plugins/a/use", "", `{"version":"base","tenant":"../t"}`, 400, "tenant name"},
		"no JSON":                      {"POST", "/v1/plugins/a/use", "", `version`, 400, "not the JSON"},
		"a field too many":             {"POST", "/v1/plugins/a/use", "", `{"version":"base","force":true}`, 400, "unknown field"},
		"grants that can't be":         {"PUT", "/v1/plugins/a/grants", "", `{"grants":{"programs":["/bin/sh"]}}`, 400, "logical name"},
		"a removal of what is not":     {"DELETE", "/v1/plugins/a/versions/7.0.0", "", ``, 404, "not installed"},
		"a removal of the base":        {"DELETE", "/v1/plugins/a/versions/base", "", ``, 409, "can't be removed"},
		"a parameter too many":         {"POST", "/v1/plugins", "force=true", ``, 400, "there is no such parameter"},
		"a parameter twice":            {"POST", "/v1/plugins", "use=true&use=false", ``, 400, "more than once"},
		"a parameter that can't be":    {"POST", "/v1/plugins", "canary=ten", ``, 400, "canary"},
		"a method that there is not":   {"PATCH", "/v1/plugins/a/use", "", ``, 404, "no such request"},
		"a path that leads elsewhere":  {"DELETE", "/v1/plugins/a/versions/..%2f..%2fx", "", ``, 400, "not a semantic version"},
		"a rollback to nothing before": {"POST", "/v1/plugins/a/rollback", "", ``, 409, "nothing to go back to"},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := d.raw(tt.method, tt.path, tt.query, tt.body)
			if status != tt.status || !strings.Contains(text, tt.want) {
				t.Errorf("got %d %s, want %d %s", status, text, tt.status, tt.want)
			}
		})
	}
	if got := d.whole("default"); got != "a@1.0.0" {
		t.Errorf("afterwards a session got %s", got)
	}
}
