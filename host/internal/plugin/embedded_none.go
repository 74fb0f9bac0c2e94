//go:build !provisor_embed

package plugin

// embedded is the default plugin in a release; other builds make it from source.
var embedded []byte
