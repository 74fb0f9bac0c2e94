package proto_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

var update = flag.Bool("update", false, "record the interface anew")

// TestInterface keeps the provisioner protocol as the control planes in the field speak it: every name, number, type and label.
func TestInterface(t *testing.T) {
	const recorded = "testdata/provisioner.txt"
	got := interfaceOf(pb.File_provisioner_proto)
	if *update {
		if err := os.WriteFile(recorded, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(recorded)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the protocol has changed (-recorded +now); clients would not understand it:\n%s", diff)
	}
}

// interfaceOf writes what of a file is on the wire or in its JSON, a line each.
func interfaceOf(file protoreflect.FileDescriptor) string {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n", file.Package())
	for i := range file.Services().Len() {
		s := file.Services().Get(i)
		for j := range s.Methods().Len() {
			m := s.Methods().Get(j)
			fmt.Fprintf(&b, "rpc %s stream=%t (%s) returns stream=%t (%s)\n", m.FullName(), m.IsStreamingClient(), m.Input().FullName(), m.IsStreamingServer(), m.Output().FullName())
		}
	}
	writeEnums(&b, file.Enums())
	writeMessages(&b, file.Messages())
	return b.String()
}

func writeEnums(b *strings.Builder, enums protoreflect.EnumDescriptors) {
	for i := range enums.Len() {
		values := enums.Get(i).Values()
		for j := range values.Len() {
			fmt.Fprintf(b, "enum %s %s = %d\n", enums.Get(i).FullName(), values.Get(j).Name(), values.Get(j).Number())
		}
	}
}

func writeMessages(b *strings.Builder, messages protoreflect.MessageDescriptors) {
	for i := range messages.Len() {
		m := messages.Get(i)
		fmt.Fprintf(b, "message %s\n", m.FullName())
		for j := range m.Fields().Len() {
			writeField(b, m.Fields().Get(j))
		}
		writeEnums(b, m.Enums())
		writeMessages(b, m.Messages())
	}
}

func writeField(b *strings.Builder, f protoreflect.FieldDescriptor) {
	kind := f.Kind().String()
	switch {
	case f.Message() != nil:
		kind = string(f.Message().FullName())
	case f.Enum() != nil:
		kind = string(f.Enum().FullName())
	}
	label := ""
	switch {
	case f.IsList():
		label = "repeated "
	case f.HasOptionalKeyword():
		label = "optional "
	case f.ContainingOneof() != nil:
		label = "oneof " + string(f.ContainingOneof().Name()) + " "
	}
	fmt.Fprintf(b, "  %s%s %s = %d\n", label, kind, f.Name(), f.Number())
}
