package engine

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/semver"
)

// Whatever a binary says, its version is one line of harmless characters, or an error of a readable length.
func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"Terraform v1.11.4\non linux_amd64\n", "OpenTofu v1.12.6-dev", "Terraform v0.12.31\r\n", "Terraform v1.2.3-\x00\n", "OpenTofu v1.2.3 \n", "", `{"terraform_version":"1.2.3"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, said string) {
		v, err := parseVersion(said)
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			var ok bool
			if v, ok = parseVersionJSON(said, "engine"); !ok {
				return
			}
		}
		if v.Name != Terraform && v.Name != Tofu || len(v.Version) > 128 || strings.ContainsAny(v.Version, " \n\r\t\x00/\\\"") {
			t.Errorf("got %+v", v)
		}
	})
}

// No package and no address leads out of the mirror.
func FuzzMirrorPaths(f *testing.F) {
	f.Add("github.com/coder/terraform-provider-coder/v2@v2.20.0", "registry.terraform.io/coder/coder")
	f.Add("a.b/c@v1.0.0-..", "../../etc")
	f.Add("a.b/c@v1.0.0-x/../../../y", "a/..")
	f.Add("a.b/c@v1.0.0+meta", "a.b:80/c/d")
	f.Fuzz(func(t *testing.T, pkg, address string) {
		p, err := parsePackage(pkg)
		if err != nil {
			return
		}
		if strings.HasPrefix(p.pkg, "-") || !semver.IsValid(p.version) {
			t.Errorf("package %+v", p)
		}
		addresses, err := expandAddresses([]string{address})
		if err != nil {
			return
		}
		mirror := filepath.FromSlash("/mirror")
		for _, a := range addresses {
			dir := packageDir(mirror, a, p.version)
			rel, err := filepath.Rel(mirror, dir)
			if err != nil || !filepath.IsLocal(rel) || strings.Count(rel, string(filepath.Separator)) != 4 {
				t.Errorf("%q as %q lands in %q", pkg, a, dir)
			}
		}
	})
}
