package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/provisor/provisor/plugins/echo/internal/script"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

// template makes an archive with that script.
func template(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: scriptName, Mode: 0o600, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// begin opens a session with that script, and initialises it.
func begin(t *testing.T, text string) *guesttest.Session {
	t.Helper()
	s := guesttest.New(t)
	if c := s.Init(&pb.InitRequest{TemplateSourceArchive: template(t, text)}); c.GetError() != "" {
		t.Fatal(c.GetError())
	}
	return s
}

func TestWithoutAScript(t *testing.T) {
	s := guesttest.New(t)
	for _, c := range []proto.Message{
		s.Init(&pb.InitRequest{}), s.Parse(&pb.ParseRequest{}), s.Plan(&pb.PlanRequest{}), s.Apply(&pb.ApplyRequest{}), s.Graph(&pb.GraphRequest{}),
	} {
		if proto.Size(c) > 0 {
			t.Errorf("%T: %v", c, c)
		}
	}
	if left, _ := os.ReadDir(s.WorkDir()); len(left) > 0 || s.LogText() != "" {
		t.Errorf("files %v, logs %q", left, s.LogText())
	}
}

func TestEveryStepHasAnAction(t *testing.T) {
	for _, s := range script.Steps {
		if actions[s.Name] == nil {
			t.Errorf("%s: no action", s.Name)
		}
	}
	if len(actions) != len(script.Steps) {
		t.Errorf("%d actions, %d steps", len(actions), len(script.Steps))
	}
}

func TestREADMEDescribesEveryStep(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range script.Steps {
		if !bytes.Contains(readme, []byte("`"+s.String()+"`")) {
			t.Errorf("README.md does not describe `%s`", s)
		}
	}
	for i, block := range strings.Split(string(readme), "```") {
		text, ok := strings.CutPrefix(block, "echo\n")
		if i%2 == 0 || !ok {
			continue
		}
		if _, err := script.Parse("README.md", []byte(text)); err != nil {
			t.Errorf("the README's script\n%s\n%v", text, err)
		}
	}
}

func TestComplete(t *testing.T) {
	s := begin(t, `
on parse
	complete {
	  "templateVariables": [{"name": "region", "required": true}],
	  "readme": "aGVsbG8=", "workspace_tags": {"a": "b"}
	}
on plan
	complete {"plan": "e30="}
	error no such "thing"
on apply
	pad 3MiB
on graph 2
	complete {"resources": [{"name": "web", "type": "box", "agents": [{"name": "main", "token": ""}]}]}
`)
	want := &pb.ParseComplete{
		TemplateVariables: []*pb.TemplateVariable{{Name: "region", Required: true}}, Readme: []byte("hello"), WorkspaceTags: map[string]string{"a": "b"},
	}
	if diff := cmp.Diff(want, s.Parse(&pb.ParseRequest{}), protocmp.Transform()); diff != "" {
		t.Errorf("parse (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&pb.PlanComplete{Plan: []byte("{}"), Error: `no such "thing"`}, s.Plan(&pb.PlanRequest{}), protocmp.Transform()); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if got := s.Apply(&pb.ApplyRequest{}); len(got.GetState()) != 3<<20 || got.GetError() != "" {
		t.Errorf("apply: %d bytes of state, %s", len(got.GetState()), got.GetError())
	}
	var resources []int
	for range 3 {
		resources = append(resources, len(s.Graph(&pb.GraphRequest{}).GetResources()))
	}
	if !slices.Equal(resources, []int{0, 1, 0}) {
		t.Errorf("graph: %v resources", resources)
	}
}

func TestPadEveryComplete(t *testing.T) {
	var text string
	for _, r := range script.Requests {
		text += "on " + r + "\n pad 5000\n"
	}
	s := guesttest.New(t)
	for _, c := range []proto.Message{
		s.Init(&pb.InitRequest{TemplateSourceArchive: template(t, text)}),
		s.Parse(&pb.ParseRequest{}), s.Plan(&pb.PlanRequest{}), s.Apply(&pb.ApplyRequest{}), s.Graph(&pb.GraphRequest{}),
	} {
		if n := proto.Size(c); n < 5000 || n > 5100 {
			t.Errorf("%T has %d bytes", c, n)
		}
	}
}

func TestLogs(t *testing.T) {
	s := begin(t, `
on plan
	log trace  a   b
	log error "two\nlines"
	flood warn 3 x
	stdout for the host
	stderr for the host
	request
	info
	mark
`)
	s.SetInfo(&guestpb.SessionInfo{Config: &pb.Config{ProvisionerLogLevel: "info"}})
	if c := s.Plan(&pb.PlanRequest{Metadata: &pb.Metadata{WorkspaceName: "w"}}); c.GetError() != "" {
		t.Error(c.GetError())
	}
	want := `TRACE: a   b
ERROR: two
lines
WARN: x
WARN: x
WARN: x
INFO: {"metadata":{"workspace_name":"w"}}
INFO: {"config":{"provisioner_log_level":"info"}}
INFO: echo-mark:00000000
`
	if diff := cmp.Diff(want, s.LogText()); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
}

func TestInitRequestIsLoggedWithoutItsArchive(t *testing.T) {
	s := guesttest.New(t)
	s.Init(&pb.InitRequest{TemplateSourceArchive: template(t, "on init\nrequest"), OmitModuleFiles: true})
	if want := "INFO: the archive has 1024 bytes\nINFO: {\"omit_module_files\":true}\n"; s.LogText() != want {
		t.Errorf("logs %q, want %q", s.LogText(), want)
	}
}

func TestFiles(t *testing.T) {
	s := begin(t, `
on plan
	write a/b.txt one,
	append a/b.txt " two"
	read a/b.txt
	fill big 100KiB
	files many 3
	open big 5
	chmod a/b.txt 750
	remove many/1
on apply
	read many/0
	read many/1
`)
	if c := s.Plan(&pb.PlanRequest{}); c.GetError() != "" {
		t.Error(c.GetError())
	}
	if want := "INFO: one, two\n"; s.LogText() != want {
		t.Errorf("logs %q, want %q", s.LogText(), want)
	}
	if n := len(s.ReadFile("big")); n != 100<<10 {
		t.Errorf("big has %d bytes", n)
	}
	if got := s.Apply(&pb.ApplyRequest{}).GetError(); !strings.HasPrefix(got, "echo.txt:13: read: open ") {
		t.Errorf("a step that fails: %q", got)
	}
}

func TestPrograms(t *testing.T) {
	s := begin(t, `
on plan
	env ECHO_A=1
	env "ECHO_B=two words"
	write sub/file x
	dir sub
	stdin to the program
	run tool a "b c"
on apply
	run tool fail
on graph
	run other
`)
	s.Program("tool", func(run *guesttest.Run) int {
		in, _ := io.ReadAll(run.Stdin)
		io.WriteString(run.Stdout, strings.Join(append(run.Args, run.Env...), "|")+"\n"+string(in))
		io.WriteString(run.Stderr, "warned")
		return map[bool]int{true: 3}[slices.Contains(run.Args, "fail")]
	})
	if c := s.Plan(&pb.PlanRequest{}); c.GetError() != "" {
		t.Error(c.GetError())
	}
	got := strings.Split(strings.TrimSpace(s.LogText()), "\n")
	slices.Sort(got) // the two streams are not in order
	want := []string{"INFO: a|b c|ECHO_A=1|ECHO_B=two words", "INFO: to the program", "WARN: warned"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
	if dir := s.Runs()[0].GetDir(); dir != "sub" {
		t.Errorf("dir %q", dir)
	}
	if got := s.Apply(&pb.ApplyRequest{}).GetError(); got != "echo.txt:10: run: exit status 3" {
		t.Errorf("apply: %q", got)
	}
	if got := s.Graph(&pb.GraphRequest{}).GetError(); !strings.HasPrefix(got, "echo.txt:12: run: run other: ") {
		t.Errorf("graph: %q", got)
	}
}

func TestCache(t *testing.T) {
	s := begin(t, "on parse\nwrite a x\ncache-save key a\nremove a\ncache-restore key\nread a\ncache-restore other")
	if c := s.Parse(&pb.ParseRequest{}); c.GetError() != "" {
		t.Error(c.GetError())
	}
	if want := "INFO: restored \"key\": true\nINFO: x\nINFO: restored \"other\": false\n"; s.LogText() != want {
		t.Errorf("logs %q, want %q", s.LogText(), want)
	}
}

func TestTimeAndMemory(t *testing.T) {
	s := begin(t, "on plan\nsleep 20ms\nbusy 20ms\nmemory 3MiB\ncancel ignore\nsleep 20ms\nbusy 1ms")
	began := time.Now()
	if c := s.Plan(&pb.PlanRequest{}); c.GetError() != "" {
		t.Error(c.GetError())
	}
	if took := time.Since(began); took < 61*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

func TestCancel(t *testing.T) {
	for name, c := range map[string]struct {
		script, want string
		logs         string
		// in is the function of the step that is to be canceled.
		in string
	}{
		"sleep":           {"log info go\nsleep 1h\nlog info after", "echo.txt:3: sleep: canceled", "INFO: go\n", "sleep"},
		"busy":            {"log info go\nbusy 1h\nlog info after", "echo.txt:3: busy: canceled", "INFO: go\n", "busy"},
		"flood":           {"flood info 10000000 go", "echo.txt:2: flood: canceled", "", "flood"},
		"run":             {"run tool", "echo.txt:2: run: canceled", "INFO: go\n", "run"},
		"succeed":         {"cancel succeed\nerror from before\nlog info go\nsleep 1h\nlog info after", "from before", "INFO: go\n", "sleep"},
		"ignore":          {"cancel ignore\nlog info go\nsleep 400ms\nbusy 1ms\nflood info 1 after", "", "INFO: go\nINFO: after\n", "sleep"},
		"ignore, program": {"cancel ignore\nrun tool\nlog info after", "echo.txt:3: run: exit status 1", "INFO: go\n", "run"},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, "on plan\n"+c.script)
			s.Program("tool", func(run *guesttest.Run) int {
				io.WriteString(run.Stdout, "go\n")
				<-run.Interrupted
				return 1
			})
			var once sync.Once
			var canceling sync.WaitGroup
			done := make(chan struct{})
			s.OnLog(func(*pb.Log) {
				once.Do(func() { canceling.Go(func() { awaitStep(c.in, done); s.Cancel() }) })
			})
			got := s.Plan(&pb.PlanRequest{}).GetError()
			close(done)
			canceling.Wait()
			if got != c.want {
				t.Errorf("error %q, want %q", got, c.want)
			}
			if got := s.LogText(); got != c.logs && name != "flood" {
				t.Errorf("logs %q, want %q", got, c.logs)
			}
		})
	}
}

// awaitStep waits until the plugin is in that step, of which this process's stacks tell, or is done.
func awaitStep(name string, done <-chan struct{}) {
	stacks := make([]byte, 1<<20)
	for !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("(*performance)."+name+"(")) {
		select {
		case <-done:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func TestScriptsThatCantBeRead(t *testing.T) {
	s := guesttest.New(t)
	init := s.Init(&pb.InitRequest{TemplateSourceArchive: template(t, "on plan\n\tlog info x\n\tlgo info y\n")})
	if want := `echo.txt:3: there is no step "lgo"`; !strings.HasPrefix(init.GetError(), want) {
		t.Errorf("error %q, want %q", init.GetError(), want)
	}
	if got := s.Init(&pb.InitRequest{TemplateSourceArchive: []byte("no tar")}).GetError(); !strings.HasPrefix(got, "extract template archive: ") {
		t.Errorf("error %q", got)
	}
}

func TestPanicIsTheRequestsError(t *testing.T) {
	s := begin(t, "on plan\npanic on purpose")
	if got := s.Plan(&pb.PlanRequest{}).GetError(); got != "the plugin panicked in plan: on purpose" {
		t.Errorf("error %q", got)
	}
}

// The answers that the SDK would not give, each with the result of provisor_handle.
func TestUnusualAnswers(t *testing.T) {
	for text, c := range map[string]struct {
		want   string // of the Response, as JSON
		status int32
	}{
		"return 7":                  {"", 7},
		"return 0":                  {"", 0},
		"respond\nreturn -1":        {`{"plan":{}}`, -1},
		"error e\nrespond\nrespond": {`{"plan":{"error":"e"}}`, 0},
		"respond {\"graph\": {\"error\": \"e\"}}": {`{"graph":{"error":"e"}}`, 0},
		"respond-bytes \"\"":                      {"{}", 0},
		"respond-bytes \"\\xff\"":                 {"?", 0},
		"respond\npanic late":                     {`{"plan":{}}`, 0},
		"return 3\nlog info unreachable":          {"", 3},
	} {
		s := begin(t, "on plan\n"+text)
		b, err := proto.Marshal(&pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}})
		if err != nil {
			t.Fatal(err)
		}
		b, status := s.Handle(b)
		got, r := "", new(pb.Response)
		if err := proto.Unmarshal(b, r); err != nil {
			got = "?"
		} else if b != nil {
			got = strings.ReplaceAll(protojson.Format(r), " ", "")
			got = strings.ReplaceAll(got, "\n", "")
		}
		if got != c.want || status != c.status || s.LogText() != "" {
			t.Errorf("%q: %s, status %d; want %s, status %d; logs %q", text, got, status, c.want, c.status, s.LogText())
		}
	}
}

func TestAnswersThatAreTooBig(t *testing.T) {
	s := begin(t, "on plan\npad 1MiB")
	s.LimitResponses(1000)
	if got := s.Plan(&pb.PlanRequest{}); !strings.Contains(got.GetError(), "the limit is 1000") || len(got.GetPlan()) > 0 {
		t.Errorf("answer %.200v", got)
	}
}
