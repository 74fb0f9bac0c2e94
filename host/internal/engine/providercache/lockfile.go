package providercache

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// LockFile is the name of the file with the selections of an init.
const LockFile = ".terraform.lock.hcl"

const (
	maxLockFile = 1 << 20
	// maxLockDepth is how deeply the brackets of a lock file may be nested; engines write two.
	maxLockDepth = 16
)

// Lock is what a lock file has selected, by address.
type Lock map[string]Selection

// Selection is the version of a provider, and the checksums that it may have.
type Selection struct {
	Version string   `hcl:"version"`
	Hashes  []string `hcl:"hashes,optional"`
	Remain  hcl.Body `hcl:",remain"`
}

// Allows says whether a package is the one that is selected.
func (s Selection) Allows(p Package) bool {
	return s.Version == p.Version && p.Sum != "" && slices.Contains(s.Hashes, p.Sum)
}

// ReadLock reads the lock file of a directory that a template can write to; where there is none, nothing is selected.
func ReadLock(dir *os.Root, name string) (Lock, error) {
	f, err := openRegular(dir, name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", LockFile, err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxLockFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", LockFile, err)
	}
	lock, err := parseLock(content)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", LockFile, err)
	}
	return lock, nil
}

func parseLock(content []byte) (Lock, error) {
	if len(content) > maxLockFile {
		return nil, fmt.Errorf("it has more than %d bytes", maxLockFile)
	}
	if err := checkTokens(content); err != nil {
		return nil, err
	}
	file, diags := hclsyntax.ParseConfig(content, LockFile, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	return decodeLock(file.Body)
}

// decodeLock decodes the provider blocks. Whatever else is there is none of ours.
func decodeLock(body hcl.Body) (Lock, error) {
	content, _, diags := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "provider", LabelNames: []string{"address"}}}})
	if diags.HasErrors() {
		return nil, diags
	}
	lock := make(Lock)
	for _, block := range content.Blocks {
		var s Selection
		if diags := gohcl.DecodeBody(block.Body, nil, &s); diags.HasErrors() {
			return nil, diags
		}
		s.Remain = nil
		lock[block.Labels[0]] = s
	}
	return lock, nil
}

// checkTokens refuses what engines don't write: expressions, and what is nested deeply. The parser recurses, and would run out of stack. It
// looks at the parser's own tokens.
func checkTokens(content []byte) error {
	tokens, diags := hclsyntax.LexConfig(content, LockFile, hcl.InitialPos)
	if diags.HasErrors() {
		return diags
	}
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack:
			depth--
		case hclsyntax.TokenIdent, hclsyntax.TokenEqual, hclsyntax.TokenComma, hclsyntax.TokenOQuote, hclsyntax.TokenQuotedLit, hclsyntax.TokenCQuote,
			hclsyntax.TokenNewline, hclsyntax.TokenComment, hclsyntax.TokenEOF:
		default:
			return fmt.Errorf("line %d: it has %q, which engines don't write", t.Range.Start.Line, t.Bytes)
		}
		if depth > maxLockDepth {
			return fmt.Errorf("line %d: its brackets are nested more than %d deep", t.Range.Start.Line, maxLockDepth)
		}
	}
	return nil
}
