//go:build provisor_embed

package plugin

import _ "embed"

// embedded is the default plugin, built beforehand into this directory.
//
//go:embed terraform.wasm
var embedded []byte
