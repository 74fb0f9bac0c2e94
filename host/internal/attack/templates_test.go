package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// templateAttack is something hostile that a template tries: on Terraform, through a daemon in a process of its own.
type templateAttack struct {
	name, tries, contains string
	// needs are layers of the jail, one of which is needed to contain it. Where this machine has none of them, it is skipped.
	needs []string
	// script is a shell script that is run by local-exec, with those of other attacks in one session. It makes attempts by the function try, of
	// which none may have success.
	script string
	// run attacks in sessions of its own, or judges what came of the script.
	run func(t *testing.T, s *site)
	// everywhere says that an attack in sessions of its own is tried on brief sites as well.
	everywhere bool
}

// The layers that attacks need.
var (
	needsTree     = []string{"process-tree"}
	needsRoot     = []string{"root"}
	needsLandlock = []string{"landlock"}
	needsFiles    = []string{"root", "landlock"}
	needsSignals  = []string{"process-tree", "landlock"}
)

// TestTemplates tries what templates can, as root, as a user without rights, and as users of the tenants' own, with and without namespaces.
func TestTemplates(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	if runtime.GOOS != "linux" {
		t.Skip("there is no jail but on Linux")
	}
	w := newWorkshop(t)
	for _, k := range kindsOfSite() {
		t.Run(k.name, func(t *testing.T) {
			s := newSite(t, w, k)
			h := newHonest(t, s.honestSession)
			h.while(t, func() { s.common(t) })
			tried, contained, skipped := 0, 0, 0
			for _, x := range templates() {
				if x.script == "" && k.brief() && !x.everywhere {
					continue
				}
				tried++
				if t.Run(x.name, func(t *testing.T) {
					defer func() {
						if t.Skipped() {
							skipped++
						}
					}()
					s.skipWithout(t, x.needs)
					s.try(t, h, x)
				}) {
					contained++
				}
			}
			t.Logf("%d attacks tried, %d contained, %d skipped; the honest session beside them was answered %d times; enforced: %s",
				tried-skipped, contained-skipped, skipped, h.answered, strings.Join(s.enforced, ", "))
		})
	}
}

// skipWithout skips a test that needs one of the layers.
func (s *site) skipWithout(t *testing.T, layers []string) {
	t.Helper()
	if !s.enforces(layers) {
		t.Skipf("this machine does not enforce %s here", strings.Join(layers, " or "))
	}
}

// enforces says whether one of the layers is there, if any is needed.
func (s *site) enforces(layers []string) bool {
	return len(layers) == 0 || slices.ContainsFunc(layers, func(l string) bool { return slices.Contains(s.enforced, l) })
}

func (s *site) try(t *testing.T, h *honest, x templateAttack) {
	if x.script == "" {
		h.while(t, func() { x.run(t, s) })
		if !daemontest.Soon(func() bool { return len(s.left()) == 0 }) {
			t.Errorf("left behind: %q", s.left())
		}
	} else {
		s.judge(t, x)
		if x.run != nil {
			x.run(t, s)
		}
	}
	s.checkUnharmed(t)
}

// prelude is what scripts begin with.
const prelude = `
# What comes of an attempt goes to the log: WHAT COMMAND...
try() {
	what=$1; shift
	if got=$("$@" 2>&1 </dev/null); then verdict=GOT; else verdict=HELD; fi
	printf '%s' "ATTACK $attack $verdict $what: $got" | tr '\n' ' ' | head -c 1000; echo
}
# COMMAND..., whose redirections fail with it.
redirect() { try "$1" sh -c "$1"; }
`

const commonTemplate = `
resource "terraform_data" "attack" {
  for_each   = fileset(path.module, "attacks/*.sh")
  depends_on = [fixture_slow.fetched, fixture_slow.mirrored]
  provisioner "local-exec" {
    command    = "sh ${each.value}"
    on_failure = continue
  }
}
`

var attempt = regexp.MustCompile(`ATTACK (\d+) (.*)`)

// common has the scripts of all attacks run in one session.
func (s *site) common(t *testing.T) {
	files := map[string]string{"main.tf": s.needsFetched() + commonTemplate}
	names := make(map[string]string)
	for i, x := range templates() {
		if x.script != "" && s.enforces(x.needs) {
			number := fmt.Sprintf("%03d", i)
			names[number] = x.name
			files["attacks/"+number+".sh"] = s.shell("attack="+number+"\n", x.script+"\necho ATTACK $attack DONE\n")
		}
	}
	d := s.open(t, s.attacker)
	for _, req := range []*pb.Request{initOf(daemontest.Template(files)), plan, apply} {
		d.do(t, req)
	}
	s.said["strays"] = s.strays()
	if err := d.end(); err != nil {
		t.Error(err)
	}
	d.checkSecret(t)
	for _, line := range d.logs {
		if found := attempt.FindStringSubmatch(line); found != nil {
			s.said[names[found[1]]] = append(s.said[names[found[1]]], found[2])
		}
	}
}

