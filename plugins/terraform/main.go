// Command terraform is the reference plugin: a provisioner for Terraform and OpenTofu templates. Each request is one file
// here; what can be told without an engine is a package of its own below internal.
//
// Build it with GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared.
package main

import (
	guest "github.com/provisor/provisor/sdk-guest"
)

func init() { guest.Register(provisioner{}) }

// A plugin is a library: main never runs.
func main() {}

// provisioner answers the requests. What must last from one request to the next is in the session's directories.
type provisioner struct{}

var _ guest.Provisioner = provisioner{}
