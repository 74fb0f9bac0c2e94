package plugin

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/sandbox"
	"github.com/provisor/provisor/host/internal/wasmtest"
	"github.com/provisor/provisor/proto/guestpb"
)

func TestInspect(t *testing.T) {
	rt := newRuntime(t, sandbox.Limits{})
	module := func(m *guestpb.Manifest) []byte {
		b := wasmtest.NewPlugin().Handled(wasmtest.Unreachable)
		if m == nil {
			return b
		}
		return wasmtest.WithManifest(b, m)
	}
	good := &guestpb.Manifest{Name: "small", Version: "1.0.0", AbiVersion: abi.Version, Requests: []string{"init"}}
	lies := &guestpb.Manifest{Name: "Not A Name", Version: "1", AbiVersion: abi.Version, Requests: []string{"dance"}}
	for _, test := range []struct {
		name         string
		bytes        []byte
		manifest     bool
		problem, err string
	}{
		{"a plugin", module(good), true, "", ""},
		{"without a manifest", module(nil), false, "", ""},
		{"with a manifest that can't be", module(lies), false, `requests: "dance"`, ""},
		{"no plugin", new(wasmtest.Module).Bytes(), false, "lacks the export", ""},
		{"no module", []byte("text"), false, "", "not a WebAssembly binary module"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.wasm")
			writeFile(t, path, test.bytes)
			got, err := Inspect(t.Context(), rt, path)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(err.Error(), path) {
					t.Errorf("got %v, want %q and the path", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			digest := sha256.Sum256(test.bytes)
			if got.Digest != hex.EncodeToString(digest[:]) || got.Size != int64(len(test.bytes)) {
				t.Errorf("digest %s, size %d", got.Digest, got.Size)
			}
			if (got.Manifest != nil) != test.manifest {
				t.Errorf("manifest: %v", got.Manifest)
			}
			if (got.Problem == nil) != (test.problem == "") || got.Problem != nil && !strings.Contains(got.Problem.Error(), test.problem) {
				t.Errorf("problem %v, want %q", got.Problem, test.problem)
			}
		})
	}
}
