package access

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/provisor/provisor/host/internal/tenant"
)

// maxTokenFile is the most bytes that are read of a token file: room for 10,000 tokens.
const maxTokenFile = 2 << 20

// ReadTokens reads a token file: in each line the SHA-256 of a token in hexadecimal, and after a blank, if it isn't the file's owner, the
// tenant's name. A "-" in its place is what sha256sum writes, and stands for the owner. Lines that begin with # are comments.
func ReadTokens(path string, owner tenant.Tenant) ([]Credential, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	defer f.Close()
	tokens, err := parseTokens(f, owner)
	if err != nil {
		return nil, fmt.Errorf("read the tokens in %s: %w", path, err)
	}
	return tokens, nil
}

func parseTokens(r io.Reader, owner tenant.Tenant) ([]Credential, error) {
	var tokens []Credential
	limited := &io.LimitedReader{R: r, N: maxTokenFile}
	scanner := bufio.NewScanner(limited)
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		t, err := parseToken(line, owner)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		tokens = append(tokens, t)
	}
	switch {
	case scanner.Err() != nil:
		return nil, scanner.Err()
	case limited.N == 0:
		return nil, fmt.Errorf("the file has more than %d bytes", maxTokenFile)
	case len(tokens) == 0:
		return nil, errors.New("the file has no token: add one with printf %s TOKEN | sha256sum")
	}
	return tokens, nil
}

func parseToken(line string, owner tenant.Tenant) (c Credential, err error) {
	fields := strings.Fields(line)
	c.Tenant = owner
	if c.Token, err = ParseHash(fields[0]); err != nil {
		return c, err
	}
	switch {
	case len(fields) > 2:
		return c, fmt.Errorf("want a hash and at most a tenant's name, got %d words", len(fields))
	case len(fields) == 2 && fields[1] != "-":
		if c.Tenant, err = tenant.Parse(fields[1]); err != nil {
			return c, err
		}
	}
	return c, nil
}

// ParseHash reads the SHA-256 of a token or certificate: 64 hexadecimal digits, with colons between bytes or without. The text is in no
// message: somebody may have put a token there.
func ParseHash(text string) (*Hash, error) {
	var h Hash
	b, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	switch {
	case err != nil || len(b) != len(h):
		return nil, errors.New("want a SHA-256, as 64 hexadecimal digits")
	case Hash(b) == sha256.Sum256(nil):
		return nil, errors.New("this is the hash of the empty token, which anybody has")
	}
	h = Hash(b)
	return &h, nil
}
