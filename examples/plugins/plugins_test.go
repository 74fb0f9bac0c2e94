// The same plugin in three languages: all are built, run and compared with what they have to answer.
package plugins_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/client/template"
	"github.com/provisor/provisor/host/kit"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

const templateDir = "../templates/inventory"

// header is the first line of every state.
const header = "# what there is: TYPE NAME DAILY_COST\n"

// forEach runs a test with the plugin of each language.
func forEach(t *testing.T, test func(t *testing.T, plugin string)) {
	dirs, err := filepath.Glob("inventory-*")
	if err != nil || len(dirs) < 3 {
		t.Fatalf("plugins %q, error %v", dirs, err)
	}
	for _, dir := range dirs {
		t.Run(dir, func(t *testing.T) { test(t, built(t, dir)) })
	}
}

// fakeEngine is an engine that only says its version: these plugins need none.
func fakeEngine(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "terraform")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho '{\"terraform_version\": \"1.11.0\"}'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func newRuntime(t testing.TB, plugin string) *host.Runtime {
	t.Helper()
	r, err := host.New(t.Context(), host.Options{Plugin: plugin, Engine: fakeEngine(t), DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// session is one with a plugin, and what it has logged.
type session struct {
	*client.Session
	t    testing.TB
	logs strings.Builder
}

func newSession(t testing.TB, r *host.Runtime) *session {
	t.Helper()
	s := client.NewSession(client.InProcess(t.Context(), func(ctx context.Context, stream client.Stream) error {
		return r.Session(ctx, host.DefaultTenant, stream)
	}))
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Configure(&pb.Config{ProvisionerLogLevel: "debug"}); err != nil {
		t.Fatal(err)
	}
	return &session{Session: s, t: t}
}

// expect asks, and compares the answer.
func (s *session) expect(req *pb.Request, want *pb.Response) {
	s.t.Helper()
	got, err := s.Do(s.t.Context(), req, func(l *pb.Log) { fmt.Fprintf(&s.logs, "%s: %s\n", l.GetLevel(), l.GetOutput()) })
	if err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform(), protocmp.IgnoreMessages(&pb.Timing{})); diff != "" {
		s.t.Errorf("(-want +got):\n%s", diff)
	}
}

// expectLogs compares what was logged since the last time.
func (s *session) expectLogs(want string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.logs.String()); diff != "" {
		s.t.Errorf("logs (-want +got):\n%s", diff)
	}
	s.logs.Reset()
}

func initRequest(archive []byte) *pb.Request {
	return &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: archive}}}
}

func planRequest(state string, transition pb.WorkspaceTransition) *pb.Request {
	return &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{
		State: []byte(state), Metadata: &pb.Metadata{WorkspaceTransition: transition, WorkspaceName: "w"},
	}}}
}

func graphRequest(source pb.GraphSource) *pb.Request {
	return &pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{Source: source}}}
}

var (
	parseRequest = &pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}}
	applyRequest = &pb.Request{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{}}}
	initialized  = &pb.Response{Type: &pb.Response_Init{Init: &pb.InitComplete{}}}
)

func planned(cost int32, changes ...string) *pb.Response {
	document := `{"format_version":"1.0","resource_changes":[` + strings.Join(changes, ",") + `]}`
	return &pb.Response{Type: &pb.Response_Plan{Plan: &pb.PlanComplete{Plan: []byte(document), DailyCost: cost}}}
}

func changed(kind, name, action, before, after string) string {
	return fmt.Sprintf(`{"address":"%s.%s","mode":"managed","type":"%[1]s","name":"%[2]s","change":{"actions":["%s"],"before":%s,"after":%s}}`, kind, name, action, before, after)
}

func applied(state string) *pb.Response {
	return &pb.Response{Type: &pb.Response_Apply{Apply: &pb.ApplyComplete{State: []byte(state)}}}
}

func drawn(resources ...*pb.Resource) *pb.Response {
	return &pb.Response{Type: &pb.Response_Graph{Graph: &pb.GraphComplete{Resources: resources}}}
}

