package copies

import (
	"testing"
	"time"
)

// Looks that are short and few are not followed by a rest; those of a template that writes all the time take a fifth of a processor.
func TestPace(t *testing.T) {
	for _, tt := range []struct {
		name         string
		looks, every time.Duration
		least, most  float64
	}{
		{"an engine at its end", time.Millisecond, 2 * time.Millisecond, 0.49, 0.51},
		{"a template that writes all the time", time.Millisecond, 0, 0.2, 0.22},
		{"large states", time.Second, 0, 0.5, 0.51},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p pace
			began := time.Now()
			now := began
			var busy time.Duration
			for range 100_000 {
				if tt.every > 0 && busy >= burst/2 {
					break // it has ended
				}
				ended := now.Add(tt.looks)
				busy += tt.looks
				now = ended.Add(max(p.rest(now, ended), tt.every-tt.looks))
			}
			if share := busy.Seconds() / now.Sub(began).Seconds(); share < tt.least || share > tt.most {
				t.Errorf("a share of %.3f, want %.3f to %.3f", share, tt.least, tt.most)
			}
		})
	}
}
