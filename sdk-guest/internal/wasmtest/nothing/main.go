// Command nothing is the smallest plugin: it answers every request with an error.
package main

import "github.com/provisor/provisor/sdk-guest"

func init() { guest.Register(guest.Unimplemented{}) }

func main() {}
