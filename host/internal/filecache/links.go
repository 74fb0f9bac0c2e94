package filecache

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/provisor/provisor/abi"
)

// checkLink refuses a symlink that would lead a later session to where it has no business. Links that stay are those that engines make
// into the operator's mirror of providers, and relative ones within the work directory.
func (c *Cache) checkLink(name, target string) error {
	if filepath.IsAbs(target) {
		for _, dir := range c.o.LinkTargets {
			if target == filepath.Clean(target) && strings.HasPrefix(target, dir+string(filepath.Separator)) {
				return nil
			}
		}
	} else if within(path.Dir(name), filepath.ToSlash(target)) {
		return nil
	}
	return fmt.Errorf("%w: the symlink %q leads out of %s, to %q", abi.Denied, name, abi.WorkDir, target)
}

// within reports whether a link's target stays in the work directory. ".." counts only where it comes first: there it leaves real
// directories, later on it may leave what another link leads to.
func within(dir, target string) bool {
	if target == "" || strings.ContainsAny(target, "\x00\\") {
		return false
	}
	down := false
	for _, element := range strings.Split(target, "/") {
		if element == ".." && down {
			return false
		}
		down = down || element != ".." && element != "."
	}
	return filepath.IsLocal(filepath.FromSlash(path.Join(dir, target)))
}

// checkLinks refuses an entry with a link into a directory of the operator's that is no longer there, or no longer the operator's.
func (c *Cache) checkLinks(m *manifest) error {
	for _, n := range m.Nodes {
		if n.Link == "" {
			continue
		}
		if err := c.checkLink(n.Name, n.Link); err != nil {
			return err
		}
		if !filepath.IsAbs(n.Link) {
			continue
		}
		if _, err := os.Stat(n.Link); err != nil {
			return err
		}
	}
	return nil
}
