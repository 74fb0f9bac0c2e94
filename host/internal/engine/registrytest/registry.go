// Package registrytest is a registry of providers for tests: engines install from it what they would from a public one, with a
// certificate, checksums and a signature.
package registrytest

import (
	"archive/zip"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// Registry serves one provider in some versions.
type Registry struct {
	// Host is the registry's name in the addresses of providers, with its port.
	Host string
	// CA is the certificate that signs the registry's own, in PEM form.
	CA []byte

	provider string // NAMESPACE/NAME
	versions map[string][]byte
	key      *openpgp.Entity
	server   *httptest.Server

	mu        sync.Mutex
	downloads map[string]int
}

// New starts a registry of the provider NAMESPACE/NAME, which has each version in a directory.
func New(t testing.TB, provider string, versions map[string]string) *Registry {
	t.Helper()
	key, err := openpgp.NewEntity("test", "", "test@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &Registry{provider: provider, versions: make(map[string][]byte), key: key, downloads: make(map[string]int)}
	for version, dir := range versions {
		if r.versions[version], err = packed(dir); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := selfSigned()
	if err != nil {
		t.Fatal(err)
	}
	r.server = httptest.NewUnstartedServer(r)
	r.server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	r.server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that went away
	r.server.StartTLS()
	t.Cleanup(r.server.Close)
	r.Host = fmt.Sprintf("localhost:%d", r.server.Listener.Addr().(*net.TCPAddr).Port)
	r.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	return r
}

// selfSigned is a certificate for localhost.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// packed is a directory as a zip.
func packed(dir string) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		header, err := zip.FileInfoHeader(info)
		if err != nil {
			return err
		}
		header.Method = zip.Deflate
		f, err := w.CreateHeader(header)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = f.Write(content)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// Source is the provider's address.
func (r *Registry) Source() string { return r.Host + "/" + r.provider }

// Close ends the registry: nobody reaches it any more.
func (r *Registry) Close() { r.server.Close() }

// Downloads is how often a version was downloaded.
func (r *Registry) Downloads(version string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.downloads[version]
}

// ServeHTTP implements the protocol of provider registries.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	const api = "/v1/providers/"
	path := req.URL.Path
	rest, isAPI := strings.CutPrefix(path, api+r.provider+"/")
	version, file, isFile := strings.Cut(strings.TrimPrefix(path, "/files/"), "/")
	switch {
	case path == "/.well-known/terraform.json":
		answer(w, map[string]string{"providers.v1": api})
	case isAPI && rest == "versions":
		answer(w, r.list())
	case isAPI:
		version, _, _ := strings.Cut(rest, "/")
		r.describe(w, req, version)
	case isFile && strings.HasPrefix(path, "/files/"):
		r.file(w, req, version, file)
	default:
		http.NotFound(w, req)
	}
}

func answer(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(document) // who has gone does not hear it
}

type platform struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
}

func (r *Registry) list() any {
	type version struct {
		Version   string     `json:"version"`
		Protocols []string   `json:"protocols"`
		Platforms []platform `json:"platforms"`
	}
	var all []version
	for _, v := range slices.Sorted(maps.Keys(r.versions)) {
		all = append(all, version{v, []string{"6.0"}, []platform{{runtime.GOOS, runtime.GOARCH}}})
	}
	return map[string]any{"versions": all}
}

func (r *Registry) describe(w http.ResponseWriter, req *http.Request, version string) {
	content, ok := r.versions[version]
	if !ok {
		http.NotFound(w, req)
		return
	}
	var key bytes.Buffer
	armored, err := armor.Encode(&key, openpgp.PublicKeyType, nil)
	if err == nil {
		err = r.key.Serialize(armored)
	}
	if err == nil {
		err = armored.Close()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	files := "https://" + r.Host + "/files/" + version + "/"
	answer(w, map[string]any{
		"protocols": []string{"6.0"}, "os": runtime.GOOS, "arch": runtime.GOARCH, "filename": r.name(version),
		"download_url": files + r.name(version), "shasums_url": files + "SHA256SUMS", "shasums_signature_url": files + "SHA256SUMS.sig",
		"shasum": fmt.Sprintf("%x", sha256.Sum256(content)),
		"signing_keys": map[string]any{"gpg_public_keys": []map[string]string{
			{"key_id": r.key.PrimaryKey.KeyIdString(), "ascii_armor": key.String()},
		}},
	})
}

// name is that of a version's file.
func (r *Registry) name(version string) string {
	_, name, _ := strings.Cut(r.provider, "/")
	return fmt.Sprintf("terraform-provider-%s_%s_%s_%s.zip", name, version, runtime.GOOS, runtime.GOARCH)
}

func (r *Registry) file(w http.ResponseWriter, req *http.Request, version, file string) {
	content := r.versions[version]
	sums := fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(content), r.name(version))
	switch file {
	case "SHA256SUMS":
		_, _ = w.Write(sums)
	case "SHA256SUMS.sig":
		if err := openpgp.DetachSign(w, r.key, bytes.NewReader(sums), nil); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	default:
		if req.Method == http.MethodGet {
			r.mu.Lock()
			r.downloads[version]++
			r.mu.Unlock()
		}
		_, _ = w.Write(content)
	}
}
