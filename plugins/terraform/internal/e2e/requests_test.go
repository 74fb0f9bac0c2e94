package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// neverRead are the fields of requests that change nothing, each with the reason. A message stands for all that is below it.
var neverRead = map[string]string{
	"graph.metadata":                     "the resources do not depend on who asks",
	"plan.metadata.template_version_id":  "the environment has the version's name alone",
	"apply.metadata.template_version_id": "the environment has the version's name alone",
	"plan.variable_values.sensitive":     "the template says what is sensitive, and no value is logged in any case",
}

// TestRequestFields fills every field of every request, clears each in turn, and checks that it makes a difference: to what the
// engine is run with (arguments, environment, files), to an answer or to the logs.
func TestRequestFields(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a session for each field")
	}
	r := newRecorder(t)
	missed := map[string]bool{}
	for _, s := range scenarios {
		requests := s.requests(t)
		r.outcome(t, requests) // whose init is kept for the template's version
		want := r.outcome(t, requests)
		if again := r.outcome(t, requests); again != want {
			t.Fatalf("%s: the same requests have another outcome:\n%s\n\n%s", s.name, want, again)
		}
		for _, req := range requests {
			eachPath(req.ProtoReflect(), "", func(path string) {
				if m, tried := missed[path]; tried && !m {
					return
				}
				missed[path] = r.outcome(t, requests) == want
			})
		}
	}
	for path, m := range missed {
		reason, listed := neverRead[path]
		if m && !listed {
			t.Errorf("%s makes no difference", path)
		}
		if !m && listed {
			t.Errorf("%s is in neverRead without need (%s)", path, reason)
		}
	}
	for path := range neverRead {
		if _, ok := missed[path]; !ok {
			t.Errorf("%s is in neverRead, but no request has it", path)
		}
	}
}

// eachPath clears each field below the request for the time of a call. In lists it is the first element's.
func eachPath(m protoreflect.Message, prefix string, call func(path string)) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		path := strings.TrimPrefix(prefix+"."+string(fd.Name()), ".")
		if prefix != "" {
			restore := clearField(m, fd)
			call(path)
			restore()
		}
		switch _, listed := neverRead[path]; {
		case fd.Message() == nil || fd.IsMap() || listed:
		case fd.IsList():
			eachPath(m.Get(fd).List().Get(0).Message(), path, call)
		default:
			eachPath(m.Get(fd).Message(), path, call)
		}
	}
}

// scenario is a session's requests: whole, but for what would keep another field from mattering.
type scenario struct {
	name   string
	change func(requests map[string]*pb.Request)
}

var scenarios = []scenario{
	{"destroy what the plan's state has", func(r map[string]*pb.Request) {
		r["apply"].GetApply().State = nil
	}},
	{"start with the state that the apply brings", func(r map[string]*pb.Request) {
		r["plan"].GetPlan().State = nil
		r["plan"].GetPlan().Metadata.WorkspaceTransition = pb.WorkspaceTransition_START
		r["apply"].GetApply().Metadata.WorkspaceTransition = pb.WorkspaceTransition_STOP
	}},
}

func (s scenario) requests(t *testing.T) []*pb.Request {
	byName := map[string]*pb.Request{}
	var list []*pb.Request
	for _, name := range []string{"config", "init", "parse", "plan", "apply", "graph"} {
		req := new(pb.Request)
		m := req.ProtoReflect()
		fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
		fill(m.Mutable(fd).Message())
		byName[name] = req
		list = append(list, req)
	}
	byName["config"].GetConfig().ProvisionerLogLevel = "debug"
	byName["init"].GetInit().TemplateSourceArchive = archive(t, "main.tf", requestTemplate)
	byName["init"].GetInit().OmitModuleFiles = true
	for i, v := range byName["plan"].GetPlan().VariableValues {
		v.Name = fmt.Sprintf("v%d", i)
	}
	s.change(byName)
	return list
}

const requestTemplate = `
variable "v0" { type = string }
variable "v1" { type = string }
`

// fill sets each field below m to a value of its own. Lists get two elements: of some, a single one is not told from none.
func fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		switch {
		case fd.IsMap():
			panic("no request has a map: fill it here too")
		case fd.IsList() && fd.Message() != nil:
			for range 2 {
				fill(m.Mutable(fd).List().AppendMutable().Message())
			}
			number(m.Get(fd).List())
		case fd.IsList():
			m.Mutable(fd).List().Append(value(fd))
		case fd.Message() != nil:
			fill(m.Mutable(fd).Message())
		default:
			m.Set(fd, value(fd))
		}
	}
}

