package e2e

import (
	"archive/tar"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// answer is a Response without what differs from run to run.
type answer struct {
	Response *pb.Response
	// Contents says what was in the bytes that differ: a plan, a state, an archive.
	Contents []string
}

// normal takes out of Responses what differs from run to run.
type normal struct {
	began time.Time
	// names are the UUIDs that came, with names that tell one from the other.
	names map[string]string
	// paths replaces paths of this run.
	paths *strings.Replacer
}

var uuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// newNormal numbers the UUIDs in the order in which they came.
func newNormal(responses []*pb.Response, began time.Time, paths ...string) *normal {
	n := &normal{began: began, names: map[string]string{}, paths: strings.NewReplacer(paths...)}
	for _, r := range responses {
		eachString(r.ProtoReflect(), func(s string) string {
			for _, id := range uuidPattern.FindAllString(s, -1) {
				if n.names[id] == "" {
					n.names[id] = fmt.Sprintf("<uuid %d>", len(n.names)+1)
				}
			}
			return s
		})
	}
	return n
}

// elsewhere stands for bytes whose content is told beside.
const elsewhere = "see contents"

func (n *normal) answer(resp *pb.Response) answer {
	a := answer{Response: proto.CloneOf(resp)}
	switch t := a.Response.GetType().(type) {
	case *pb.Response_Init:
		a.Contents, t.Init.ModuleFiles = move(t.Init.ModuleFiles, archiveContents)
		t.Init.ModuleFilesHash = hash(t.Init.ModuleFilesHash)
		n.timings(t.Init.Timings)
	case *pb.Response_Plan:
		a.Contents, t.Plan.Plan = move(t.Plan.Plan, planContents)
		n.timings(t.Plan.Timings)
	case *pb.Response_Apply:
		a.Contents, t.Apply.State = move(t.Apply.State, stateContents)
		n.timings(t.Apply.Timings)
	case *pb.Response_Graph:
		n.timings(t.Graph.Timings)
	case *pb.Response_DataUpload:
		t.DataUpload.DataHash = hash(t.DataUpload.DataHash)
	case *pb.Response_ChunkPiece:
		t.ChunkPiece.FullDataHash = hash(t.ChunkPiece.FullDataHash)
		a.Contents, t.ChunkPiece.Data = move(t.ChunkPiece.Data, func(b []byte) ([]string, error) { return []string{fmt.Sprintf("%d bytes", len(b))}, nil })
	}
	eachString(a.Response.ProtoReflect(), n.text)
	return a
}

func (n *normal) text(s string) string {
	s = uuidPattern.ReplaceAllStringFunc(s, func(id string) string { return cmp.Or(n.names[id], id) })
	return n.paths.Replace(s)
}

// move describes bytes, and leaves a note in their place.
func move(b []byte, describe func([]byte) ([]string, error)) ([]string, []byte) {
	if len(b) == 0 {
		return nil, b
	}
	contents, err := describe(b)
	if err != nil {
		return []string{err.Error()}, b
	}
	return contents, []byte(elsewhere)
}

func hash(b []byte) []byte {
	if len(b) == 32 {
		return []byte("32 bytes")
	}
	return b
}

// timings sorts timings, and has all of them begin and end at the epoch that began and ended within the run.
func (n *normal) timings(list []*pb.Timing) {
	within := func(t *timestamppb.Timestamp) bool {
		at := t.AsTime()
		return !at.Before(n.began) && !at.After(time.Now())
	}
	for _, t := range list {
		if within(t.Start) && within(t.End) && !t.End.AsTime().Before(t.Start.AsTime()) {
			t.Start, t.End = &timestamppb.Timestamp{}, &timestamppb.Timestamp{}
		}
	}
	slices.SortFunc(list, func(a, b *pb.Timing) int {
		return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Action, b.Action))
	})
}

// planContents are a plan's changes.
func planContents(b []byte) ([]string, error) {
	var plan struct {
		FormatVersion   string `json:"format_version"`
		ResourceChanges []struct {
			Address string
			Change  struct{ Actions []string }
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal(b, &plan); err != nil || plan.FormatVersion == "" {
		return nil, fmt.Errorf("no plan: %v", err)
	}
	list := []string{"plan"}
	for _, c := range plan.ResourceChanges {
		list = append(list, strings.Join(c.Change.Actions, "/")+" "+c.Address)
	}
	return list, nil
}

// stateContents are the addresses in a state.
func stateContents(b []byte) ([]string, error) {
	var state struct {
		Version   int
		Resources []struct {
			Module, Mode, Type, Name string
			Instances                []struct {
				IndexKey any    `json:"index_key"`
				Status   string // "tainted"
			}
		}
	}
	if err := json.Unmarshal(b, &state); err != nil || state.Version == 0 {
		return nil, fmt.Errorf("no state: %v", err)
	}
	list := []string{"state"}
	for _, r := range state.Resources {
		for _, i := range r.Instances {
			line := strings.Join([]string{r.Mode, r.Module, r.Type + "." + r.Name, i.Status}, " ")
			if i.IndexKey != nil {
				line += fmt.Sprintf(" [%v]", i.IndexKey)
			}
			list = append(list, strings.Join(strings.Fields(line), " "))
		}
	}
	return list, nil
}

// archiveContents are the entries of a tar.
func archiveContents(b []byte) ([]string, error) {
	list := []string{"archive"}
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		line := fmt.Sprintf("%o %s", h.Mode, h.Name)
		if !strings.HasSuffix(h.Name, "modules.json") { // that has paths of this run in it
			line += fmt.Sprintf(" %d bytes", h.Size)
		}
		list = append(list, line)
	}
}

// eachString replaces the strings in a message, in the order of the fields' numbers.
func eachString(m protoreflect.Message, replace func(string) string) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		switch {
		case !m.Has(fd):
		case fd.IsMap():
			replaceMap(m.Mutable(fd).Map(), replace)
		case fd.IsList():
			list := m.Mutable(fd).List()
			for i := range list.Len() {
				if fd.Message() != nil {
					eachString(list.Get(i).Message(), replace)
				} else if fd.Kind() == protoreflect.StringKind {
					list.Set(i, protoreflect.ValueOfString(replace(list.Get(i).String())))
				}
			}
		case fd.Message() != nil:
			eachString(m.Mutable(fd).Message(), replace)
		case fd.Kind() == protoreflect.StringKind:
			m.Set(fd, protoreflect.ValueOfString(replace(m.Get(fd).String())))
		}
	}
}

// replaceMap replaces the values of a map of strings, in the order of its keys.
func replaceMap(m protoreflect.Map, replace func(string) string) {
	var keys []string
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool { keys = append(keys, k.String()); return true })
	slices.Sort(keys)
	for _, k := range keys {
		key := protoreflect.ValueOfString(k).MapKey()
		m.Set(key, protoreflect.ValueOfString(replace(m.Get(key).String())))
	}
}
