package filecache

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	manifestName = "manifest"
	filesDir     = "files"
)

// manifest says what an entry consists of.
type manifest struct {
	// Paths are what the session asked to keep; each replaces what a later session has there.
	Paths []string `json:"paths"`
	// Nodes are everything below the paths, a directory before what is in it.
	Nodes []node `json:"nodes"`
}

// node is a directory, a symlink (Link is set) or a file (SHA256 is set).
type node struct {
	Name   string      `json:"name"`
	Mode   fs.FileMode `json:"mode,omitempty"`
	Link   string      `json:"link,omitempty"`
	Size   int64       `json:"size,omitempty"`
	SHA256 []byte      `json:"sha256,omitempty"`
}

// nodeBytes is what a node counts for beside its content: entries of a million empty files have a size, too.
const nodeBytes = 512

// size is what an entry counts for.
func (m *manifest) size() int64 {
	var size int64
	for _, n := range m.Nodes {
		size += n.Size + nodeBytes
	}
	return size
}

// The first line of a manifest: the format, the entry's size, the rest's checksum.
const headerFormat = "provisor-files-1 %d %x\n"

// maxManifest bounds a manifest that is read, in bytes.
const maxManifest = 256 << 20

func (m *manifest) write(entry string) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	content := fmt.Appendf(nil, headerFormat, m.size(), sha256.Sum256(body))
	return os.WriteFile(filepath.Join(entry, manifestName), append(content, body...), 0o600)
}

// readManifest reads an entry's manifest. What it returns is what was written.
func readManifest(entry string) (*manifest, error) {
	f, err := os.Open(filepath.Join(entry, manifestName))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return nil, err
	}
	header, body, _ := bytes.Cut(content, []byte("\n"))
	m := new(manifest)
	if err := json.Unmarshal(body, m); err != nil {
		return nil, fmt.Errorf("its manifest: %w", err)
	}
	if want := fmt.Sprintf(headerFormat, m.size(), sha256.Sum256(body)); want != string(header)+"\n" {
		return nil, errors.New("its manifest's checksum is wrong")
	}
	return m, nil
}

// readSize is the size of an entry, from its manifest's first line.
func readSize(entry string) (int64, error) {
	f, err := os.Open(filepath.Join(entry, manifestName))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var size int64
	var sum []byte
	if _, err := fmt.Fscanf(io.LimitReader(f, 256), headerFormat, &size, &sum); err != nil || size < 0 {
		return 0, fmt.Errorf("the first line of %s is none of a manifest", f.Name())
	}
	return size, nil
}
