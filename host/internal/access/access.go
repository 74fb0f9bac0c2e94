// Package access knows tenants by their credentials: bearer tokens, of which it has but the hashes, and client certificates.
package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/provisor/provisor/host/internal/tenant"
)

// Hash is the SHA-256 of a bearer token, or of a certificate in DER form.
type Hash [sha256.Size]byte

// Credential is something that a tenant is known by. One of Token, Subject and Certificate is set.
type Credential struct {
	Tenant tenant.Tenant
	// Token is the hash of a bearer token.
	Token *Hash
	// Subject is a certificate's subject as RFC 2253 writes it: "CN=team-a,O=Example".
	Subject string
	// Certificate is the hash of a certificate.
	Certificate *Hash
}

// List is what all tenants are known by. The zero value knows nobody.
type List struct {
	tokens       []Credential
	subjects     map[string]tenant.Tenant
	certificates map[Hash]tenant.Tenant
}

// New returns the list of these credentials. No two tenants may have the same.
func New(credentials []Credential) (*List, error) {
	l := &List{subjects: make(map[string]tenant.Tenant), certificates: make(map[Hash]tenant.Tenant)}
	tokens := make(map[Hash]tenant.Tenant)
	var errs []error
	for _, c := range credentials {
		if c.Token == nil && c.Certificate == nil && c.Subject == "" {
			errs = append(errs, fmt.Errorf("tenant %s: the subject of a certificate is empty", c.Tenant))
			continue
		}
		var other tenant.Tenant
		switch {
		case c.Token != nil:
			if other = tokens[*c.Token]; other == (tenant.Tenant{}) {
				l.tokens = append(l.tokens, c)
			}
			tokens[*c.Token] = c.Tenant
		case c.Certificate != nil:
			other = l.certificates[*c.Certificate]
			l.certificates[*c.Certificate] = c.Tenant
		default:
			other = l.subjects[c.Subject]
			l.subjects[c.Subject] = c.Tenant
		}
		if other != (tenant.Tenant{}) && other != c.Tenant {
			errs = append(errs, fmt.Errorf("tenants %s and %s have %s in common: it must say which of them a client is", other, c.Tenant, c.what()))
		}
	}
	return l, errors.Join(errs...)
}

// what names the credential without giving it away.
func (c Credential) what() string {
	switch {
	case c.Token != nil:
		return fmt.Sprintf("the token whose hash begins with %x", c.Token[:4])
	case c.Certificate != nil:
		return fmt.Sprintf("the certificate whose hash begins with %x", c.Certificate[:4])
	}
	return fmt.Sprintf("the certificate subject %q", c.Subject)
}

// Tokens is how many tokens there are.
func (l *List) Tokens() int { return len(l.tokens) }

// Certificates is how many certificates and subjects of certificates there are.
func (l *List) Certificates() int { return len(l.certificates) + len(l.subjects) }

// Shown is what a client shows of itself.
type Shown struct {
	// Token is the bearer token; empty = none.
	Token string
	// Certificate is the client's certificate, whose chain and possession were verified; nil = none.
	Certificate *x509.Certificate
}

// The reasons for which a client is not let in.
var (
	ErrUnknownToken = errors.New("the token is not valid")
	ErrTwoTenants   = errors.New("the token is one tenant's and the certificate another's")
	ErrNothingShown = errors.New("no credentials were shown that a tenant is known by")
)

// Find is the tenant that is known by what is shown. A certificate that no tenant is known by is no credential, but no reason to
// refuse either; a token is.
func (l *List) Find(s Shown) (tenant.Tenant, error) {
	byCertificate := l.byCertificate(s.Certificate)
	// A token is looked up in any case, so that whether one was sent makes no difference.
	byToken, known := l.byToken(s.Token)
	none := tenant.Tenant{}
	switch {
	case s.Token != "" && !known:
		return none, ErrUnknownToken
	case known && byCertificate != none && byCertificate != byToken:
		return none, ErrTwoTenants
	case known:
		return byToken, nil
	case byCertificate != none:
		return byCertificate, nil
	}
	return none, ErrNothingShown
}

// byToken takes the same time whichever token it is, if any.
func (l *List) byToken(token string) (tenant.Tenant, bool) {
	hash := sha256.Sum256([]byte(token))
	found, index := 0, 0
	for i := range l.tokens {
		same := subtle.ConstantTimeCompare(hash[:], l.tokens[i].Token[:])
		index = subtle.ConstantTimeSelect(same, i, index)
		found |= same
	}
	if found == 0 {
		return tenant.Tenant{}, false
	}
	return l.tokens[index].Tenant, true
}

func (l *List) byCertificate(c *x509.Certificate) tenant.Tenant {
	if c == nil {
		return tenant.Tenant{}
	}
	if t, ok := l.certificates[sha256.Sum256(c.Raw)]; ok {
		return t
	}
	return l.subjects[Subject(c)]
}

// Subject is a certificate's subject as RFC 2253 writes it.
func Subject(c *x509.Certificate) string {
	var names pkix.RDNSequence
	if rest, err := asn1.Unmarshal(c.RawSubject, &names); err != nil || len(rest) > 0 {
		return ""
	}
	return names.String()
}