// shell is a script that knows the site.
func (s *site) shell(first, script string) string {
	var b strings.Builder
	b.WriteString(first)
	for name, value := range s.paths {
		fmt.Fprintf(&b, "%s='%s'\n", name, value)
	}
	fmt.Fprintf(&b, "MARK=%s\n", s.mark())
	return b.String() + prelude + script
}

// judge looks at what a script said.
func (s *site) judge(t *testing.T, x templateAttack) {
	t.Helper()
	said := s.said[x.name]
	if !slices.Contains(said, "DONE") {
		t.Errorf("the script did not come to its end: %q", said)
	}
	for _, line := range said {
		if strings.HasPrefix(line, "GOT ") {
			t.Errorf("%s", line)
		}
	}
}

// checkUnharmed checks what no attack may have changed.
func (s *site) checkUnharmed(t *testing.T) {
	t.Helper()
	if !s.lives() {
		t.Fatalf("the daemon is dead\n%s", s.logged())
	}
	entries, err := os.ReadDir(s.outside)
	if err != nil || len(entries) != 3 {
		t.Errorf("outside there is %v, %v", entries, err)
	}
	for _, name := range []string{"secret", "secret.json"} {
		info, err := os.Lstat(filepath.Join(s.outside, name))
		if err != nil || info.Mode() != 0o644 || info.ModTime().Year() < 2020 {
			t.Errorf("%s has changed: %v, %v", name, info, err)
		}
	}
}

// honestSession is one of the victim: with both providers, one from the cache and one from the mirror.
func (s *site) honestSession(ctx context.Context) (string, error) {
	d, err := s.begin(ctx, s.victim, &pb.Config{})
	if err != nil {
		return "", err
	}
	defer d.Close()
	template := s.needsFetched() + `
variable "of_the_victim" {}
resource "terraform_data" "honest" {
  input = [file("file.txt"), fixture_slow.fetched.seconds, var.of_the_victim == "" ? "not " : "", "known"]
  provisioner "local-exec" {
    command = "ls; pwd | sed 's,.*/,,'; touch here; sleep 0.1"
  }
}
`
	var answers strings.Builder
	graph := &pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{Source: pb.GraphSource_SOURCE_STATE}}}
	for _, req := range []*pb.Request{initOf(daemontest.Template(map[string]string{"main.tf": template, "file.txt": "text"})), parse, plan, apply, graph} {
		resp, err := d.ask(ctx, req)
		if err != nil {
			return "", err
		}
		if text := client.ErrorOf(resp); text != "" {
			return "", fmt.Errorf("%T: %s\n%s", req.Type, text, strings.Join(d.logs, "\n"))
		}
		if state := resp.GetApply().GetState(); state != nil {
			var content struct {
				Resources []struct{ Type, Name string }
			}
			if err := json.Unmarshal(state, &content); err != nil {
				return "", err
			}
			fmt.Fprintln(&answers, content)
		}
		for _, r := range resp.GetGraph().GetResources() {
			fmt.Fprintln(&answers, r.Type, r.Name)
		}
		for _, v := range resp.GetParse().GetTemplateVariables() {
			fmt.Fprintln(&answers, v.Name)
		}
	}
	var logs []string
	for _, l := range d.logs {
		if !strings.Contains(l, "Still creating...") { // as it is said after ten seconds
			logs = append(logs, varying.ReplaceAllString(l, "…"))
		}
	}
	slices.Sort(logs) // what is done at once is said in any order
	return answers.String() + strings.Join(slices.Compact(logs), "\n"), d.end()
}

// varying is what differs between equal sessions.
var varying = regexp.MustCompile(`\d+s\b|[0-9a-f]{8}-[0-9a-f-]{27}|\[id=[^]]*\]`)

// kept are the states that are kept of the attacker.
func (s *site) kept(t *testing.T) [][]byte {
	t.Helper()
	var states [][]byte
	err := filepath.WalkDir(filepath.Join(host.RecoveryDir(s.data), attackerTenant), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "record" {
			return nil // what is removed just now
		}
		if state, err := os.ReadFile(path); err == nil {
			states = append(states, state)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for _, state := range states {
		if bytes.Contains(state, []byte(s.canary)) {
			t.Error("a state that is kept has a secret in it")
		}
	}
	return states
}
