package plugin

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/wasmtest"
	"github.com/provisor/provisor/proto/guestpb"
)

func valid() *guestpb.Manifest {
	return &guestpb.Manifest{
		Name: "my-plugin2", Version: "1.2.3-rc.1+build.5", Description: "Does it, übrigens", License: "Apache-2.0 OR (MIT AND BSD-3-Clause)",
		AbiVersion: abi.Version, Requests: []string{"init", "graph"}, Programs: []string{"terraform"},
		Env: []string{"TF_VAR_*", "TF_LOG", "_x"}, Snapshot: true, KeepFiles: []string{"terraform.tfstate", "a/b.c"},
	}
}

func TestReadManifest(t *testing.T) {
	got, err := ReadManifest(wasmtest.WithManifest(wasmtest.Header(), valid()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(valid(), got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if got, err := ReadManifest(wasmtest.Header()); got != nil || err != nil {
		t.Errorf("without a section: got %v, %v", got, err)
	}
}

func TestReadManifestRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*guestpb.Manifest)
		want   string
	}{
		"no name":               {func(m *guestpb.Manifest) { m.Name = "" }, `name: "" must be 1 to 63 lower-case letters, digits and hyphens`},
		"a path as a name":      {func(m *guestpb.Manifest) { m.Name = "../x" }, `name: "../x" must be`},
		"capitals":              {func(m *guestpb.Manifest) { m.Name = "Terraform" }, `name: "Terraform" must be`},
		"a hyphen at the end":   {func(m *guestpb.Manifest) { m.Name = "a-" }, `name: "a-" must be`},
		"a long name":           {func(m *guestpb.Manifest) { m.Name = strings.Repeat("a", 64) }, `name: "aaa`},
		"a line break":          {func(m *guestpb.Manifest) { m.Name = "a\n" }, `name: "a\n" must be`},
		"no version":            {func(m *guestpb.Manifest) { m.Version = "" }, `version: "" is not a semantic version like 1.2.3`},
		"a short version":       {func(m *guestpb.Manifest) { m.Version = "1.2" }, `version: "1.2" is not`},
		"a version with v":      {func(m *guestpb.Manifest) { m.Version = "v1.2.3" }, `version: "v1.2.3" is not`},
		"a leading zero":        {func(m *guestpb.Manifest) { m.Version = "1.02.3" }, `version: "1.02.3" is not`},
		"a short pre-release":   {func(m *guestpb.Manifest) { m.Version = "1.2-a.b.c" }, `version: "1.2-a.b.c" is not`},
		"an escape sequence":    {func(m *guestpb.Manifest) { m.Description = "\x1b[2J" }, "description: must be one line"},
		"a long description":    {func(m *guestpb.Manifest) { m.Description = strings.Repeat("a", 2000) }, "description: must be one line of at most 1024 bytes"},
		"a license as prose":    {func(m *guestpb.Manifest) { m.License = "do <what> you want" }, "license: "},
		"no ABI":                {func(m *guestpb.Manifest) { m.AbiVersion = 0 }, "abi_version: it speaks version 0.0 of the ABI, this host speaks 1.0"},
		"another ABI":           {func(m *guestpb.Manifest) { m.AbiVersion = 2 << 16 }, "abi_version: it speaks version 2.0 of the ABI"},
		"a newer ABI":           {func(m *guestpb.Manifest) { m.AbiVersion++ }, "abi_version: it needs version 1.1 of the ABI, this host has 1.0: use a newer host"},
		"no requests":           {func(m *guestpb.Manifest) { m.Requests = nil }, "requests: name at least one of init, parse, plan, apply, graph"},
		"an unknown request":    {func(m *guestpb.Manifest) { m.Requests[0] = "destroy" }, `requests: "destroy" is not one of init, parse, plan, apply, graph`},
		"a request twice":       {func(m *guestpb.Manifest) { m.Requests[1] = "init" }, `requests: "init" stands there twice`},
		"a path as a program":   {func(m *guestpb.Manifest) { m.Programs[0] = "/bin/sh" }, `programs: "/bin/sh" is not a program's logical name`},
		"every variable":        {func(m *guestpb.Manifest) { m.Env[0] = "*" }, `env: "*" is not a variable's name`},
		"a star in the middle":  {func(m *guestpb.Manifest) { m.Env[0] = "A*B" }, `env: "A*B" is not`},
		"a variable's value":    {func(m *guestpb.Manifest) { m.Env[0] = "A=B" }, `env: "A=B" is not`},
		"a file elsewhere":      {func(m *guestpb.Manifest) { m.KeepFiles[0] = "../x" }, `keep_files: "../x" is not the relative path of a file below /work`},
		"an absolute file":      {func(m *guestpb.Manifest) { m.KeepFiles[0] = "/x" }, `keep_files: "/x" is not`},
		"the directory itself":  {func(m *guestpb.Manifest) { m.KeepFiles[0] = "." }, `keep_files: "." is not`},
		"a path with detours":   {func(m *guestpb.Manifest) { m.KeepFiles[0] = "a//b" }, `keep_files: "a//b" is not`},
		"a path of Windows":     {func(m *guestpb.Manifest) { m.KeepFiles[0] = `a\b` }, `keep_files: "a\\b" is not`},
		"too many of something": {func(m *guestpb.Manifest) { m.Env = make([]string, 257) }, "env: has 257 entries, the limit is 256"},
		"too much":              {func(m *guestpb.Manifest) { m.Env = []string{strings.Repeat("A", 64<<10)} }, "the limit is 65536"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := valid()
			test.change(m)
			_, err := ReadManifest(wasmtest.WithManifest(wasmtest.Header(), m))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// A second manifest is refused: which one counts must not depend on who reads.
func TestReadManifestOfBrokenModules(t *testing.T) {
	one := wasmtest.Section(0, append(wasmtest.Name(abi.ManifestSection), 0xff))
	for name, test := range map[string]struct {
		module []byte
		want   string
	}{
		"not a module":       {[]byte("plugin"), "not a WebAssembly binary module"},
		"two manifests":      {append(append(wasmtest.Header(), one...), one...), `two custom sections are named "provisor.manifest"`},
		"a broken manifest":  {append(wasmtest.Header(), one...), "its manifest (custom section provisor.manifest): decode it"},
		"a broken section":   {append(wasmtest.Header(), 0, 9), "cut short"},
		"all that is wrong":  {wasmtest.WithManifest(wasmtest.Header(), &guestpb.Manifest{}), "version: "},
		"and the other part": {wasmtest.WithManifest(wasmtest.Header(), &guestpb.Manifest{}), "requests: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadManifest(test.module)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func FuzzReadManifest(f *testing.F) {
	f.Add(wasmtest.WithManifest(wasmtest.Header(), valid()))
	f.Add(append(wasmtest.Header(), 0, 0))
	f.Fuzz(func(t *testing.T, module []byte) {
		m, err := ReadManifest(module)
		if err != nil || m == nil {
			return
		}
		if len(problems(m)) > 0 {
			t.Errorf("%v was taken in spite of %v", m, problems(m))
		}
	})
}
