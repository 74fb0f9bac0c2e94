package main

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/provisor/provisor/host/internal/daemontest"
)

// certsCommand is "certs DIR": a CA and what it signed, for localhost and for a client, as PEM files.
func certsCommand(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	_, err := daemontest.NewCertificates(dir)
	ts.Check(err)
}

// listeningCommand is "listening FILE NAME": waits until a daemon that logs JSON into the file is ready, and puts its address into $NAME.
func listeningCommand(ts *testscript.TestScript, neg bool, args []string) {
	waitFor(ts, args[0]+" does not say that the daemon listens", func() bool {
		content, err := os.ReadFile(ts.MkAbs(args[0]))
		if err != nil {
			return false
		}
		address := readyAddress(content)
		ts.Setenv(args[1], address)
		return address != ""
	}, args[0])
}
