package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// filesOf are module files such that the whole Response has that many bytes.
func filesOf(t *testing.T, complete *pb.InitComplete, responseSize int) []byte {
	t.Helper()
	files := make([]byte, responseSize)
	rand.NewChaCha8([32]byte{1}).Read(files)
	for {
		complete.ModuleFiles = files
		size := proto.Size(&pb.Response{Type: &pb.Response_Init{Init: complete}})
		if size == responseSize {
			return files
		}
		files = files[:len(files)-(size-responseSize)]
	}
}

func TestUpload(t *testing.T) {
	const limit = 4 << 20
	modules := []*pb.Module{{Key: "a", Source: "./a"}}
	for _, tt := range []struct {
		name     string
		complete *pb.InitComplete
		size     int
		omit     bool
		chunks   int
	}{
		{"at the limit", &pb.InitComplete{Modules: modules}, limit, false, 0},
		{"one byte over", &pb.InitComplete{Modules: modules}, limit + 1, false, 2},
		{"whole pieces", &pb.InitComplete{}, 3*chunkSize + 10, false, 3},
		{"one byte more than whole pieces", &pb.InitComplete{}, 3*chunkSize + 11, false, 4},
		{"20 MiB", &pb.InitComplete{Modules: modules}, 20 << 20, false, 10},
		{"nobody wants them", &pb.InitComplete{Modules: modules}, limit + 1, true, 0},
		{"failed", &pb.InitComplete{Error: "no"}, limit + 1, false, 0},
		{"large for another reason", &pb.InitComplete{Modules: []*pb.Module{{Source: string(bytes.Repeat([]byte("x"), limit))}}}, 0, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var files []byte
			if tt.size > 0 {
				files = filesOf(t, tt.complete, tt.size)
			}
			s := newFixture(t, func(context.Context, *Host, *pb.Request) (*pb.Response, error) {
				return &pb.Response{Type: &pb.Response_Init{Init: tt.complete}}, nil
			}).configured(t)
			if err := s.Send(&pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{OmitModuleFiles: tt.omit}}}); err != nil {
				t.Fatal(err)
			}
			got := receiveUpload(t, s, files, tt.chunks)
			want := proto.Clone(tt.complete).(*pb.InitComplete)
			if tt.chunks > 0 {
				sum := sha256.Sum256(files)
				want.ModuleFiles, want.ModuleFilesHash = nil, sum[:]
			}
			if !proto.Equal(got, want) {
				t.Errorf("the Complete differs: hash %x, %d bytes of files, %d modules", got.ModuleFilesHash, len(got.ModuleFiles), len(got.Modules))
			}
		})
	}
}

// receiveUpload receives an upload of the files in that many pieces, if any, and the Complete after it.
func receiveUpload(t *testing.T, s *client.Session, files []byte, chunks int) *pb.InitComplete {
	t.Helper()
	next := func() *pb.Response {
		t.Helper()
		resp, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	if chunks == 0 {
		return next().GetInit()
	}
	sum := sha256.Sum256(files)
	want := &pb.DataUpload{
		UploadType: pb.DataUploadType_UPLOAD_TYPE_MODULE_FILES, DataHash: sum[:], FileSize: int64(len(files)), Chunks: int32(chunks),
	}
	if head := next().GetDataUpload(); !proto.Equal(head, want) {
		t.Fatalf("the upload begins with %v, want %v", head, want)
	}
	var got []byte
	for i := range chunks {
		p := next().GetChunkPiece()
		if i < chunks-1 && len(p.Data) != 2<<20 || p.PieceIndex != int32(i) || !bytes.Equal(p.FullDataHash, sum[:]) {
			t.Fatalf("piece %d: index %d, %d bytes, hash %x", i, p.PieceIndex, len(p.Data), p.FullDataHash)
		}
		got = append(got, p.Data...)
	}
	if !bytes.Equal(got, files) {
		t.Fatal("other bytes came than were sent")
	}
	return next().GetInit()
}

func TestUploadThroughTheClient(t *testing.T) {
	complete := &pb.InitComplete{}
	files := filesOf(t, complete, 5<<20)
	s := newFixture(t, func(_ context.Context, h *Host, _ *pb.Request) (*pb.Response, error) {
		return &pb.Response{Type: &pb.Response_Init{Init: complete}}, h.Log(pb.LogLevel_INFO, "before")
	}).configured(t)
	var logs []string
	resp, err := s.Do(t.Context(), initRequest(), func(l *pb.Log) { logs = append(logs, l.Output) })
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(resp.GetInit().GetModuleFiles(), files) || fmt.Sprint(logs) != "[before]" {
		t.Errorf("%d bytes and the logs %q came", len(resp.GetInit().GetModuleFiles()), logs)
	}
}
