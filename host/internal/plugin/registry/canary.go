package registry

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/store"
)

// trial is that of a canary against the version that is active. Its counters belong to the registry's mutex.
type trial struct {
	name, version string
	percent       int
	since         time.Time
	// stable and canary count the sessions that began in the trial and have ended.
	stable, canary count
	// over: it was found out, and gets no more sessions.
	over bool
}

// count counts sessions, and those in which the plugin failed.
type count struct{ sessions, failed int }

// draw says whether the next session is the canary's.
func (t *trial) draw() bool { return rand.IntN(100) < t.percent }

// The rule by which a canary is withdrawn. If it were as good as the active version, then each session in which the plugin fails would be
// the canary's with the probability that it was given, its share; so the failures alone tell, one by one. The evidence is the likelihood
// ratio of "any larger probability" to "that probability". It exceeds 1/p with a probability of p at most if the canary is not worse,
// however often one looks (Ville's inequality). So no more than one good canary in a hundred is ever withdrawn; and at a share of 10%, three
// failures against none are enough.
const (
	enoughEvidence = 100
	// minFailed keeps a single template, tried twice, from deciding.
	minFailed = 3
)

// worse says whether the canary is known to fail more often.
func (t *trial) worse() bool {
	return t.canary.failed >= minFailed && evidence(t.canary.failed, t.stable.failed, float64(t.percent)/100) >= enoughEvidence
}

// evidence is the integral of (θ/π)^c ((1-θ)/(1-π))^s over the θ above π, for c failures of the canary and s of the other, divided by the
// length of that range.
func evidence(c, s int, share float64) float64 {
	logBeta := lgamma(c+1) + lgamma(s+1) - lgamma(c+s+2)
	above := binomialCDF(c, c+s+1, share)
	log := logBeta + math.Log(above) - math.Log1p(-share) - float64(c)*math.Log(share) - float64(s)*math.Log1p(-share)
	return math.Exp(log)
}

func lgamma(n int) float64 {
	v, _ := math.Lgamma(float64(n))
	return v
}

// binomialCDF is the probability of k successes or fewer in n tries. It is the regularised incomplete beta function of k+1 and n-k above p.
func binomialCDF(k, n int, p float64) float64 {
	sum := 0.0
	for i := 0; i <= k; i++ {
		sum += math.Exp(lgamma(n+1) - lgamma(i+1) - lgamma(n-i+1) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return min(sum, 1)
}

// trialsOf are the trials of the state's canaries; those that go on keep their counts.
func (r *Registry) trialsOf(s *store.State) map[string]*trial {
	trials := make(map[string]*trial)
	for name, p := range s.Plugins {
		c := p.Canary
		if c == nil {
			continue
		}
		if t := r.trials[name]; t != nil && t.version == c.Version && t.percent == c.Percent && t.since.Equal(c.Since) {
			trials[name] = t
			continue
		}
		trials[name] = &trial{name: name, version: c.Version, percent: c.Percent, since: c.Since}
	}
	return trials
}

// note counts a session of a trial that has ended, and ends the trial if that is enough.
func (r *Registry) note(t *trial, canary, failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	arm := &t.stable
	if canary {
		arm = &t.canary
	}
	arm.sessions++
	if failed {
		arm.failed++
	}
	if canary && failed && !t.over && r.trials[t.name] == t && !r.closed && t.worse() {
		t.over = true
		reason := fmt.Sprintf("it failed in %d of %d sessions, the active version in %d of %d", t.canary.failed, t.canary.sessions, t.stable.failed, t.stable.sessions)
		r.background.Go(func() { r.withdraw(t, reason) })
	}
}

// withdraw writes down that a trial is over. New sessions don't take part in it any more already.
func (r *Registry) withdraw(t *trial, reason string) {
	ref := plugin.Ref{Name: t.name, Version: t.version}
	r.o.Log.Warn("a canary was withdrawn", "plugin", t.name, "version", t.version, "reason", reason)
	err := r.change(context.Background(), func(s *store.State) error {
		p := s.Plugins[t.name]
		if p == nil || p.Canary == nil || p.Canary.Version != t.version || !p.Canary.Since.Equal(t.since) {
			return nil
		}
		p.Canary, p.Withdrawn = nil, &store.Withdrawn{Version: t.version, At: now(), Reason: reason}
		return nil
	})
	if err != nil {
		r.o.Log.Error("the withdrawal of a canary is not kept: it will be tried again when the daemon is started again", "canary", ref.String(), "error", err)
	}
}

// now is the time as the state keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