// number tells the strings of one element from those of the other.
func number(list protoreflect.List) {
	for i := range list.Len() {
		eachString(list.Get(i).Message(), func(s string) string { return fmt.Sprintf("%s%d", s, i) })
	}
}

func value(fd protoreflect.FieldDescriptor) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(strings.ReplaceAll(string(fd.Name()), "_", "-"))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(`{"version":4,"serial":7,"lineage":"` + string(fd.FullName()) + `","resources":[]}`))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(values.Len() - 1).Number())
	}
	panic(fmt.Sprintf("no request has a field like %s: fill it here too", fd.FullName()))
}

// recorder is a runtime with an engine that notes how it is run.
type recorder struct {
	runtime   *host.Runtime
	notes     string
	dataDir   string
	random    *regexp.Regexp
	variables *regexp.Regexp
}

func newRecorder(t *testing.T, env ...string) *recorder {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the engine that takes notes is a shell script")
	}
	if raceEnabled {
		t.Skip("the race detector is on")
	}
	dir := t.TempDir()
	r := &recorder{notes: filepath.Join(dir, "notes"), dataDir: filepath.Join(dir, "data")}
	r.random = regexp.MustCompile(regexp.QuoteMeta(r.dataDir) + `/sessions/[^/\s]+(/[^/\s]+)?`)
	r.variables = regexp.MustCompile(`\.provisor-[A-Z0-9]+\.tfvars`)
	engine := filepath.Join(dir, "terraform")
	if err := os.WriteFile(engine, []byte(strings.ReplaceAll(file(t, "noting-engine.sh"), "NOTES", r.notes)), 0o700); err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(dir, "cache")
	compiled, err := host.DefaultCacheDir()
	if err == nil {
		err = errors.Join(os.MkdirAll(cache, 0o755), link(compiled, cache, "compiled"), link(compiled, cache, "plugins"), link(compiled, cache, "build"))
	}
	if err != nil {
		t.Fatal(err)
	}
	r.runtime = openRuntime(t, host.Options{
		PluginSettings: map[string]string{"terraform_graph": "engine"}, // so that there is a run to take notes of
		Engine:         engine, DataDir: r.dataDir, CacheDir: cache, EngineEnv: env, Concurrency: 16,
		Jail: host.JailOptions{Disable: []host.JailLayer{"root", "landlock"}}, // the engine takes its notes outside of the session
	})
	return r
}

// link shares a part of the user's cache; what templates leave is the test's own.
func link(from, to, name string) error {
	if err := os.MkdirAll(filepath.Join(from, name), 0o755); err != nil {
		return err
	}
	return os.Symlink(filepath.Join(from, name), filepath.Join(to, name))
}

// outcome is all that the requests bring about: what the engine noted, the answers, the logs.
func (r *recorder) outcome(t *testing.T, requests []*pb.Request) string {
	t.Helper()
	if err := os.WriteFile(r.notes, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	s := client.NewSession(client.InProcess(t.Context(), func(ctx context.Context, s client.Stream) error {
		return r.runtime.Session(ctx, host.DefaultTenant, s)
	}))
	for _, req := range requests {
		if config := req.GetConfig(); config != nil {
			if err := s.Configure(config); err != nil {
				t.Fatal(err)
			}
			continue
		}
		resp, err := s.Do(t.Context(), req, func(l *pb.Log) { fmt.Fprintln(&out, l.GetLevel(), l.GetOutput()) })
		if err != nil {
			fmt.Fprintln(&out, err)
			break
		}
		fmt.Fprintln(&out, withoutTimes(resp))
	}
	if err := s.Close(); err != nil {
		fmt.Fprintln(&out, err)
	}
	notes, err := os.ReadFile(r.notes)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(notes)
	return r.variables.ReplaceAllString(r.random.ReplaceAllString(out.String(), "SESSION"), "VARIABLES")
}

// withoutTimes is the response as text.
func withoutTimes(resp *pb.Response) string {
	resp = proto.CloneOf(resp)
	n := normal{began: time.Unix(0, 0)}
	for _, list := range [][]*pb.Timing{resp.GetInit().GetTimings(), resp.GetPlan().GetTimings(), resp.GetApply().GetTimings(), resp.GetGraph().GetTimings()} {
		n.timings(list)
	}
	b, err := prototext.MarshalOptions{AllowPartial: true}.Marshal(resp)
	if err != nil {
		return err.Error()
	}
	return strings.Join(slices.Collect(strings.FieldsSeq(string(b))), " ") // its spaces change from build to build
}
