package engine

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Reach is what the engine needs of the host's files beside its session's own directories, as absolute paths that exist.
type Reach struct {
	// Execute are files and directories to read and execute, Read those to read.
	Execute, Read []string
}

// Reach returns what the engine needs at this moment: its binary, the mirrors with what links in them lead to, and the files and the PATH
// that the operator's variables name.
func (e *Engine) Reach() Reach {
	var r Reach
	r.Execute = append(r.Execute, e.Path)
	if target, err := filepath.EvalSymlinks(e.Path); err == nil {
		r.Execute = append(r.Execute, target)
	}
	for _, dir := range e.mirrors {
		r.Execute = append(append(r.Execute, dir), linkTargets(dir)...)
	}
	for _, v := range e.passed {
		name, value, _ := strings.Cut(v, "=")
		switch {
		case name == "PATH":
			r.Execute = append(r.Execute, slices.DeleteFunc(filepath.SplitList(value), func(dir string) bool { return !isNarrow(dir) })...)
		case name == "SSL_CERT_DIR":
			r.Read = append(r.Read, slices.DeleteFunc(filepath.SplitList(value), func(dir string) bool { return !isNarrow(dir) })...)
		case isNarrow(value) && isFile(value):
			r.Read = append(r.Read, value)
		}
	}
	slices.Sort(r.Execute)
	r.Execute = slices.Compact(r.Execute)
	return r
}

// linkTargets is where the links of a mirror lead. A mirror may be made of them: init makes links to them, not to where they lead.
func linkTargets(mirror string) []string {
	var targets []string
	_ = walkMirror(mirror, "", 5, func(path string, e fs.DirEntry) { // HOST/NAMESPACE/NAME/VERSION/PLATFORM
		if e.Type() != fs.ModeSymlink {
			return
		}
		if target, err := filepath.EvalSymlinks(filepath.Join(mirror, path)); err == nil && isNarrow(target) {
			targets = append(targets, target)
		}
	})
	return targets
}

// isNarrow reports whether a path is absolute and not the root of everything.
func isNarrow(path string) bool { return filepath.IsAbs(path) && filepath.Clean(path) != "/" }

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
