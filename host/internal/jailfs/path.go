package jailfs

import (
	"path"
	"runtime"
	"strings"

	"github.com/tetratelabs/wazero/experimental/sys"
)

// maxPath is the longest path taken, in bytes, as on Linux. os.Root resolves component by component and has no such limit
// of its own, so a path of a megabyte would cost a million system calls.
const maxPath = 4096

// clean is the path as os.Root takes it. A path relative to an opened directory can arrive with leading slashes: wazero
// joins the directory's name and the path, and the name of a mount is empty. A trailing slash stays, it has a meaning.
func clean(name string) (string, sys.Errno) {
	if len(name) > maxPath {
		return "", sys.ENAMETOOLONG
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", sys.EINVAL
	}
	if runtime.GOOS == "windows" && strings.ContainsAny(name, `\:`) {
		return "", sys.EINVAL
	}
	name = strings.TrimLeft(name, "/")
	if name == "" {
		return ".", 0
	}
	return name, 0
}

// leavesLexically tells whether a link of that name with that target points out of the directory, links on the way aside.
// os.Root would not follow it anyway; a guest that unpacks an archive learns it when it makes the link.
func leavesLexically(target, link string) bool {
	if path.IsAbs(target) || runtime.GOOS == "windows" && strings.ContainsAny(target, `\:`) {
		return true
	}
	joined := path.Join(path.Dir(strings.TrimRight(link, "/")), target)
	return joined == ".." || strings.HasPrefix(joined, "../")
}

func trimSlash(name string) string {
	if trimmed := strings.TrimRight(name, "/"); trimmed != "" {
		return trimmed
	}
	return name
}

// toSlash gives a link's target the separators of WASI.
func toSlash(target string) string {
	if runtime.GOOS == "windows" {
		return strings.ReplaceAll(target, `\`, "/")
	}
	return target
}
