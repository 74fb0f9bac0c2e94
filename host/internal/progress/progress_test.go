package progress

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnnounce(t *testing.T) {
	for name, test := range map[string]struct {
		takes time.Duration
		want  string
	}{
		"quick": {Delay - 1, ""},
		"slow":  {Delay + 1, "building\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				done := Announce(&out, "building")
				time.Sleep(test.takes)
				done()
				if out.String() != test.want {
					t.Errorf("wrote %q, want %q", out.String(), test.want)
				}
			})
		})
	}
	Announce(nil, "nobody listens")()
}
