package plugin

import "context"

// ValidName says whether a plugin may be called so.
func ValidName(name string) bool { return validName(name) }

// SourceRoot is the directory of the project's source that belongs to this program: the checkout that it was built from, or the one in
// the module cache, whose name ends in @VERSION.
func SourceRoot(ctx context.Context) (string, error) { return sourceRoot(ctx) }
