package plugin

import (
	"fmt"
	"strings"
)

// Ref is a version of a plugin.
type Ref struct{ Name, Version string }

// ParseRef reads a version of a plugin, NAME@VERSION, or a plugin without one, NAME.
func ParseRef(s string) (Ref, error) {
	name, version, versioned := strings.Cut(s, "@")
	r := Ref{Name: name, Version: version}
	if !validName(name) {
		return Ref{}, fmt.Errorf("%q is not a plugin's name: want 1 to %d lower-case letters, digits and hyphens, with no hyphen at either end, then @VERSION", name, maxName)
	}
	if versioned && version != Base && !validVersion(version) {
		return Ref{}, fmt.Errorf("%q is not a semantic version like 1.2.3", version)
	}
	return r, nil
}

// Base stands for the version that a daemon was started with, as opposed to those that are installed. No semantic version is called so.
const Base = "base"

// String is the reference as ParseRef reads it.
func (r Ref) String() string {
	if r.Version == "" {
		return r.Name
	}
	return r.Name + "@" + r.Version
}

// ValidVersion says whether a plugin may have that version.
func ValidVersion(version string) bool { return validVersion(version) }
