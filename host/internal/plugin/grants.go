package plugin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/provisor/provisor/proto/guestpb"
)

// Grants are what an operator lets a plugin do. The zero value is nothing.
type Grants struct {
	// Programs are logical names.
	Programs []string `json:"programs,omitempty"`
	// Env are the names of variables that the plugin may set for programs. A trailing * stands for any ending.
	Env []string `json:"env,omitempty"`
}

// CheckGrants says what is wrong with grants: names that nothing can be called.
func CheckGrants(g Grants) error {
	if len(g.Programs) > maxEntries || len(g.Env) > maxEntries {
		return fmt.Errorf("a plugin has at most %d programs and %d variables granted", maxEntries, maxEntries)
	}
	for _, name := range g.Programs {
		if !validName(name) {
			return fmt.Errorf("%q is not a program's logical name, like terraform", name)
		}
	}
	for _, name := range g.Env {
		if name != "*" && !(len(name) <= maxText && envPattern.MatchString(name)) {
			return fmt.Errorf("%q is not a variable's name, or the beginning of one and a *", name)
		}
	}
	return nil
}

// Missing is all that the plugin asks for beyond what is granted, for a message; empty = nothing.
func (g Grants) Missing(m *guestpb.Manifest) string {
	var missing []string
	for _, name := range m.GetPrograms() {
		if !slices.Contains(g.Programs, name) {
			missing = append(missing, "the program "+name)
		}
	}
	for _, name := range m.GetEnv() {
		if !slices.ContainsFunc(g.Env, func(granted string) bool { return covers(granted, name) }) {
			missing = append(missing, "the variable "+name)
		}
	}
	return strings.Join(missing, ", ")
}

// Of is what the plugin gets: what it asks for, as far as it is granted. Of two patterns that overlap it gets the narrower.
func (g Grants) Of(m *guestpb.Manifest) Grants {
	var got Grants
	for _, name := range m.GetPrograms() {
		if slices.Contains(g.Programs, name) {
			got.Programs = append(got.Programs, name)
		}
	}
	for _, wanted := range m.GetEnv() {
		for _, granted := range g.Env {
			switch {
			case covers(granted, wanted):
				got.Env = append(got.Env, wanted)
			case covers(wanted, granted):
				got.Env = append(got.Env, granted)
			}
		}
	}
	slices.Sort(got.Env)
	got.Env = slices.Compact(got.Env)
	return got
}

// With are these grants and more.
func (g Grants) With(more Grants) Grants {
	return Grants{Programs: joined(g.Programs, more.Programs), Env: joined(g.Env, more.Env)}
}

func joined(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// Program says whether the program is among the grants.
func (g Grants) Program(name string) bool { return slices.Contains(g.Programs, name) }

// covers says whether all that the narrow pattern stands for is among what the wide one stands for.
func covers(wide, narrow string) bool {
	if prefix, ok := strings.CutSuffix(wide, "*"); ok {
		return strings.HasPrefix(strings.TrimSuffix(narrow, "*"), prefix)
	}
	return wide == narrow
}
