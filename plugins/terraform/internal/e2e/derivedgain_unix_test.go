//go:build unix

package e2e

import (
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/provisor/provisor/host"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

var derivedSessions = flag.Int("derived-sessions", 0, "measure the Graph of this many sessions with each kind of graph and each template")

// TestDerivedGraphGain says what a Graph takes, by time and by processor time, if it is derived from the configuration and if it is the engine's: both
// ways by turns, for templates of few and of many words.
func TestDerivedGraphGain(t *testing.T) {
	if *derivedSessions == 0 {
		t.Skip("-derived-sessions N measures N sessions of each kind")
	}
	e := newGraphEngine(t, "terraform")
	settings := []string{"configuration", "engine"}
	var runtimes []*host.Runtime
	for _, s := range settings {
		runtimes = append(runtimes, openRuntime(t, host.Options{
			PluginSettings: map[string]string{"terraform_graph": s}, Engine: e.path, Mirror: room.mirror, DataDir: t.TempDir(),
		}))
	}
	for _, resources := range []int{10, 50, 100, 200, 500, 1000} {
		for _, words := range []string{"few", "many"} {
			template := templateOf(resources, words == "many")
			dir := t.TempDir()
			write(t, filepath.Join(dir, "main.tf"), template)
			init := initRequest(t, dir)
			took, cpu := make([][]time.Duration, len(settings)), make([][]time.Duration, len(settings))
			for i := range *derivedSessions + 1 {
				for s, r := range runtimes {
					session := open(t, r)
					succeed(t, session, init)
					succeed(t, session, planRequest(&pb.PlanRequest{}))
					began, used := time.Now(), cpuTime(t)
					succeed(t, session, graphRequest(pb.GraphSource_SOURCE_PLAN))
					if i > 0 { // the first one is for the caches
						took[s], cpu[s] = append(took[s], time.Since(began)), append(cpu[s], cpuTime(t)-used)
					}
				}
			}
			for s, setting := range settings {
				t.Logf("%4d resources of %4s words, %3d KiB, terraform_graph=%-13s: Graph takes %v, processor time %v (medians)",
					resources, words, len(template)>>10, setting, median(took[s]), median(cpu[s]))
			}
		}
	}
}

// templateOf has a resource of some 100 bytes after the other; with many words, of some 600.
func templateOf(resources int, wordy bool) string {
	var b strings.Builder
	b.WriteString("terraform {\n  required_providers {\n    coder = { source = \"coder/coder\" }\n  }\n}\nresource \"coder_agent\" \"a\" {\n  os   = \"linux\"\n  arch = \"amd64\"\n}\n")
	before := "coder_agent.a.id"
	for i := range resources {
		words := ""
		if wordy {
			words = fmt.Sprintf(`
  # What is written here says nothing that the graph depends on, but has to be read all the same,
  # as comments and scripts are in most templates.
  triggers_replace = <<-EOT
    #!/bin/sh
    # Installs what the workspace %[1]d needs, and starts it in the background.
    set -eu
    curl -fsSL https://example.com/install.sh | sh -s -- --method=standalone --prefix=/tmp/server-%[1]d
    if [ -f ~/.profile ]; then
      . ~/.profile
    fi
    /tmp/server-%[1]d/bin/server --auth none --port %[1]d >/tmp/server-%[1]d.log 2>&1 &
  EOT`, i)
		}
		fmt.Fprintf(&b, "\nresource \"terraform_data\" \"m%d\" {%s\n  input = { agent = coder_agent.a.id, after = %s }\n}\n", i, words, before)
		before = fmt.Sprintf("terraform_data.m%d.id", i)
	}
	return b.String()
}

// cpuTime is the processor time of this process, in which the plugin runs, and of all programs that have ended.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var usage syscall.Rusage
		if err := syscall.Getrusage(who, &usage); err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	return sum
}

func median(list []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(list))[len(list)/2].Round(100 * time.Microsecond)
}
