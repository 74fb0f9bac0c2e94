package main

import "runtime/debug"

// version is the module's version as the Go toolchain recorded it: a release's tag, or "(devel)" in a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
