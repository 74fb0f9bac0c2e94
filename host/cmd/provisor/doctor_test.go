package main

import (
	"strings"
	"testing"

	"github.com/provisor/provisor/host"
)

// What a machine lacks that is never this one.
func TestDiagnosis(t *testing.T) {
	found := &host.Examination{
		Jail: []host.JailTrial{
			{JailStatus: host.JailStatus{Layer: "landlock", State: "enforced", How: "version 7"}, Refused: []string{"read"}, Required: true},
			{JailStatus: host.JailStatus{Layer: "seccomp", State: "enforced", How: "a filter"}, Refused: []string{"ptrace"}, Allowed: []string{"keyring"}},
			{JailStatus: host.JailStatus{Layer: "root", State: "missing", How: "not \x1b[31mpermitted", Fix: "be root"}, Required: true},
			{JailStatus: host.JailStatus{Layer: "ipc", State: "missing", Fix: "be root, too"}},
			{JailStatus: host.JailStatus{Layer: "network", State: "disabled"}},
		},
		Findings: []host.Finding{{Name: "engine", State: host.FindingOK, Text: "there"}, {Name: "data", State: host.FindingProblem, Text: "full", Fix: "make room"}},
	}
	d := diagnose(found, host.Finding{Name: "daemon", State: host.FindingNote, Text: "none"})
	if d.OK {
		t.Error("it is all right")
	}
	var plain, colored strings.Builder
	if err := d.print(&plain, false); err != nil {
		t.Fatal(err)
	}
	if err := d.print(&colored, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"enforced  landlock      required; version 7\n", "tried, and refused: read\n", "fails     seccomp ", "tried, and NOT refused: keyring\n",
		`missing   root          required; not \x1b[31mpermitted`, "to get it: be root\n", "missing   ipc ", "disabled  network ", "ok        engine        there\n",
		"problem   data          full\n", "advice: make room\n", "note      daemon        none\n",
		"1 of 5 layers are enforced; a daemon can't work here for: layer seccomp, layer root, data\n",
	} {
		if !strings.Contains(plain.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &plain)
		}
	}
	if strings.Contains(plain.String(), "\x1b") || !strings.Contains(colored.String(), "\x1b[31mfails   \x1b[0m") {
		t.Errorf("the colors are wrong:\n%q\n%q", &plain, &colored)
	}
	for what, fine := range map[string]host.Examination{
		"a layer that nobody requires is missing": {Jail: []host.JailTrial{{JailStatus: host.JailStatus{State: "missing"}}}},
		"something to note":                       {Findings: []host.Finding{{State: host.FindingNote}}},
	} {
		if d := diagnose(&fine); !d.OK {
			t.Errorf("%s, and a daemon can't work there", what)
		}
	}
}
