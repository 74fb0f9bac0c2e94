package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

var update = flag.Bool("update", false, "write the answers anew")

// TestAnswers has templates built by real engines with the real coder provider: all answers are compared whole. Then each field of
// each answer is cleared in turn, and the comparison must fail.
func TestAnswers(t *testing.T) {
	seen := &fields{names: map[protoreflect.FullName]bool{}}
	onEngines(t, func(t *testing.T, d *daemon) {
		for _, c := range answerCases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				r := record(t, d)
				c.run(r)
				n := newNormal(r.responses, began, r.paths...)
				want := compareAnswers(t, d.engine, c.name, r.responses, n)
				if !t.Failed() {
					clearAnswers(t, r.responses, want, n, seen)
				}
			})
		}
	})
	if !t.Failed() && len(seen.names) > 0 {
		seen.checkComplete(t)
	}
}

// compareAnswers compares with the golden answers, and returns those.
func compareAnswers(t *testing.T, engine, name string, responses []*pb.Response, n *normal) []answer {
	t.Helper()
	var got []answer
	for _, r := range responses {
		got = append(got, n.answer(r))
	}
	common := filepath.Join("testdata", "answers", name+".json")
	own := filepath.Join("testdata", "answers", name+"."+engine+".json") // where an engine answers unlike the other
	if *update {
		updateAnswers(t, common, own, engine, got)
	}
	want, err := readAnswers(own)
	if errors.Is(err, fs.ErrNotExist) {
		want, err = readAnswers(common)
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("the answers differ (-want +got):\n%s", diff)
	}
	return want
}

// updateAnswers writes Terraform's answers; and OpenTofu's, if they are not the same.
func updateAnswers(t *testing.T, common, own, engine string, got []answer) {
	t.Helper()
	path := common
	if engine != "terraform" {
		if want, err := readAnswers(common); err == nil && gocmp.Equal(want, got, protocmp.Transform()) {
			if err := os.Remove(own); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			return
		}
		path = own
	}
	if err := writeAnswers(path, got); err != nil {
		t.Fatal(err)
	}
}

// answerJSON is an answer as it is in a file.
type answerJSON struct {
	Response json.RawMessage `json:"response"`
	Contents []string        `json:"contents,omitempty"`
}

func readAnswers(path string) ([]answer, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list []answerJSON
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, err
	}
	answers := make([]answer, len(list))
	for i, a := range list {
		answers[i] = answer{Response: new(pb.Response), Contents: a.Contents}
		if err := protojson.Unmarshal(a.Response, answers[i].Response); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

func writeAnswers(path string, answers []answer) error {
	list := make([]answerJSON, len(answers))
	for i, a := range answers {
		b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(a.Response)
		if err != nil {
			return err
		}
		list[i] = answerJSON{b, a.Contents}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ") // of protojson's output as well, whose spaces change from build to build
	if err := e.Encode(list); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// clearAnswers clears each field of each answer in turn, and checks that the comparison fails.
func clearAnswers(t *testing.T, responses []*pb.Response, want []answer, n *normal, seen *fields) {
	for i, resp := range responses {
		eachCleared(resp.ProtoReflect(), func(name protoreflect.FullName) {
			seen.add(name)
			got := n.answer(resp)
			if proto.Equal(got.Response, want[i].Response) && slices.Equal(got.Contents, want[i].Contents) {
				t.Errorf("answer %d: nobody would see that %s is not set", i, name)
			}
		})
	}
}

// eachCleared clears each field that is set in the message, or below it, for the time of a call.
func eachCleared(m protoreflect.Message, call func(protoreflect.FullName)) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		restore := clearField(m, fd)
		call(fd.FullName())
		restore()
		switch {
		case fd.Message() == nil || fd.IsMap() || fd.Message().FullName() == "google.protobuf.Timestamp":
		case fd.IsList():
			for i := range m.Get(fd).List().Len() {
				eachCleared(m.Get(fd).List().Get(i).Message(), call)
			}
		default:
			eachCleared(m.Get(fd).Message(), call)
		}
	}
}

// clearField clears a field. The function that it returns sets it again; lists and maps are views of the field, and so are copied.
func clearField(m protoreflect.Message, fd protoreflect.FieldDescriptor) (restore func()) {
	value := m.Get(fd)
	switch {
	case fd.IsList():
		copied := m.NewField(fd)
		for i := range value.List().Len() {
			copied.List().Append(value.List().Get(i))
		}
		value = copied
	case fd.IsMap():
		copied := m.NewField(fd)
		value.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool { copied.Map().Set(k, v); return true })
		value = copied
	}
	m.Clear(fd)
	return func() { m.Set(fd, value) }
}

// fields are names of fields. Several goroutines may add some.
type fields struct {
	mu    sync.Mutex
	names map[protoreflect.FullName]bool
}

func (f *fields) add(name protoreflect.FullName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.names[name] = true
}

// neverAnswered are the fields of answers that none of the templates brings about, each with the reason.
var neverAnswered = map[protoreflect.FullName]string{
	"provisioner.Module.version": "only modules of a registry have versions, and the tests reach none; the package modules tests it on files",
}

// checkComplete checks that every field that an answer can have was in one, but for those in neverAnswered.
func (f *fields) checkComplete(t *testing.T) {
	all := map[protoreflect.FullName]bool{}
	collectFields((&pb.Response{}).ProtoReflect().Descriptor(), all)
	for name := range all {
		switch reason, listed := neverAnswered[name]; {
		case !f.names[name] && !listed:
			t.Errorf("no answer has the field %s, so no test would see it get lost", name)
		case f.names[name] && listed:
			t.Errorf("%s is in neverAnswered without need (%s)", name, reason)
		}
	}
	for name := range neverAnswered {
		if !all[name] {
			t.Errorf("%s is in neverAnswered, but it is no field of an answer", name)
		}
	}
}

// collectFields collects the fields of a message and of all messages below it.
func collectFields(m protoreflect.MessageDescriptor, into map[protoreflect.FullName]bool) {
	for i := range m.Fields().Len() {
		fd := m.Fields().Get(i)
		if into[fd.FullName()] {
			continue
		}
		into[fd.FullName()] = true
		if fd.Message() != nil && !fd.IsMap() && fd.Message().FullName() != "google.protobuf.Timestamp" {
			collectFields(fd.Message(), into)
		}
	}
}
