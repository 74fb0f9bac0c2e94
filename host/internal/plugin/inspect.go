package plugin

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/provisor/provisor/host/internal/sandbox"
	"github.com/provisor/provisor/proto/guestpb"
)

// Inspection is what can be known of a .wasm file without running any of its code.
type Inspection struct {
	// Size is the file's, in bytes, and Digest its SHA-256 in hexadecimal.
	Size   int64
	Digest string
	// Manifest is nil where the module has none, or one that can't be taken.
	Manifest  *guestpb.Manifest
	Interface *sandbox.Interface
	// Problem is all that keeps the module from running here, or nil.
	Problem error
}

// Inspect reads a .wasm file. An error means that the file can't be read or is no module.
func Inspect(ctx context.Context, rt *sandbox.Runtime, path string) (*Inspection, error) {
	i, err := inspect(ctx, rt, path)
	if err != nil {
		return nil, fmt.Errorf("inspect the plugin %s: %w", path, err)
	}
	return i, nil
}

func inspect(ctx context.Context, rt *sandbox.Runtime, path string) (*Inspection, error) {
	module, err := readFile(path, rt.Limits().ModuleBytes)
	if err != nil {
		return nil, err
	}
	digest := digestOf(module)
	face, err := rt.Inspect(ctx, sandbox.Source{Wasm: module, Digest: digest})
	if err != nil {
		return nil, err
	}
	i := &Inspection{Size: int64(len(module)), Digest: digest, Interface: face}
	manifest, err := ReadManifest(module)
	if err == nil {
		i.Manifest = manifest
	}
	i.Problem = errors.Join(face.Problem, err)
	return i, nil
}

// SourceManifest makes the manifest of the plugin.hcl in a Go plugin's directory, as Build does.
func SourceManifest(dir string) (*guestpb.Manifest, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return readSource(dir)
}
