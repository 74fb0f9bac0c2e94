package server

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/provisor/provisor/host/internal/tenant"
)

// tokens are the bearer tokens that open sessions, as their hashes, and on whose behalf.
type tokens []token

type token struct {
	hash   [sha256.Size]byte
	tenant tenant.Tenant
}

// maxTokenFile is the most bytes that are read of a token file: room for 10,000 tokens.
const maxTokenFile = 2 << 20

// readTokens reads a token file: in each line the SHA-256 of a token in hexadecimal, and after a blank, if it isn't the default one, the
// tenant's name. A "-" in its place is what sha256sum writes, and stands for the default tenant. Lines that begin with # are comments.
func readTokens(path string) (tokens, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	defer f.Close()
	ts, err := parseTokens(f)
	if err != nil {
		return nil, fmt.Errorf("read the tokens in %s: %w", path, err)
	}
	return ts, nil
}

func parseTokens(r io.Reader) (tokens, error) {
	var ts tokens
	limited := &io.LimitedReader{R: r, N: maxTokenFile}
	scanner := bufio.NewScanner(limited)
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		t, err := parseToken(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		ts = append(ts, t)
	}
	switch {
	case scanner.Err() != nil:
		return nil, scanner.Err()
	case limited.N == 0:
		return nil, fmt.Errorf("the file has more than %d bytes", maxTokenFile)
	case len(ts) == 0:
		return nil, errors.New("the file has no token: add one with printf %s TOKEN | sha256sum")
	}
	return ts, nil
}

func parseToken(line string) (token, error) {
	fields := strings.Fields(line)
	t := token{tenant: tenant.Default}
	// The line itself is in no message: somebody may have put a token there.
	hash, err := hex.DecodeString(fields[0])
	if err != nil || copy(t.hash[:], hash) != len(t.hash) || len(hash) != len(t.hash) {
		return token{}, errors.New("want the SHA-256 of a token, as 64 hexadecimal digits")
	}
	switch {
	case t.hash == sha256.Sum256(nil):
		return token{}, errors.New("this is the hash of the empty token, which anybody has")
	case len(fields) > 2:
		return token{}, fmt.Errorf("want a hash and at most a tenant's name, got %d words", len(fields))
	case len(fields) == 2 && fields[1] != "-":
		if t.tenant, err = tenant.Parse(fields[1]); err != nil {
			return token{}, err
		}
	}
	return t, nil
}

// find is the tenant that the bearer token stands for. It takes the same time whichever token it is, if any.
func (ts tokens) find(bearer string) (tenant.Tenant, bool) {
	hash := sha256.Sum256([]byte(bearer))
	var found tenant.Tenant
	ok := 0
	for _, t := range ts {
		if same := subtle.ConstantTimeCompare(hash[:], t.hash[:]); same == 1 {
			found, ok = t.tenant, 1
		}
	}
	return found, ok == 1
}
