package session

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// The seeds are messages, odd encodings of them, and damage.
func addSeeds(f *testing.F) {
	for _, m := range []proto.Message{
		&pb.Request{},
		initRequest(), parseRequest(), planRequest(), applyRequest(), graphRequest(),
		&pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: []byte("tar"), OmitModuleFiles: true}}},
		&pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{Metadata: &pb.Metadata{WorkspaceName: "ä", WorkspaceOwnerRbacRoles: []*pb.Role{{Name: "x"}}}}}},
		&pb.Response{Type: &pb.Response_Parse{Parse: &pb.ParseComplete{WorkspaceTags: map[string]string{"a": "b"}, Error: "e"}}},
		&pb.Response{Type: &pb.Response_Init{Init: &pb.InitComplete{ModuleFiles: []byte("files"), ModuleFilesHash: []byte("hash")}}},
		&pb.Response{Type: &pb.Response_Apply{Apply: &pb.ApplyComplete{State: []byte("state"), Error: "e"}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, b...))
		f.Add(append(b, 0x3a, 0))
		if len(b) > 0 {
			f.Add(b[:len(b)-1])
		}
	}
	f.Add([]byte{0x1a, 0x03, 0x0a, 0x01, 0xff}) // bytes of InitRequest, a string elsewhere
	f.Add([]byte{0x12, 0x03, 0x0a, 0x01, 0xff}) // ParseComplete.error is not UTF-8
	f.Add([]byte{0x1b, 0x1c})                   // a group
	f.Add([]byte{0x18, 0x01})                   // the right number, the wrong type
	f.Add(bytes.Repeat([]byte{0x0b}, 20_000))   // groups, deeply
	f.Add(protowire.AppendTag(nil, protowire.MaxValidNumber+1, protowire.VarintType))
}

// FuzzOpen: a session sees in a message what a decoder sees.
func FuzzOpen(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range []proto.Message{new(pb.Request), new(pb.Response)} {
			e, err := open(m.ProtoReflect().Descriptor(), b)
			wantErr := proto.Unmarshal(b, m)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("%x as %T: got error %v, a decoder says %v", b, m, err, wantErr)
			}
			if err != nil {
				continue
			}
			checkKind(t, e, m)
			switch m := m.(type) {
			case *pb.Request:
				if got := e.bool(initOmitModuleFiles); e.kind == Init && got != m.GetInit().GetOmitModuleFiles() {
					t.Errorf("%x: omit_module_files is %v", b, got)
				}
			case *pb.Response:
				checkComplete(t, b, m)
			}
		}
	})
}

func checkKind(t *testing.T, e envelope, m proto.Message) {
	t.Helper()
	want := None
	r := m.ProtoReflect()
	if field := r.WhichOneof(r.Descriptor().Oneofs().Get(0)); field != nil {
		want = Kind(field.Number())
	}
	if e.kind != want {
		t.Errorf("%T holds %s, a decoder says %s", m, e.kind, want)
	}
}

// checkComplete compares what a session reads from a Complete, and how it changes one, with the decoded message.
func checkComplete(t *testing.T, b []byte, m *pb.Response) {
	t.Helper()
	e, err := open(responseType, b)
	if err != nil || e.kind < Parse || e.kind > Graph {
		return
	}
	c, err := parseComplete(e.kind, b)
	if err != nil {
		t.Fatal(err)
	}
	answer := completeMessage(m)
	if want := answer.Get(answer.Descriptor().Fields().ByName("error")).String(); c.error() != want {
		t.Errorf("%x: error %q, want %q", b, c.error(), want)
	}
	changed := new(pb.Response)
	if err := proto.Unmarshal(c.withError("another").raw, changed); err != nil {
		t.Fatal(err)
	}
	answer.Set(answer.Descriptor().Fields().ByName("error"), protoreflect.ValueOfString("another"))
	if !proto.Equal(completeMessage(changed).Interface(), answer.Interface()) {
		t.Errorf("%x with another error: %v", b, changed)
	}
	if e.kind == Init {
		checkUpload(t, c, m.GetInit())
	}
}

func checkUpload(t *testing.T, c complete, want *pb.InitComplete) {
	t.Helper()
	if !bytes.Equal(c.bytes(initModuleFiles), want.GetModuleFiles()) {
		t.Errorf("module_files is %x, want %x", c.bytes(initModuleFiles), want.GetModuleFiles())
	}
	got := new(pb.Response)
	if err := proto.Unmarshal(wrap(Init, c.with(initModuleFilesHash, []byte("sum"), initModuleFiles)...).raw, got); err != nil {
		t.Fatal(err)
	}
	want = proto.Clone(want).(*pb.InitComplete)
	want.ModuleFiles, want.ModuleFilesHash = nil, []byte("sum")
	want.Error = got.GetInit().GetError()
	if !proto.Equal(got.GetInit(), want) {
		t.Errorf("without its module files it is %v, want %v", got.GetInit(), want)
	}
}

// completeMessage is the message in the response's oneof.
func completeMessage(m *pb.Response) protoreflect.Message {
	r := m.ProtoReflect()
	return r.Mutable(r.WhichOneof(r.Descriptor().Oneofs().Get(0))).Message()
}

// TestNothingPacked: validate does not look into packed fields, for there are none.
func TestNothingPacked(t *testing.T) {
	seen := make(map[protoreflect.FullName]bool)
	var walk func(md protoreflect.MessageDescriptor)
	walk = func(md protoreflect.MessageDescriptor) {
		if seen[md.FullName()] {
			return
		}
		seen[md.FullName()] = true
		for i := range md.Fields().Len() {
			field := md.Fields().Get(i)
			if field.IsPacked() {
				t.Errorf("%s is packed", field.FullName())
			}
			if field.Message() != nil {
				walk(field.Message())
			}
		}
	}
	walk(requestType)
	walk(responseType)
	if len(seen) < 40 {
		t.Errorf("looked at %d messages only", len(seen))
	}
}

// TestKinds: a kind's number is that of the request and of its Complete.
func TestKinds(t *testing.T) {
	for kind := Config; kind <= Cancel; kind++ {
		if got := requestType.Fields().ByNumber(protowire.Number(kind)); got == nil || string(got.Name()) != kind.String() {
			t.Errorf("%s: the request's field is %v", kind, got)
		}
		if kind < Parse || kind > Graph {
			continue
		}
		if got := responseType.Fields().ByNumber(protowire.Number(kind)); string(got.Name()) != kind.String() {
			t.Errorf("%s: the response's field is %v", kind, got)
		}
		if c := failure(kind, "text", nil); c.error() != "text" {
			t.Errorf("%s: the failure says %q", kind, c.error())
		}
	}
	for number, name := range map[protowire.Number]string{initModuleFiles: "module_files", initModuleFilesHash: "module_files_hash"} {
		if got := (*pb.InitComplete)(nil).ProtoReflect().Descriptor().Fields().ByNumber(number).Name(); string(got) != name {
			t.Errorf("field %d of InitComplete is %s, want %s", number, got, name)
		}
	}
	if got := (*pb.InitRequest)(nil).ProtoReflect().Descriptor().Fields().ByName("omit_module_files").Number(); got != initOmitModuleFiles {
		t.Errorf("omit_module_files is field %d", got)
	}
	if got := (*pb.ApplyComplete)(nil).ProtoReflect().Descriptor().Fields().ByName("state").Number(); got != applyState {
		t.Errorf("state is field %d", got)
	}
}
