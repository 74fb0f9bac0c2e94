// Package e2e holds tests alone: the compiled plugin in the real sandbox, with real engines and with ones that replay recorded answers
// or note how they are run. They are the only place in plugins that knows the host, since they are what a host would see.
//
// The tests on real engines drive a daemon of their own over gRPC. They run on the Terraform and on the OpenTofu that are on the PATH;
// an OpenTofu that is not there is built by the daemon. What takes long to make is kept in the user's cache.
package e2e
