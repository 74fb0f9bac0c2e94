package host

import (
	"strings"
	"testing"

	"github.com/provisor/provisor/proto/guestpb"
)

func TestGranted(t *testing.T) {
	for name, test := range map[string]struct{ wanted, operator, want string }{
		"what it wants":       {"TF_VAR_* TF_LOG", "TF_VAR_* TF_LOG CODER_*", "TF_LOG TF_VAR_*"},
		"everything":          {"*", "TF_VAR_* TF_LOG", "TF_LOG TF_VAR_*"},
		"more than granted":   {"TF_*", "TF_VAR_*", "TF_VAR_*"},
		"less than granted":   {"TF_VAR_a", "TF_*", "TF_VAR_a"},
		"nothing in common":   {"HTTPS_PROXY PYTHONPATH", "TF_VAR_*", ""},
		"nothing granted":     {"TF_LOG", "", ""},
		"a prefix is no name": {"TF_LOG_PATH", "TF_LOG", ""},
		"no star in common":   {"A*", "AB", "AB"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(granted(strings.Fields(test.wanted), strings.Fields(test.operator)), " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	got := Options{Limits: &guestpb.Limits{Files: 7, MemoryBytes: 1 << 20}, MemoryBytes: 2 << 20}.limits()
	if got.Files != 7 || got.MemoryBytes != 2<<20 || got.DiskBytes != DefaultLimits().DiskBytes {
		t.Errorf("got %v", got)
	}
}
