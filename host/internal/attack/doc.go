// Package attack is the attack corpus: what hostile plugins, clients and archives try against a runtime, each as a named case. It has nothing
// but tests.
//
// Every case runs against a real runtime behind a real server, and beside an honest session that must get the same answer as alone.
// The cases say themselves what they try and what contains them; README.md is made of that.
package attack

//go:generate go test -run ^TestTable$ . -update
