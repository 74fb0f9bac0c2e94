// Package plugin loads plugins from .wasm files and builds them from Go. What a plugin wants of the host stands in its manifest, which is read
// and checked without running any of the plugin's code.
package plugin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/sandbox"
	"github.com/provisor/provisor/proto/guestpb"
)

// Plugin is a plugin that can be run.
type Plugin struct {
	// Name and Version are the manifest's. Without a manifest the name comes from the file and there is no version.
	Name, Version string
	// Digest is the SHA-256 of the file, in hexadecimal.
	Digest string
	// Manifest is never nil. That of a plugin without one has nothing but a name: it may run no programs.
	Manifest *guestpb.Manifest
	Module   *sandbox.Module
}

// Load reads a .wasm file and compiles it. An error says what keeps it from being a plugin.
func Load(ctx context.Context, rt *sandbox.Runtime, path string) (*Plugin, error) {
	p, err := load(ctx, rt, path)
	if err != nil {
		return nil, fmt.Errorf("load the plugin %s: %w", path, err)
	}
	return p, nil
}

func load(ctx context.Context, rt *sandbox.Runtime, path string) (*Plugin, error) {
	module, err := readFile(path, rt.Limits().ModuleBytes)
	if err != nil {
		return nil, err
	}
	f, err := Parse(module)
	if err != nil {
		return nil, err
	}
	if f.Manifest == nil {
		f.Manifest = &guestpb.Manifest{Name: nameOfFile(path)}
	}
	return f.Compile(ctx, rt)
}

// Identify says which plugin a .wasm file, or the source of a Go plugin in a directory, is. It runs and builds nothing.
func Identify(path string) (Ref, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		m, err := SourceManifest(path)
		return Ref{Name: m.GetName(), Version: m.GetVersion()}, err
	}
	module, err := readFile(path, sandbox.DefaultLimits().ModuleBytes)
	if err != nil {
		return Ref{}, fmt.Errorf("load the plugin %s: %w", path, err)
	}
	m, err := ReadManifest(module)
	if err != nil {
		return Ref{}, fmt.Errorf("load the plugin %s: %w", path, err)
	}
	if m == nil {
		return Ref{Name: nameOfFile(path)}, nil
	}
	return Ref{Name: m.GetName(), Version: m.GetVersion()}, nil
}

// File is a plugin as the bytes of its file. None of its code has run.
type File struct {
	Module []byte
	// Digest is the SHA-256, in hexadecimal.
	Digest string
	// Manifest is nil where the module has none.
	Manifest *guestpb.Manifest
}

// Parse reads the manifest in a module and checks it.
func Parse(module []byte) (*File, error) {
	manifest, err := ReadManifest(module)
	if err != nil {
		return nil, err
	}
	return &File{Module: module, Digest: digestOf(module), Manifest: manifest}, nil
}

// digestOf is the SHA-256 in hexadecimal.
func digestOf(module []byte) string {
	sum := sha256.Sum256(module)
	return hex.EncodeToString(sum[:])
}

// Read reads a .wasm file that has a manifest. None of its code runs, and whether it can is not looked at.
func Read(path string) (*File, error) {
	module, err := readFile(path, sandbox.DefaultLimits().ModuleBytes)
	var f *File
	if err == nil {
		f, err = Parse(module)
	}
	if err == nil && f.Manifest == nil {
		err = errors.New("it has no manifest, so it has no name and version: build it with provisor plugin build")
	}
	if err != nil {
		return nil, fmt.Errorf("read the plugin %s: %w", path, err)
	}
	return f, nil
}

// Compile compiles a plugin that has a manifest.
func (f *File) Compile(ctx context.Context, rt *sandbox.Runtime) (*Plugin, error) {
	compiled, err := rt.Compile(ctx, sandbox.Source{
		Wasm: f.Module, Digest: f.Digest, Name: f.Manifest.GetName(), Snapshot: f.Manifest.GetSnapshot(),
	})
	if err != nil {
		return nil, err
	}
	return &Plugin{
		Name:     f.Manifest.GetName(),
		Version:  f.Manifest.GetVersion(),
		Digest:   f.Digest,
		Manifest: f.Manifest,
		Module:   compiled,
	}, nil
}

// readFile reads a regular file of at most limit bytes.
func readFile(path string, limit uint64) ([]byte, error) {
	// Opening something like a FIFO could block for ever.
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, withoutPath(err)
	}
	b := bytes.NewBuffer(make([]byte, 0, min(uint64(info.Size()), limit)+bytes.MinRead))
	if _, err := b.ReadFrom(io.LimitReader(f, int64(limit)+1)); err != nil {
		return nil, withoutPath(err)
	}
	if uint64(b.Len()) > limit {
		return nil, fmt.Errorf("it is larger than %d bytes, the limit for modules (setting module_bytes)", limit)
	}
	return b.Bytes(), nil
}

// withoutPath is the error without the path, which the caller's error names already.
func withoutPath(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// nameOfFile is a name for a plugin that has none: what its file's name has of the characters that a name may have.
func nameOfFile(path string) string {
	base := strings.TrimSuffix(filepath.Base(path), ".wasm")
	name := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, base), "-")
	if name = strings.TrimRight(name[:min(len(name), maxName)], "-"); name == "" {
		return "plugin"
	}
	return name
}

// ReadManifest returns the manifest in a module, or nil if it has none. It runs none of the module's code.
func ReadManifest(module []byte) (*guestpb.Manifest, error) {
	payload, found, err := abi.CustomSection(module, abi.ManifestSection)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, nil
	}
	m, err := decodeManifest(payload)
	if err != nil {
		return nil, fmt.Errorf("its manifest (custom section %s): %w", abi.ManifestSection, err)
	}
	return m, nil
}
