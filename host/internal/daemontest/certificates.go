package daemontest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificates are paths of PEM files: of a CA, and of what it has signed for a server on localhost and for a client with the name "client".
type Certificates struct{ CA, Cert, Key, ClientCert, ClientKey string }

// NewCertificates writes ca.pem, server.pem, client.pem and their keys, ca.key and so on, into the directory.
func NewCertificates(dir string) (Certificates, error) {
	file := func(name string) string { return filepath.Join(dir, name) }
	c := Certificates{file("ca.pem"), file("server.pem"), file("server.key"), file("client.pem"), file("client.key")}
	ca := certificate("ca", 1)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caKey, err := issue(file("ca"), ca, ca, nil)
	if err != nil {
		return c, err
	}
	_, serverErr := issue(file("server"), certificate("server", 2), ca, caKey)
	_, clientErr := issue(file("client"), certificate("client", 3), ca, caKey)
	return c, errors.Join(serverErr, clientErr)
}

func certificate(name string, serial int64) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, SerialNumber: big.NewInt(serial),
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

// issue writes NAME.pem and NAME.key, signed by the parent, or by itself where that has no key.
func issue(name string, c, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if parentKey == nil {
		parentKey = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, errors.Join(
		os.WriteFile(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600),
	)
}
