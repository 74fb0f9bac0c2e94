package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/provisor/provisor/host/internal/engine"
	"github.com/provisor/provisor/host/internal/server/endpoint"
	"github.com/provisor/provisor/host/internal/tenant"
)

// defaultAddress stands for the user's own socket, as in provisor run --server default.
const defaultAddress = "default"

func (r *reader) listeners(shapes []listenShape) {
	if len(shapes) == 0 {
		// The user's own socket, as without a configuration.
		r.config.Listeners = []Listener{{}}
		if r.implied {
			r.config.Listeners[0].Anonymous = tenant.Default
		}
	}
	seen := make(map[string]hcl.Range)
	for _, s := range shapes {
		l := Listener{
			Address:             s.Address,
			TLSCert:             r.file(s.Body, "tls_cert", s.TLSCert),
			TLSKey:              r.file(s.Body, "tls_key", s.TLSKey),
			ClientCA:            r.file(s.Body, "client_ca", s.ClientCA),
			CertificateOptional: r.choice(s.Body, "client_certificates", s.ClientCertificates, "required", "optional") == "optional",
			Insecure:            deref(s.Insecure),
		}
		if l.Address == defaultAddress {
			l.Address = ""
		}
		e, err := endpoint.Parse(l.Address)
		if err != nil {
			r.problems = append(r.problems, problemAt(s.At, "%v", err))
			continue
		}
		if path, ok := strings.CutPrefix(l.Address, "unix:"); ok && !strings.HasPrefix(path, "/") {
			path = r.path(&path)
			e.Address, l.Address = path, "unix:"+path
		}
		r.once(seen, "listen", e.String(), s.At)
		l.Anonymous = r.anonymous(s)
		r.checkListener(s, l, e)
		r.config.Listeners = append(r.config.Listeners, l)
	}
}

// anonymous is the tenant of clients that show no credentials.
func (r *reader) anonymous(s listenShape) tenant.Tenant {
	if s.Anonymous == nil {
		return tenant.Tenant{}
	}
	t, ok := r.tenants[*s.Anonymous]
	if !ok {
		r.problem(s.Body, "anonymous", "there is no tenant %q: declare it, or take one of %s", *s.Anonymous,
			names(r.config.Tenants, func(t Tenant) string { return t.Tenant.Name() }))
	}
	return t
}

// checkListener says who could get in that should not, and where nobody could.
func (r *reader) checkListener(s listenShape, l Listener, e endpoint.Endpoint) {
	at := func(text string) { r.problems = append(r.problems, problemAt(s.At, "listen %q: %s", s.Address, text)) }
	nobody := l.Anonymous == tenant.Tenant{}
	switch {
	case (l.TLSCert == "") != (l.TLSKey == ""):
		at("tls_cert and tls_key go together: give both")
	case l.ClientCA != "" && l.TLSCert == "":
		at("client_ca needs tls_cert and tls_key")
	case s.ClientCertificates != nil && l.ClientCA == "":
		at("client_certificates needs client_ca, which says whose certificates count")
	case e.Network == "tcp" && !nobody && !l.Insecure && (l.ClientCA == "" || l.CertificateOptional):
		at("anybody who reaches this address could run programs on this machine as the anonymous tenant: " +
			"leave anonymous out, require certificates with client_ca, or say insecure = true")
	case l.Insecure && (e.Network != "tcp" || nobody):
		at("insecure is for a TCP address with an anonymous tenant, and changes nothing here: leave it out")
	case nobody && s.Anonymous == nil && !r.tokens && (l.ClientCA == "" || !r.certificates):
		at("nobody could open a session here: give a tenant tokens, or certificates and this address a client_ca, or name an anonymous tenant")
	}
	if l.TLSCert != "" && l.TLSKey != "" {
		if err := r.files.checkTLS(l.TLSCert, l.TLSKey, l.ClientCA); err != nil {
			at(err.Error())
		}
	}
}

// adminSocket is read when the listeners are known.
func (r *reader) adminSocket(f *fileShape) {
	if f.AdminSocket == nil {
		return
	}
	if *f.AdminSocket == NoAdminSocket {
		r.config.AdminSocket = NoAdminSocket
		return
	}
	path := strings.TrimPrefix(*f.AdminSocket, "unix:")
	if e, err := endpoint.Parse(*f.AdminSocket); path == "" || err == nil && e.Network != "unix" {
		r.problem(f.Body, "admin_socket", "admin_socket is %q: want the path of a unix socket, or %q", *f.AdminSocket, NoAdminSocket)
		return
	}
	r.config.AdminSocket = r.path(&path)
	for _, l := range r.config.Listeners {
		if e, err := endpoint.Parse(l.Address); err == nil && e.Network == "unix" && e.Address == r.config.AdminSocket {
			r.problem(f.Body, "admin_socket", "admin_socket: sessions are served at %s: give an operator's commands another path", e.Address)
		}
	}
}

func (r *reader) engines(shapes []engineShape) {
	seen := make(map[string]hcl.Range)
	for _, s := range shapes {
		if !r.once(seen, "engine", s.Name, s.At) {
			continue
		}
		e := Engine{
			Name: s.Name, Path: deref(s.Path), Version: deref(s.Version), Mirror: r.path(s.Mirror),
			Env: r.environment(s.Body, s.Env, s.PassEnv), Jail: r.jail(s.Jail),
		}
		r.checkEngineJail(e, s.Jail)
		if strings.ContainsRune(e.Path, '/') {
			// A name alone is looked for on the PATH.
			e.Path = r.file(s.Body, "path", s.Path)
		}
		if _, err := engine.ParseVersions(e.Version); err != nil {
			r.problem(s.Body, "version", "%v", err)
		}
		if s.Mirror != nil {
			if err := r.files.isDir(e.Mirror); err != nil {
				r.problem(s.Body, "mirror", "mirror: %v", err)
			}
		}
		r.config.Engines = append(r.config.Engines, e)
	}
}

func (r *reader) hasEngine(name string) bool {
	for _, e := range r.config.Engines {
		if e.Name == name {
			return true
		}
	}
	return false
}
