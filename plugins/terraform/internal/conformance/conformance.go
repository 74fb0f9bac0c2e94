// Package conformance finds and compares conformance cases: what an engine said of a template, and the answers that a
// faithful plugin gives to it. It is for tests: those of the extraction, and those of the compiled plugin.
//
// The cases are not a part of the project. They are looked for in the directory that PROVISOR_CONFORMANCE names, else in
// ../shared/conformance beside the module; where there are none, the test is skipped and says so. Each case is a
// directory with template/, plan.json, plan.dot, state.json, state.dot and the expect.*.json that hold for it.
package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Case is one case.
type Case struct {
	Name string
	Dir  string
}

// Files of a case. Not every case has every one of them.
const (
	PlanJSON     = "plan.json"
	PlanDOT      = "plan.dot"
	StateJSON    = "state.json"
	StateDOT     = "state.dot"
	GraphOfPlan  = "expect.graph-plan.json"
	GraphOfState = "expect.graph-state.json"
	PlanComplete = "expect.plan-complete.json"
)

// Dir is the directory of all cases. It skips the test if there is none.
func Dir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("PROVISOR_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join(moduleRoot(t), "..", "shared", "conformance")
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		t.Skipf("there are no conformance cases in %s; set PROVISOR_CONFORMANCE to their directory", dir)
	}
	return dir
}

// Cases are the cases that have the given file, by name. It skips the test if there are none.
func Cases(t testing.TB, file string) []Case {
	t.Helper()
	dir := Dir(t)
	cases := In(t, dir, file)
	if len(cases) == 0 {
		t.Skipf("no conformance case in %s has a %s", dir, file)
	}
	return cases
}

// In are the cases below dir that have the given file, by name: for cases that a test brings along.
func In(t testing.TB, dir, file string) []Case {
	t.Helper()
	matches, err := filepath.Glob(filepath.Join(dir, "*", file))
	if err != nil {
		t.Fatal(err)
	}
	var cases []Case
	for _, match := range matches {
		dir := filepath.Dir(match)
		cases = append(cases, Case{Name: filepath.Base(dir), Dir: dir})
	}
	return cases
}

// Path is the path of one of the case's files.
func (c Case) Path(file string) string { return filepath.Join(c.Dir, file) }

// Template is the directory of the template, which must not be written to.
func (c Case) Template() string { return c.Path("template") }

// Read is the content of one of the case's files.
func (c Case) Read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(c.Path(file))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Write writes an answer as one of the case's files, in the form in which Graph reads it.
func (c Case) Write(t testing.TB, file string, answer proto.Message) {
	t.Helper()
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer // protojson's own spaces change from build to build
	if err := json.Indent(&indented, data, "", "  "); err != nil {
		t.Fatal(err)
	}
	indented.WriteByte('\n')
	if err := os.WriteFile(c.Path(file), indented.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Graph is the expected answer in GraphOfPlan or GraphOfState.
func (c Case) Graph(t testing.TB, file string) *pb.GraphComplete {
	t.Helper()
	return decode(t, c, file, &pb.GraphComplete{})
}

// Plan is the expected part of the answer in PlanComplete.
func (c Case) Plan(t testing.TB) *pb.PlanComplete {
	t.Helper()
	return decode(t, c, PlanComplete, &pb.PlanComplete{})
}

// decode is strict: a field that the protocol does not have is a failure.
func decode[M proto.Message](t testing.TB, c Case, file string, into M) M {
	t.Helper()
	if err := protojson.Unmarshal(c.Read(t, file), into); err != nil {
		t.Fatalf("%s/%s: %v", c.Name, file, err)
	}
	return into
}

func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || parent == dir {
			t.Fatalf("no go.mod above the test's directory: %v", err)
		}
		dir = parent
	}
}
