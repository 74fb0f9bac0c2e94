package host_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/proto/guestpb"
)

// TestTenantLimits has one tenant run into each of its own limits, and another one, which has none of those, do the same.
func TestTenantLimits(t *testing.T) {
	narrow, wide := mustTenant(t, "narrow"), mustTenant(t, "wide")
	// On a slow machine these limits would be hit before the others.
	times := map[string]host.Tenant{"request_timeout": mustTenant(t, "hasty"), "cpu_millis": mustTenant(t, "weak")}
	cache, err := host.DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	log := new(daemontest.Log)
	r, err := host.New(t.Context(), host.Options{
		Plugin: filepath.FromSlash("../plugins/echo"), CacheDir: cache, DataDir: t.TempDir(), Engine: engineScript(t, "1.1.1"), Log: log.Logger(),
		Tenants: map[host.Tenant]host.TenantOptions{wide: {}, times["request_timeout"]: {Limits: &guestpb.Limits{RequestMillis: 1000}}, times["cpu_millis"]: {Limits: &guestpb.Limits{CpuMillis: 20}}, narrow: {Limits: &guestpb.Limits{
			MemoryBytes: 24 << 20, ResponseBytes: 100 << 10, LogBytes: 24 << 10, LogBytesPerSecond: 8 << 10, LogBurstBytes: 8 << 10,
			DiskBytes: 100 << 10, Files: 30, OpenFiles: 20, ProgramRuns: 5, OpenPrograms: 2, OutputBytes: 300, ConsoleBytes: 1 << 10,
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for setting, script := range map[string]string{
		"memory_bytes":         "memory 32MiB",
		"request_timeout":      "sleep 2s",
		"cpu_millis":           "busy 3s",
		"response_bytes":       "pad 200KiB",
		"log_bytes":            "flood info 300 " + strings.Repeat("x", 100),
		"log_bytes_per_second": "flood info 200 " + strings.Repeat("x", 100),
		"disk_bytes":           "fill f 200KiB",
		"files":                "files d 40",
		"open_files":           "write f x\nopen f 30",
		"program_runs":         strings.Repeat("run terraform version\n", 6),
		"open_programs":        strings.Repeat("start terraform version\n", 3),
		"output_bytes":         "write f x\nrun terraform show\nenv TF_VAR_long=" + strings.Repeat("x", 400) + "\nrun terraform show",
		"console_bytes":        "stdout " + strings.Repeat("x", 3<<10),
	} {
		t.Run(setting, func(t *testing.T) {
			archive := daemontest.EchoTemplate("on plan\n" + script + "\n")
			limited, ok := times[setting]
			if !ok {
				limited = narrow
			}
			for _, tn := range []host.Tenant{limited, wide} {
				log.Reset()
				said, err := visit(t.Context(), r, tn, archive)
				if err != nil {
					said += err.Error()
				}
				// What echo says of a start that failed is the number alone.
				said = strings.Replace(said, "exec_start returned -3", "(setting open_programs)", 1)
				if hit := regexp.MustCompile(`settings?[ =]` + setting + `\b`).MatchString(said + log.String()); hit != (tn == limited) {
					t.Errorf("%s: %.500s\n%.500s\nis its limit hit? %v", tn, said, log, hit)
				}
			}
		})
	}
}
