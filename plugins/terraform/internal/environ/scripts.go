package environ

import (
	_ "embed"
	"strings"
)

// The scripts that start an agent on a fresh machine. The coder provider fills in ${ACCESS_URL}, which ends in a slash, and
// ${AUTH_TYPE}; here @PLATFORM@ becomes the name of the binary.
var (
	//go:embed scripts/posix.sh
	posixScript string
	//go:embed scripts/windows.ps1
	windowsScript string
)

// scripts are the bootstrap scripts by "os_arch".
var scripts = makeScripts()

func makeScripts() map[string]string {
	out := make(map[string]string)
	for _, p := range []struct{ os, arch, script string }{
		{"linux", "amd64", posixScript},
		{"linux", "arm64", posixScript},
		{"linux", "armv7", posixScript},
		{"darwin", "amd64", posixScript},
		{"darwin", "arm64", posixScript},
		{"windows", "amd64", windowsScript},
		{"windows", "arm64", windowsScript},
	} {
		out[p.os+"_"+p.arch] = strings.ReplaceAll(p.script, "@PLATFORM@", p.os+"-"+p.arch)
	}
	return out
}
