// Package guest is what a plugin is written on: implement [Provisioner], hand it to [Register] in an init function, and
// build with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o plugin.wasm
//
// In the plugin, Go's os package works on the files under [WorkDir] and [TmpDir]; [Command] runs the programs that the
// operator grants; [Log] and its kin speak to the client. What is written to os.Stdout and os.Stderr goes to the host's log.
//
// The guesttest package runs the same code natively, in plain go test. The pages in the guides directory lead from the first
// plugin to its release.
//
// # Notes
//
//   - An instance handles one request at a time. Its memory may be gone by the next one: what must last within a session
//     belongs under WorkDir or TmpDir.
//   - A call into the host (a log, a read of a program's output) stops every goroutine of the plugin until it returns, and
//     goroutines that outlive a request do not run until the next one.
//   - A panic in the goroutine that handles the request becomes that request's error. A panic in a goroutine of the
//     plugin's own ends the instance; the host then answers in its place.
package guest
