package filecache

import (
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLinks: a link that is kept stays inside, whatever its target looks like.
func FuzzLinks(f *testing.F) {
	for _, s := range []string{"a", "../a", "/etc", "/mirror/p", "/mirror/../x", "a/../../b", "..", "./../..", "", "a//b", `a\..\..\..\b`} {
		f.Add("d/l", s)
	}
	c := &Cache{o: Options{LinkTargets: []string{"/mirror"}}}
	f.Fuzz(func(t *testing.T, name, target string) {
		clean, err := checkPaths([]string{name})
		if err != nil || c.checkLink(clean[0], target) != nil {
			return
		}
		resolved := target
		if !filepath.IsAbs(target) {
			resolved = filepath.Join("/work", filepath.Dir(clean[0]), target)
			if resolved != "/work" && !strings.HasPrefix(resolved, "/work/") {
				t.Errorf("%q -> %q leads to %q", clean[0], target, resolved)
			}
			return
		}
		if !strings.HasPrefix(filepath.Clean(resolved), "/mirror/") {
			t.Errorf("%q -> %q leads out of the mirror", clean[0], target)
		}
	})
}