func TestLifecycle(t *testing.T) {
	forEach(t, func(t *testing.T, plugin string) {
		r := newRuntime(t, plugin)
		archive, err := template.Pack(templateDir, template.Options{})
		if err != nil {
			t.Fatal(err)
		}
		readme, err := os.ReadFile(filepath.Join(templateDir, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		const state = header + "box web 3\nbox db 5\nlamp desk 0\n"
		web, db, desk := &pb.Resource{Type: "box", Name: "web", DailyCost: 3}, &pb.Resource{Type: "box", Name: "db", DailyCost: 5}, &pb.Resource{Type: "lamp", Name: "desk"}

		s := newSession(t, r)
		s.expect(initRequest(archive), initialized)
		s.expect(parseRequest, &pb.Response{Type: &pb.Response_Parse{Parse: &pb.ParseComplete{Readme: readme}}})
		s.expectLogs("DEBUG: inventory.txt: 3 resources\n")
		s.expect(planRequest("box web 3\nbox db 4\nlamp hall 1\n", pb.WorkspaceTransition_START), planned(8,
			changed("box", "web", "no-op", `{"daily_cost":3}`, `{"daily_cost":3}`),
			changed("box", "db", "update", `{"daily_cost":4}`, `{"daily_cost":5}`),
			changed("lamp", "desk", "create", `null`, `{"daily_cost":0}`),
			changed("lamp", "hall", "delete", `{"daily_cost":1}`, `null`)))
		s.expectLogs("INFO: box.db: to update\nINFO: lamp.desk: to create\nINFO: lamp.hall: to delete\n")
		s.expect(graphRequest(pb.GraphSource_SOURCE_PLAN), drawn(web, db, desk))
		s.expect(graphRequest(pb.GraphSource_SOURCE_STATE), drawn(
			web, &pb.Resource{Type: "box", Name: "db", DailyCost: 4}, &pb.Resource{Type: "lamp", Name: "hall", DailyCost: 1}))
		s.expectLogs("")
		s.expect(applyRequest, applied(state))
		s.expectLogs("INFO: box.db: updated\nINFO: lamp.desk: created\nINFO: lamp.hall: deleted\n")
		s.expect(graphRequest(pb.GraphSource_SOURCE_STATE), drawn(web, db, desk))
		s.expect(graphRequest(pb.GraphSource_SOURCE_UNKNOWN), &pb.Response{Type: &pb.Response_Graph{Graph: &pb.GraphComplete{
			Error: "graph: the source must be the plan (1) or the state (2), not 0",
		}}})

		s = newSession(t, r)
		s.expect(initRequest(archive), initialized)
		s.expect(planRequest(state, pb.WorkspaceTransition_DESTROY), planned(0,
			changed("box", "web", "delete", `{"daily_cost":3}`, `null`),
			changed("box", "db", "delete", `{"daily_cost":5}`, `null`),
			changed("lamp", "desk", "delete", `{"daily_cost":0}`, `null`)))
		s.expect(graphRequest(pb.GraphSource_SOURCE_PLAN), drawn())
		s.expect(applyRequest, applied(header))
		s.expect(graphRequest(pb.GraphSource_SOURCE_STATE), drawn())
		s.expect(planRequest("", pb.WorkspaceTransition_DESTROY), planned(0))
	})
}

// entry is one of an archive: a file, if it does not say otherwise.
type entry struct {
	tar.Header
	data string
}

func pack(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.Size, e.Mode = int64(len(e.data)), 0o644
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func file(name, data string) entry { return entry{tar.Header{Name: name}, data} }

func TestBadArchives(t *testing.T) {
	inventory := pack(t, file("inventory.txt", strings.Repeat("# much\n", 100)))
	deep := strings.Repeat("d/", 120)
	forEach(t, func(t *testing.T, plugin string) {
		r := newRuntime(t, plugin)
		for name, c := range map[string]struct {
			archive []byte
			want    string // part of the error
		}{
			"empty":                {},
			"closing blocks":       {make([]byte, 1024), ""},
			"no padding":           {inventory[:512+700], ""},
			"long name":            {pack(t, entry{tar.Header{Name: deep + "x", Format: tar.FormatPAX}, "1"}), ""},
			"long GNU name":        {pack(t, entry{tar.Header{Name: deep + "x", Format: tar.FormatGNU}, "1"}), ""},
			"prefix":               {pack(t, entry{tar.Header{Name: strings.Repeat("d/", 60) + "x", Format: tar.FormatUSTAR}, "1"}), ""},
			"local after all":      {pack(t, file("a/../b", "1"), file("./c", "2"), entry{tar.Header{Name: "./", Typeflag: tar.TypeDir}, ""}), ""},
			"twice":                {pack(t, file("a", "11"), file("a", "2"), entry{tar.Header{Name: "d/", Typeflag: tar.TypeDir}, ""}, file("d/e", "")), ""},
			"no tar":               {bytes.Repeat([]byte("not a tar"), 200), "extract template archive: not an uncompressed tar archive"},
			"cut header":           {inventory[:100], "extract template archive: the archive is cut: it ends at byte 100"},
			"cut data":             {inventory[:600], "the archive is cut: it ends at byte 600"},
			"cut padding":          {inventory[:512+701], "the archive is cut"},
			"cut after a name":     {pack(t, entry{tar.Header{Name: deep + "x", Format: tar.FormatGNU}, "1"})[:1024], "the archive is cut"},
			"parent":               {pack(t, file("a", ""), file("../x", "")), `extract template archive: refusing to extract to non-local path "../x"`},
			"parent, deeper":       {pack(t, file("a/../../x", "")), `refusing to extract to non-local path "a/../../x"`},
			"absolute":             {pack(t, file("/etc/x", "")), `extract template archive: refusing to extract to non-local path "/etc/x"`},
			"parent of a long one": {pack(t, file(deep+strings.Repeat("../", 121)+"x", "")), "refusing to extract to non-local path"},
			"a file as parent":     {pack(t, file("a", ""), file("a/b", "")), "a file has the name of"},
			"a directory as file":  {pack(t, entry{tar.Header{Name: "a/", Typeflag: tar.TypeDir}, ""}, file("a", "")), `"a": `},
			"the root as file":     {pack(t, file(".", "")), `".": `},
		} {
			t.Run(name, func(t *testing.T) {
				answer, err := newSession(t, r).Do(t.Context(), initRequest(c.archive), nil)
				if err != nil {
					t.Fatal(err)
				}
				if got := answer.GetInit().GetError(); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
					t.Errorf("error %q, want %q", got, c.want)
				}
			})
		}
	})
}

func TestLinksAreLeftOut(t *testing.T) {
	archive := pack(t, file("inventory.txt", "box a"), entry{tar.Header{Name: "README.md", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}, ""},
		entry{tar.Header{Name: "hard", Linkname: "inventory.txt", Typeflag: tar.TypeLink}, ""}, file("last", ""))
	forEach(t, func(t *testing.T, plugin string) {
		s := newSession(t, newRuntime(t, plugin))
		s.expect(initRequest(archive), initialized)
		warnings := s.logs.String()
		for _, name := range []string{"README.md", "hard"} {
			if !strings.Contains(warnings, `WARN: The template archive's entry "`+name+`" is left out: `) {
				t.Errorf("no warning of %s in\n%s", name, warnings)
			}
		}
		s.expect(parseRequest, &pb.Response{Type: &pb.Response_Parse{Parse: &pb.ParseComplete{}}})
	})
}

func TestBadInventories(t *testing.T) {
	const name = `must be a letter, then letters, digits, "-" and "_", 64 at most`
	cases := map[string]string{
		"":                                      "",
		"box\ta 0000007 # 1 2 3\r\n":            "",
		"box":                                   "inventory.txt:1: want TYPE NAME [DAILY_COST]",
		"# one\n\n  box a 1 2":                  "inventory.txt:3: want TYPE NAME [DAILY_COST]",
		"b.x a\n":                               "inventory.txt:1: TYPE " + name,
		"box 1a":                                "inventory.txt:1: NAME " + name,
		"box a\xff\xfe":                         "inventory.txt:1: NAME " + name,
		"box a\x00":                             "inventory.txt:1: NAME " + name,
		"box \u00e4":                            "inventory.txt:1: NAME " + name,
		"box a\u00a0b":                          "inventory.txt:1: NAME " + name,
		"box a\vb":                              "inventory.txt:1: NAME " + name,
		"box " + strings.Repeat("n", 64):        "",
		"box " + strings.Repeat("n", 65):        "inventory.txt:1: NAME " + name,
		"box a 1000000":                         "",
		"box a 1000001":                         "inventory.txt:1: DAILY_COST must be a whole number from 0 to 1000000",
		"box a +1":                              "inventory.txt:1: DAILY_COST must be a whole number from 0 to 1000000",
		"box a 1.5":                             "inventory.txt:1: DAILY_COST must be a whole number from 0 to 1000000",
		"box a 99999999999999999999":            "inventory.txt:1: DAILY_COST must be a whole number from 0 to 1000000",
		"box a\nlamp a\nbox b\nbox a 4":         "inventory.txt:4: box.a stands in line 1 already",
		many(1000):                              "",
		many(1001):                              "inventory.txt:1001: more than 1000 resources",
		strings.Repeat("#", 1<<20):              "",
		strings.Repeat("#", 1<<20+1):            "inventory.txt: more than 1048576 bytes",
		strings.Repeat("\n", 1<<20-4) + "a b\n": "",
		strings.Repeat("\n", 1<<20-4) + "a b" + "\n" + "#": "inventory.txt: more than 1048576 bytes",
	}
	forEach(t, func(t *testing.T, plugin string) {
		r := newRuntime(t, plugin)
		for content, want := range cases {
			s := newSession(t, r)
			s.expect(initRequest(pack(t, file("inventory.txt", content))), initialized)
			s.expect(parseRequest, &pb.Response{Type: &pb.Response_Parse{Parse: &pb.ParseComplete{Error: want}}})
		}

		const missing = "inventory.txt: the template has no such file"
		s := newSession(t, r)
		s.expect(initRequest(nil), initialized)
		s.expect(parseRequest, &pb.Response{Type: &pb.Response_Parse{Parse: &pb.ParseComplete{Error: missing}}})
		s.expect(planRequest("", pb.WorkspaceTransition_START), &pb.Response{Type: &pb.Response_Plan{Plan: &pb.PlanComplete{Error: missing}}})
		s.expect(planRequest("\nbox\n", pb.WorkspaceTransition_START), &pb.Response{Type: &pb.Response_Plan{Plan: &pb.PlanComplete{
			Error: "state:2: want TYPE NAME [DAILY_COST]",
		}}})
	})
}

// many is an inventory of that many resources.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "box n%d 1000000\n", i)
	}
	return b.String()
}

