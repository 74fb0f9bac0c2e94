package guest

import (
	"archive/tar"
	"bytes"
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// What is made when it is first used, and dear, is used once while the plugin initialises: of that a host keeps a snapshot.
func init() {
	for _, m := range []proto.Message{
		&pb.Request{Type: &pb.Request_Init{Init: new(pb.InitRequest)}},
		&pb.Request{Type: &pb.Request_Parse{Parse: new(pb.ParseRequest)}},
		&pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{Metadata: new(pb.Metadata)}}},
		&pb.Request{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{Metadata: new(pb.Metadata)}}},
		&pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{Metadata: new(pb.Metadata)}}},
		&pb.Response{Type: &pb.Response_Init{Init: new(pb.InitComplete)}},
		&pb.Response{Type: &pb.Response_Parse{Parse: new(pb.ParseComplete)}},
		&pb.Response{Type: &pb.Response_Plan{Plan: new(pb.PlanComplete)}},
		&pb.Response{Type: &pb.Response_Apply{Apply: new(pb.ApplyComplete)}},
		&pb.Response{Type: &pb.Response_Graph{Graph: new(pb.GraphComplete)}},
		&guestpb.SessionInfo{Config: new(pb.Config), Limits: new(guestpb.Limits), Engines: map[string]*guestpb.Engine{"": {}}},
		new(guestpb.ExecRequest), new(guestpb.ExecResult), new(guestpb.CacheSave),
	} {
		b, err := proto.Marshal(m)
		if err == nil {
			_ = proto.Unmarshal(b, m.ProtoReflect().New().Interface())
		}
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	_ = w.WriteHeader(&tar.Header{Name: "é", Typeflag: tar.TypeReg, Mode: 0o600})
	_ = w.Close()
	_ = walkArchive(context.Background(), archive.Bytes(), ArchiveOptions{Dir: "/", Limits: ArchiveLimits{}.withDefaults(), Skip: askOnce(nil), Warn: func(string) {}}, nil)
}
