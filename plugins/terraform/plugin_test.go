//go:build !wasip1

package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

// withEngine opens a session with the real engine of that name, or skips the test where there is none.
func withEngine(t *testing.T, name string) *guesttest.Session {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not on the PATH", name)
	}
	s := guesttest.New(t)
	s.Path(program, path, "CHECKPOINT_DISABLE=1")
	s.SetInfo(infoFor(name, engineVersion(t, path)))
	return s
}

func infoFor(name, version string) *guestpb.SessionInfo {
	return &guestpb.SessionInfo{
		Config:  &pb.Config{},
		Engines: map[string]*guestpb.Engine{program: {Name: name, Version: version}},
	}
}

func engineVersion(t *testing.T, path string) string {
	t.Helper()
	cmd := exec.Command(path, "version", "-json")
	cmd.Env = []string{"HOME=" + t.TempDir(), "CHECKPOINT_DISABLE=1"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s version: %v", path, err)
	}
	var v struct {
		Version string `json:"terraform_version"`
	}
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatal(err)
	}
	return v.Version
}

// archive packs files, in the order name, content, name, content; a name that ends in .sh is executable.
func archive(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		h := &tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1]))}
		if strings.HasSuffix(files[i], ".sh") {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