// The largest inventory, whose plan and cost are the largest too.
func TestManyResources(t *testing.T) {
	forEach(t, func(t *testing.T, plugin string) {
		s := newSession(t, newRuntime(t, plugin))
		s.expect(initRequest(pack(t, file("inventory.txt", many(1000)))), initialized)
		var changes []string
		for i := range 1000 {
			changes = append(changes, changed("box", fmt.Sprintf("n%d", i), "create", "null", `{"daily_cost":1000000}`))
		}
		s.expect(planRequest("", pb.WorkspaceTransition_START), planned(1_000_000_000, changes...))
		s.expect(applyRequest, applied(header+many(1000)))
	})
}

func TestConformance(t *testing.T) {
	forEach(t, func(t *testing.T, plugin string) {
		kit.TestWith(t, kit.Options{Plugin: plugin, Template: templateDir, Engine: fakeEngine(t)})
	})
}

// Two sessions of one plugin know nothing of each other.
func TestSessionsOfOnePluginAreApart(t *testing.T) {
	forEach(t, func(t *testing.T, plugin string) {
		r := newRuntime(t, plugin)
		first, second := newSession(t, r), newSession(t, r)
		for s, name := range map[*session]string{first: "one", second: "two"} {
			s.expect(initRequest(pack(t, file("inventory.txt", "box "+name))), initialized)
			s.expect(planRequest("", pb.WorkspaceTransition_START), planned(0, changed("box", name, "create", "null", `{"daily_cost":0}`)))
		}
		first.expect(applyRequest, applied(header+"box one 0\n"))
		second.expect(applyRequest, applied(header+"box two 0\n"))
	})
}

// BenchmarkSession is a session of one request: instantiate the plugin, extract nothing, answer.
func BenchmarkSession(b *testing.B) {
	for _, dir := range []string{"inventory-go", "inventory-c", "inventory-as"} {
		b.Run(dir, func(b *testing.B) {
			r := newRuntime(b, built(b, dir))
			for b.Loop() {
				s := newSession(b, r)
				s.expect(initRequest(nil), initialized)
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
