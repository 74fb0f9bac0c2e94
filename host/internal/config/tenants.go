package config

import (
	"math"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/provisor/provisor/host/internal/access"
	"github.com/provisor/provisor/host/internal/tenant"
)

func (r *reader) readTenants(shapes []tenantShape) {
	r.tenants = make(map[string]tenant.Tenant)
	seen := make(map[string]hcl.Range)
	for _, s := range shapes {
		t, err := tenant.Parse(s.Name)
		if err != nil {
			r.problems = append(r.problems, problemAt(s.At, "%v", err))
			continue
		}
		if !r.once(seen, "tenant", s.Name, s.At) {
			continue
		}
		r.tenants[s.Name] = t
		r.config.Tenants = append(r.config.Tenants, r.tenant(t, s))
	}
	if len(shapes) == 0 {
		// There is one who needs no settings.
		r.implied = true
		r.tenants[tenant.Default.Name()] = tenant.Default
	}
	r.checkCredentials(shapes)
}

func (r *reader) tenant(t tenant.Tenant, s tenantShape) Tenant {
	c := Tenant{
		Tenant:      t,
		Engine:      deref(s.Engine),
		Env:         r.environment(s.Body, s.Env, s.PassEnv),
		Weight:      r.count(s.Body, "weight", s.Weight),
		Concurrency: r.count(s.Body, "concurrency", s.Concurrency),
		Queue:       r.count(s.Body, "queue", s.Queue),
		Sessions:    r.count(s.Body, "sessions", s.Sessions),
		Disk:        r.size(s.Body, "disk", s.Disk, 1, math.MaxInt64),
		Limits:      r.limits(s.Limits, notTenants),
	}
	if s.Engine != nil && !r.hasEngine(c.Engine) {
		r.problem(s.Body, "engine", "there is no engine %q: declare it, or take one of %s", c.Engine, names(r.config.Engines, func(e Engine) string { return e.Name }))
	}
	if s.Plugin != nil {
		c.Plugin = r.pluginOf(s)
	}
	if c.Weight > maxWeight {
		r.problem(s.Body, "weight", "weight is %d: want at most %d", c.Weight, maxWeight)
	}
	r.credentials(&c, s)
	return c
}

// maxWeight keeps weights in proportion: beyond it the others would get next to nothing.
const maxWeight = 1000

// credentials reads what the tenant is known by. No value of it is in a message.
func (r *reader) credentials(c *Tenant, s tenantShape) {
	r.tokens = r.tokens || len(deref(s.TokenSHA256))+len(deref(s.TokenFiles)) > 0
	r.certificates = r.certificates || len(deref(s.CertificateSubjects))+len(deref(s.CertificateSHA256)) > 0
	hashes := func(name string, list *[]string, add func(*access.Hash)) {
		for i, text := range deref(list) {
			h, err := access.ParseHash(strings.TrimPrefix(text, "sha256:"))
			if err != nil {
				r.problem(s.Body, name, "%s, entry %d: %v", name, i+1, err)
				continue
			}
			add(h)
		}
	}
	hashes("token_sha256", s.TokenSHA256, func(h *access.Hash) {
		c.Credentials = append(c.Credentials, access.Credential{Tenant: c.Tenant, Token: h})
	})
	hashes("certificate_sha256", s.CertificateSHA256, func(h *access.Hash) {
		c.Credentials = append(c.Credentials, access.Credential{Tenant: c.Tenant, Certificate: h})
	})
	for i, subject := range deref(s.CertificateSubjects) {
		if !strings.Contains(subject, "=") {
			r.problem(s.Body, "certificate_subjects", "certificate_subjects, entry %d is %q: want the whole subject, such as \"CN=team-a,O=Example\"; "+
				"openssl x509 -noout -subject -nameopt RFC2253 -in FILE prints it", i+1, subject)
			continue
		}
		c.Credentials = append(c.Credentials, access.Credential{Tenant: c.Tenant, Subject: subject})
	}
	for _, file := range deref(s.TokenFiles) {
		path := r.path(&file)
		tokens, err := r.files.tokens(path, c.Tenant)
		if err != nil {
			r.problem(s.Body, "token_files", "%v", err)
			continue
		}
		for _, t := range tokens {
			if t.Tenant != c.Tenant {
				r.problem(s.Body, "token_files", "%s has a token of tenant %s: a tenant's files hold its own", path, t.Tenant)
				break
			}
		}
		c.Credentials = append(c.Credentials, tokens...)
	}
}

// checkCredentials notes credentials that several tenants have in common.
func (r *reader) checkCredentials(shapes []tenantShape) {
	if _, err := access.New(r.config.Credentials()); err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			r.problems = append(r.problems, problemAt(shapes[0].At, "%s", line))
		}
	}
}

// Credentials are those of all tenants.
func (c *Config) Credentials() []access.Credential {
	var all []access.Credential
	for _, t := range c.Tenants {
		all = append(all, t.Credentials...)
	}
	return all
}
