package guest

import (
	"archive/tar"
	"bytes"
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// What is made when it is first used, and dear, is used once while the plugin initialises: of that a host keeps a snapshot.
func init() {
	warmMessages(pb.File_provisioner_proto.Messages())
	warmMessages(guestpb.File_guest_proto.Messages())
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	_ = w.WriteHeader(&tar.Header{Name: "é", Typeflag: tar.TypeReg, Mode: 0o600})
	_ = w.Close()
	_ = walkArchive(context.Background(), archive.Bytes(), ArchiveOptions{Dir: "/", Limits: ArchiveLimits{}.withDefaults(), Skip: askOnce(nil), Warn: func(string) {}}, nil)
}

// warmMessages encodes and decodes a message of each type once with each of its fields that holds messages: their tables are made when they are
// first needed, and those of nested messages only then.
func warmMessages(types protoreflect.MessageDescriptors) {
	for i := range types.Len() {
		t, err := protoregistry.GlobalTypes.FindMessageByName(types.Get(i).FullName())
		if err != nil {
			continue // the type of a map's entries
		}
		warmMessages(types.Get(i).Messages())
		m := t.New()
		roundTrip(m)
		for j := range types.Get(i).Fields().Len() {
			switch f := types.Get(i).Fields().Get(j); {
			case f.IsMap():
				entries := m.Mutable(f).Map()
				entries.Set(f.MapKey().Default().MapKey(), entries.NewValue())
			case f.Message() == nil:
				continue
			case f.IsList():
				m.Mutable(f).List().AppendMutable()
			default:
				m.Mutable(f)
			}
			roundTrip(m)
		}
	}
}

func roundTrip(m protoreflect.Message) {
	if b, err := proto.Marshal(m.Interface()); err == nil {
		_ = proto.Unmarshal(b, m.New().Interface())
	}
}
