package daemon

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/registry"
)

// TestPluginsInTheFile: a plugin that the file declares is installed when it is reloaded, with its grants and limits, and operators can't say
// otherwise. A file with anything wrong in it changes nothing.
func TestPluginsInTheFile(t *testing.T) {
	cache, err := host.DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	file, err := plugin.BuildCached(t.Context(), filepath.FromSlash("../../../plugins/echo"), plugin.BuildOptions{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	found, err := plugin.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	const grants = "  grants {\n    programs = [\"terraform\", \"sh\"]\n    env = [\"*\"]\n  }\n"
	block := func(settings string) string {
		return fmt.Sprintf("plugin %q {\n  version = %q\n  source = %q\n%s\n}\n", found.Manifest.GetName(), found.Manifest.GetVersion(), file, settings)
	}
	r := start(t, twoTenants(""))
	visitAs := func(token, script string) error {
		c, err := client.Dial(r.Addresses()[0], client.Options{Token: token})
		if err != nil {
			return err
		}
		defer c.Close()
		return visit(t.Context(), c, script)
	}
	installed := func() (n int) {
		for _, p := range r.Runtime().Plugins().List() {
			for _, v := range p.Versions {
				if !v.Base {
					n++
				}
			}
		}
		return n
	}
	for source, want := range map[string]string{
		block("  sha256 = \""+strings.Repeat("0", 64)+"\"") + twoTenants(""): ":4:12: sha256 is 000",
		block("  grants {}") + twoTenants(""):                                "provisor.hcl:1: plugin echo@0.1.0: echo@0.1.0 asks for more than is granted: the program",
		block("") + twoTenants("  plugin = \"eco\""):                         "there is no plugin \"eco\": declare it",
		block(grants) + "listen \"unix:/etc/passwd\" {}\n" + twoTenants(""):  "no socket",
	} {
		r.write(t, source)
		if err := r.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if n := installed(); n != 0 {
			t.Errorf("%d plugins are installed after %v", n, err)
		}
		if err := visitAs("alpha", "on plan\nmemory 32MiB\n"); err != nil {
			t.Error(err)
		}
	}
	r.write(t, block(grants+"  limits {\n    memory_bytes = \"24MiB\"\n  }")+
		twoTenants("  plugin = \"echo\"\n  limits {\n    memory_bytes = \"16MiB\"\n  }"))
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for token, limit := range map[string]string{"alpha": "16 MiB", "beta": "24 MiB"} {
		if err := visitAs(token, "on plan\nmemory 32MiB\n"); err == nil || !strings.Contains(err.Error(), "the limit is "+limit+" (setting memory_bytes)") {
			t.Errorf("%s: got %v, want the limit of %s", token, err, limit)
		}
		if err := visitAs(token, "on plan\nlog info hello\n"); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.Runtime().Plugins().Use(t.Context(), registry.Choice{Ref: plugin.Ref{Name: "echo", Version: plugin.Base}}); err == nil || !strings.Contains(err.Error(), "the configuration says") {
		t.Errorf("an operator says otherwise: %v", err)
	}
	r.write(t, twoTenants(""))
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := visitAs("beta", "on plan\nmemory 32MiB\n"); err != nil {
		t.Errorf("without the block: %v", err)
	}
}
