package guest

import (
	"testing"
	"unsafe"

	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestDecodeRequestDoesNotCopyBulk(t *testing.T) {
	bulk := make([]byte, 1<<20)
	for name, req := range map[string]*pb.Request{
		"init":  {Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: bulk}}},
		"plan":  {Type: &pb.Request_Plan{Plan: &pb.PlanRequest{State: bulk}}},
		"apply": {Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{State: bulk}}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := proto.Marshal(req)
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeRequest(b)
			if err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(req, got) {
				t.Fatal("the decoded request is another one")
			}
			var found []byte
			switch t := got.GetType().(type) {
			case *pb.Request_Init:
				found = t.Init.GetTemplateSourceArchive()
			case *pb.Request_Plan:
				found = t.Plan.GetState()
			case *pb.Request_Apply:
				found = t.Apply.GetState()
			}
			first, last := uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&b[len(b)-1]))
			if at := uintptr(unsafe.Pointer(&found[0])); at < first || at > last {
				t.Error("the field was copied")
			}
		})
	}
}

func FuzzDecodeRequest(f *testing.F) {
	for _, req := range []*pb.Request{
		{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: []byte("tar"), OmitModuleFiles: true}}},
		{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}},
		{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{State: []byte("{}"), Metadata: &pb.Metadata{WorkspaceName: "w"}}}},
		{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{State: []byte("{}")}}},
		{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{Source: pb.GraphSource_SOURCE_PLAN}}},
	} {
		b, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, b...)) // the same field twice is one message, merged
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want := new(pb.Request)
		wantErr := proto.Unmarshal(b, want)
		got, err := decodeRequest(b)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("decodeRequest: %v; proto.Unmarshal: %v", err, wantErr)
		}
		if err == nil && !proto.Equal(want, got) {
			t.Fatalf("decodeRequest: %v\nproto.Unmarshal: %v", got, want)
		}
	})
}
