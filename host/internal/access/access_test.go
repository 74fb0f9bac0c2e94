package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/provisor/provisor/host/internal/tenant"
)

func parse(t testing.TB, name string) tenant.Tenant {
	t.Helper()
	tn, err := tenant.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	return tn
}

func hashOf(token string) *Hash {
	h := Hash(sha256.Sum256([]byte(token)))
	return &h
}

// newCertificate is a certificate for that name, signed by itself.
func newCertificate(t *testing.T, name pkix.Name) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: name, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFind(t *testing.T) {
	a, b := parse(t, "a"), parse(t, "b")
	named := newCertificate(t, pkix.Name{CommonName: "team, a", Organization: []string{"Example"}, Country: []string{"DE"}})
	pinned := newCertificate(t, pkix.Name{CommonName: "anybody"})
	other := newCertificate(t, pkix.Name{CommonName: "team"})
	nameless := newCertificate(t, pkix.Name{})
	pin := Hash(sha256.Sum256(pinned.Raw))
	list, err := New([]Credential{
		{Tenant: a, Token: hashOf("one")}, {Tenant: a, Token: hashOf("two")}, {Tenant: b, Token: hashOf("three")}, {Tenant: a, Token: hashOf("one")},
		{Tenant: a, Subject: `CN=team\, a,O=Example,C=DE`}, {Tenant: b, Certificate: &pin},
	})
	if err != nil {
		t.Fatal(err)
	}
	if list.Tokens() != 3 || list.Certificates() != 2 {
		t.Errorf("%d tokens and %d certificates, want 3 and 2", list.Tokens(), list.Certificates())
	}
	for name, tt := range map[string]struct {
		shown Shown
		want  tenant.Tenant
		err   error
	}{
		"nothing":                            {Shown{}, tenant.Tenant{}, ErrNothingShown},
		"a token":                            {Shown{Token: "two"}, a, nil},
		"another's token":                    {Shown{Token: "three"}, b, nil},
		"an unknown token":                   {Shown{Token: "four"}, tenant.Tenant{}, ErrUnknownToken},
		"a token's hash":                     {Shown{Token: fmt.Sprintf("%x", *hashOf("one"))}, tenant.Tenant{}, ErrUnknownToken},
		"a subject":                          {Shown{Certificate: named}, a, nil},
		"a certificate":                      {Shown{Certificate: pinned}, b, nil},
		"an unknown certificate":             {Shown{Certificate: other}, tenant.Tenant{}, ErrNothingShown},
		"a certificate without a name":       {Shown{Certificate: nameless}, tenant.Tenant{}, ErrNothingShown},
		"both":                               {Shown{Token: "one", Certificate: named}, a, nil},
		"a token and an unknown certificate": {Shown{Token: "one", Certificate: other}, a, nil},
		"a token and another's certificate":  {Shown{Token: "one", Certificate: pinned}, tenant.Tenant{}, ErrTwoTenants},
		"an unknown token and a good certificate": {Shown{Token: "four", Certificate: named}, tenant.Tenant{}, ErrUnknownToken},
	} {
		if got, err := list.Find(tt.shown); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %s and %v, want %s and %v", name, got, err, tt.want, tt.err)
		}
	}
}

func TestNoTwoTenants(t *testing.T) {
	a, b := parse(t, "a"), parse(t, "b")
	_, err := New([]Credential{
		{Tenant: a, Token: hashOf("secret")}, {Tenant: b, Token: hashOf("secret")},
		{Tenant: a, Subject: "CN=x"}, {Tenant: b, Subject: "CN=x"},
		{Tenant: a, Certificate: hashOf("c")}, {Tenant: b, Certificate: hashOf("c")},
	})
	for _, want := range []string{"a and b have the token whose hash begins with 2bb80d53", `certificate subject "CN=x"`, "certificate whose hash begins with"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if _, err := New([]Credential{{Tenant: a}}); err == nil {
		t.Error("a tenant is known by an empty subject")
	}
}

// TestSameTime compares how long a right token takes with how long wrong ones do, as medians of many tries in turn. What would tell them
// apart over a network is far below the bound; a comparison that stops early would show in the benchmark, not here.
func TestSameTime(t *testing.T) {
	var credentials []Credential
	for i := range 1000 {
		credentials = append(credentials, Credential{Tenant: parse(t, "a"), Token: hashOf(fmt.Sprint("token-", i))})
	}
	list, err := New(credentials)
	if err != nil {
		t.Fatal(err)
	}
	tokens := []string{"token-0", "token-999", "token-xyz", "t"}
	times := make([][]time.Duration, len(tokens))
	for range 150 {
		for i, token := range tokens {
			began := time.Now()
			_, _ = list.Find(Shown{Token: token})
			times[i] = append(times[i], time.Since(began))
		}
	}
	for i := range times {
		slices.Sort(times[i])
		times[i] = times[i][:len(times[i])/2+1]
		t.Logf("%-9s %s", tokens[i], times[i][len(times[i])-1])
	}
	median := func(i int) time.Duration { return times[i][len(times[i])-1] }
	for i := range tokens {
		if 5*median(i) < median(0) || median(i) > 5*median(0) {
			t.Errorf("the token %q takes %s, the first right one %s", tokens[i], median(i), median(0))
		}
	}
}

func BenchmarkFind(b *testing.B) {
	var credentials []Credential
	for i := range 1000 {
		credentials = append(credentials, Credential{Tenant: tenant.Default, Token: hashOf(fmt.Sprint("token-", i))})
	}
	list, err := New(credentials)
	if err != nil {
		b.Fatal(err)
	}
	for _, token := range []string{"token-0", "token-999", "wrong"} {
		b.Run(token, func(b *testing.B) {
			for b.Loop() {
				_, _ = list.Find(Shown{Token: token})
			}
		})
	}
}
