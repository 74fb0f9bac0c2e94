// Package e2e holds tests alone: the compiled plugin in the real sandbox, with real engines and with one that replays recorded
// answers. They are the only place in plugins that knows the host, since they are what a host would see.
package e2e
