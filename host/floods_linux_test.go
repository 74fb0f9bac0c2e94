package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/proto/guestpb"
)

// A program that takes more than it may is stopped, its answer says for which limit, and the next session is none the worse.
func TestFloods(t *testing.T) {
	dir := t.TempDir()
	engine := filepath.Join(dir, "terraform")
	const script = `#!/bin/sh
case "$2" in
memory) head -c 400000000 /dev/zero | tail -c 400000000 >/dev/null && exit 0; sleep 0.1; exit 3;;
processes) b() { b | b & sleep 100; }; b & for i in $(seq 100); do sleep 100 & done; exit 3;;
disk) head -c 3000000000 /dev/zero >large;;
files) while :; do i=$((i+1)); : >f$i; done;;
*) echo Terraform v1.1.1;;
esac
`
	if err := os.WriteFile(engine, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	cache, err := host.DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	r, err := host.New(t.Context(), host.Options{
		Plugin: filepath.FromSlash("../plugins/echo"), CacheDir: cache, DataDir: t.TempDir(), Engine: engine,
		Limits: &guestpb.Limits{ProgramMemoryBytes: 64 << 20, ProgramProcesses: 50, DiskBytes: 50 << 20, Files: 2000},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	groups := true
	for _, s := range r.Jail() {
		groups = groups && (s.Layer != "cgroup" || s.State == "enforced")
	}
	for _, tt := range []struct {
		flood, want string
		group       bool
	}{
		{"memory", "the limit of 67108864 bytes of memory is reached (setting program_memory_bytes)", true},
		{"processes", "the limit of 50 processes and threads is reached (setting program_processes)", true},
		{"disk", "what programs have written: the limit of 52428800 bytes on disk is reached (setting disk_bytes)", false},
		{"files", "what programs have written: the limit of 2000 files is reached (setting files)", false},
	} {
		t.Run(tt.flood, func(t *testing.T) {
			if tt.group && !groups {
				t.Skip("no cgroups here")
			}
			logged, err := visit(t.Context(), r, host.DefaultTenant, daemontest.EchoTemplate("on plan\nrun terraform show "+tt.flood+"\n"))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it; logged:\n%s", err, tt.want, logged)
			}
			if logged, err := visit(t.Context(), r, host.DefaultTenant, daemontest.EchoTemplate("on plan\nrun terraform version\n")); err != nil || !strings.Contains(logged, "1.1.1") {
				t.Errorf("the next session: %v\n%s", err, logged)
			}
		})
	}
}
