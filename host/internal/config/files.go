package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/provisor/provisor/host/internal/access"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/tenant"
)

// files is what a configuration refers to outside itself.
type files interface {
	isFile(path string) error
	isDir(path string) error
	exists(path string) error
	// identify says which plugin a .wasm file is, and its SHA-256 in hexadecimal.
	identify(path string) (ref plugin.Ref, digest string, err error)
	tokens(path string, owner tenant.Tenant) ([]access.Credential, error)
	// headers says what is wrong with a file of headers.
	headers(path string) error
	// checkTLS says whether the key belongs to the certificate, and the client CA, if there is one, is one.
	checkTLS(cert, key, clientCA string) error
}

// disk are the files of this machine.
type disk struct{}

func (disk) isFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	}
	return nil
}

func (disk) isDir(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", path)
	}
	return nil
}

func (disk) exists(path string) error {
	_, err := os.Stat(path)
	return err
}

func (disk) identify(path string) (plugin.Ref, string, error) {
	f, err := plugin.Read(path)
	if err != nil {
		return plugin.Ref{}, "", err
	}
	return plugin.Ref{Name: f.Manifest.GetName(), Version: f.Manifest.GetVersion()}, f.Digest, nil
}

func (d disk) tokens(path string, owner tenant.Tenant) ([]access.Credential, error) {
	if err := d.isFile(path); err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	return access.ReadTokens(path, owner)
}

func (disk) headers(path string) error {
	_, err := ReadHeaders(path)
	return err
}

func (d disk) checkTLS(cert, key, clientCA string) error {
	for _, path := range []string{cert, key, clientCA} {
		if path != "" && d.isFile(path) != nil {
			return nil // that has been said
		}
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		return fmt.Errorf("the certificate %s and the key %s: %w", cert, key, err)
	}
	if clientCA == "" {
		return nil
	}
	pem, err := os.ReadFile(clientCA)
	if err != nil {
		return err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return errors.New("client_ca: no certificate in PEM form is in " + clientCA)
	}
	return nil
}
