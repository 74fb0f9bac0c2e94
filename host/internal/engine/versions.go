package engine

import (
	"fmt"

	goversion "github.com/hashicorp/go-version"
)

// Versions are versions of engines that will do.
type Versions struct{ constraints goversion.Constraints }

// ParseVersions reads a version, or constraints on it as Terraform writes them; empty = any.
func ParseVersions(text string) (Versions, error) {
	if text == "" {
		return Versions{}, nil
	}
	c, err := goversion.NewConstraint(text)
	if err != nil {
		return Versions{}, fmt.Errorf("version %q: want one such as \"1.11.4\", or a constraint such as \"~> 1.11\" or \">= 1.9, < 2\"", text)
	}
	return Versions{c}, nil
}

// accept reports whether that version will do. One that can't be compared won't.
func (v Versions) accept(version string) bool {
	if v.constraints == nil {
		return true
	}
	parsed, err := goversion.NewVersion(version)
	return err == nil && v.constraints.Check(parsed)
}
