package engine

import (
	"strings"
	"testing"
)

func TestCommand(t *testing.T) {
	for args, want := range map[string]string{
		"plan": "plan", "plan -out=x": "plan", "-chdir=/x apply tfplan": "apply", "--version": "version", "show -json": "show",
		"": "other", "-chdir=plan": "other", "secret plan": "other", "-x": "other", "PLAN": "other", "state mv": "state",
	} {
		if got := Command(strings.Fields(args)); got != want {
			t.Errorf("%q: got %q, want %q", args, got, want)
		}
	}
}
