package registry

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/provisor/provisor/host/internal/tenant"
)

// The evidence is compared with the integral, computed the slow way.
func TestEvidence(t *testing.T) {
	for _, tt := range []struct {
		c, s  int
		share float64
	}{{0, 0, 0.1}, {1, 0, 0.1}, {3, 0, 0.1}, {3, 4, 0.1}, {0, 5, 0.5}, {10, 0, 0.5}, {30, 12, 0.5}, {2, 0, 0.01}, {1, 60, 0.02}} {
		const steps = 200_000
		sum := 0.0
		for i := range steps {
			theta := tt.share + (1-tt.share)*(float64(i)+0.5)/steps
			sum += math.Pow(theta/tt.share, float64(tt.c)) * math.Pow((1-theta)/(1-tt.share), float64(tt.s))
		}
		want := sum / steps
		if got := evidence(tt.c, tt.s, tt.share); math.Abs(got-want) > 1e-6*want {
			t.Errorf("%d and %d at %v: got %v, want %v", tt.c, tt.s, tt.share, got, want)
		}
	}
	// Large numbers are no trouble.
	for _, e := range []float64{evidence(5, 1e6, 0.1), evidence(1e4, 9e4, 0.1), evidence(0, 0, 0.5)} {
		if math.IsNaN(e) || math.IsInf(e, 0) || e > 2 {
			t.Errorf("got %v for a canary that is not worse", e)
		}
	}
	if e := evidence(2e4, 8e4, 0.1); !(e > 1e100) {
		t.Errorf("got %v for a canary that fails twice as often", e)
	}
}

// withdrawn plays a trial in which the plugins fail with these probabilities, and says after how many sessions the canary was withdrawn.
func withdrawn(rng *rand.Rand, percent, sessions int, stable, canary float64) (after int, yes bool) {
	tr := &trial{percent: percent}
	for i := range sessions {
		arm, p := &tr.stable, stable
		if rng.IntN(100) < percent {
			arm, p = &tr.canary, canary
		}
		arm.sessions++
		if rng.Float64() >= p {
			continue
		}
		if arm.failed++; arm == &tr.canary && tr.worse() {
			return i, true
		}
	}
	return 0, false
}

// A good canary is hardly ever withdrawn, however often it is looked at; a bad one soon is.
func TestRule(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, percent := range []int{1, 10, 50} {
		for _, p := range []float64{0.02, 0.5, 1} {
			const trials = 400
			wrong := 0
			for range trials {
				if _, yes := withdrawn(rng, percent, 300, p, p); yes {
					wrong++
				}
			}
			// 1 in 100 is the bound; 12 of 400 are more than chance makes of it.
			if wrong > 12 {
				t.Errorf("%d%%, both fail with %v: %d of %d canaries were withdrawn", percent, p, wrong, trials)
			}
		}
	}
	for _, tt := range []struct {
		percent        int
		stable, canary float64
		within         int
	}{{10, 0, 1, 100}, {10, 0.02, 0.5, 300}, {50, 0, 1, 60}, {50, 0.1, 0.5, 200}} {
		late := 0
		for range 200 {
			if after, yes := withdrawn(rng, tt.percent, 10_000, tt.stable, tt.canary); !yes || after > tt.within {
				late++
			}
		}
		if late > 20 {
			t.Errorf("%+v: %d of 200 were not withdrawn in time", tt, late)
		}
	}
}

func TestCanary(t *testing.T) {
	h := build(t)
	h.mustInstall("a@1.1.0", func(i *Installation) { i.Canary = 50 })
	h.mustInstall("b@1.0.0")
	h.mustUse("a@1.0.0", "pinned", 0)
	pinned, err := tenant.Parse("pinned")
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, h.use("a@1.0.0", "", 10), Conflict, "in use already")
	wantKind(t, h.use("a@1.1.0", "one", 10), Invalid, "can't be given to the tenant one")
	wantKind(t, h.use("b@1.0.0", "", 10), Conflict, "no version of b is in use")
	wantKind(t, h.use("a@1.1.0", "", 51), Invalid, "1% to 50%")
	wantKind(t, h.use("a@1.1.0", "", -1), Invalid, "1% to 50%")
	canaries := 0
	for i := 0; i < 200 && !strings.Contains(h.log.String(), "a canary was withdrawn"); i++ {
		l, err := h.Lease(tenant.Default)
		if err != nil {
			t.Fatal(err)
		}
		if l.Plugin.Version == "1.1.0" {
			canaries++
			l.Failed()
		}
		l.Release()
		if l, err = h.Lease(pinned); err != nil || l.Plugin.Version != "1.0.0" || l.trial != nil {
			t.Fatalf("a pinned tenant got %+v, %v", l, err)
		}
		l.Release()
	}
	if canaries < 5 || canaries > 30 {
		t.Errorf("it was withdrawn after %d sessions", canaries)
	}
	for range 50 {
		h.want(map[string]string{"default": "a@1.0.0"})
	}
	h.background.Wait()
	w := h.List()[0].Withdrawn
	if w == nil || w.Version != "1.1.0" || !strings.Contains(w.Reason, "it failed in ") || time.Since(w.At) > time.Minute {
		t.Errorf("listed as withdrawn is %+v", w)
	}
	h.reopen()
	if w := h.List()[0].Withdrawn; w == nil {
		t.Error("the withdrawal is forgotten after a restart")
	}
	// Promotion is by use, and a canary survives a restart.
	h.mustUse("a@1.1.0", "", 20)
	h.reopen()
	if c := h.List()[0].Versions[1].Canary; c == nil || c.Percent != 20 {
		t.Errorf("after a restart the canary is %+v", c)
	}
	h.mustUse("a@1.1.0", "", 0)
	h.want(map[string]string{"default": "a@1.1.0"})
	if i := h.List()[0]; i.Withdrawn != nil || i.Versions[1].Canary != nil {
		t.Errorf("after its promotion: %+v", i)
	}
}
