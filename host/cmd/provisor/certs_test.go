package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// certsCommand is "certs DIR": a CA and what it signed, for localhost and for a client, as PEM files.
func certsCommand(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	now := time.Now()
	template := func(name string, serial int64) *x509.Certificate {
		return &x509.Certificate{
			Subject: pkix.Name{CommonName: name}, SerialNumber: big.NewInt(serial),
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
			DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
	}
	ca := template("ca", 1)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caKey := writeCertificate(ts, filepath.Join(dir, "ca"), ca, ca, nil)
	writeCertificate(ts, filepath.Join(dir, "server"), template("server", 2), ca, caKey)
	writeCertificate(ts, filepath.Join(dir, "client"), template("client", 3), ca, caKey)
}

// writeCertificate writes NAME.pem and NAME.key, signed by the parent, or by itself where that has no key.
func writeCertificate(ts *testscript.TestScript, name string, c, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	if parentKey == nil {
		parentKey = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
	ts.Check(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	ts.Check(os.WriteFile(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	return key
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
	})
}
