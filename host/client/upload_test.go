package client_test

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// uploadOf is data as an upload in pieces of a size.
func uploadOf(data []byte, size int) []*pb.Response {
	sum := sha256.Sum256(data)
	head := &pb.DataUpload{UploadType: pb.DataUploadType_UPLOAD_TYPE_MODULE_FILES, DataHash: sum[:], FileSize: int64(len(data))}
	responses := []*pb.Response{{Type: &pb.Response_DataUpload{DataUpload: head}}}
	for rest := data; len(rest) > 0; head.Chunks++ {
		n := min(size, len(rest))
		responses = append(responses, &pb.Response{Type: &pb.Response_ChunkPiece{ChunkPiece: &pb.ChunkPiece{
			Data: rest[:n], FullDataHash: sum[:], PieceIndex: head.Chunks,
		}}})
		rest = rest[n:]
	}
	return responses
}

func initOf(hash []byte) *pb.Response {
	return &pb.Response{Type: &pb.Response_Init{Init: &pb.InitComplete{ModuleFilesHash: hash}}}
}

func TestUpload(t *testing.T) {
	for _, data := range []string{"", "x", "exactly 4 bytes..", "abcd"} {
		var u client.Upload
		for _, resp := range uploadOf([]byte(data), 4) {
			if err := u.Add(resp); err != nil {
				t.Fatal(err)
			}
		}
		sum := sha256.Sum256([]byte(data))
		complete := initOf(sum[:])
		if err := u.Fill(complete); err != nil {
			t.Fatal(err)
		}
		if got := complete.GetInit().GetModuleFiles(); string(got) != data || string(u.Data()) != data {
			t.Errorf("got %q and %q, want %q", got, u.Data(), data)
		}
	}
}

func TestNoUpload(t *testing.T) {
	var u client.Upload
	if err := u.Fill(initOf(nil)); err != nil || u.Data() != nil {
		t.Errorf("%v, %q", err, u.Data())
	}
	if err := u.Fill(initOf(make([]byte, 32))); err == nil || !strings.Contains(err.Error(), "not uploaded") {
		t.Errorf("a hash without an upload: %v", err)
	}
}

func TestBadUploads(t *testing.T) {
	data := bytes.Repeat([]byte("data"), 4)
	head := func(r []*pb.Response) *pb.DataUpload { return r[0].GetDataUpload() }
	piece := func(r []*pb.Response, i int) *pb.ChunkPiece { return r[i+1].GetChunkPiece() }
	for _, tt := range []struct {
		name   string
		change func(r []*pb.Response) []*pb.Response
		want   string
	}{
		{"piece first", func(r []*pb.Response) []*pb.Response { return r[1:] }, "before its upload"},
		{"begun twice", func(r []*pb.Response) []*pb.Response { return append(r[:1:1], r...) }, "second upload"},
		{"short hash", func(r []*pb.Response) []*pb.Response { head(r).DataHash = nil; return r }, "32 bytes"},
		{"too large", func(r []*pb.Response) []*pb.Response { head(r).FileSize = 1 << 40; return r }, "the limit"},
		{"negative", func(r []*pb.Response) []*pb.Response { head(r).FileSize = -1; return r }, "the limit"},
		{"more pieces than bytes", func(r []*pb.Response) []*pb.Response { head(r).Chunks = 17; return r }, "not possible"},
		{"no pieces", func(r []*pb.Response) []*pb.Response { head(r).Chunks = 0; return r }, "not possible"},
		{"out of order", func(r []*pb.Response) []*pb.Response { r[1], r[2] = r[2], r[1]; return r }, "piece 1 came where 0 was due"},
		{"twice the same", func(r []*pb.Response) []*pb.Response { r[2] = r[1]; return r }, "piece 0 came where 1 was due"},
		{"another upload's", func(r []*pb.Response) []*pb.Response { piece(r, 1).FullDataHash = []byte("x"); return r }, "another upload"},
		{"too long", func(r []*pb.Response) []*pb.Response { piece(r, 3).Data = make([]byte, 5); return r }, "goes past"},
		{"too short", func(r []*pb.Response) []*pb.Response { piece(r, 3).Data = []byte("dat"); return r }, "15 bytes came, 16 were announced"},
		{"an empty piece", func(r []*pb.Response) []*pb.Response { piece(r, 3).Data = nil; return r }, "piece 3 is empty"},
		{"another type", func(r []*pb.Response) []*pb.Response { head(r).UploadType = 0; return r }, "unknown type 0"},
		{"changed", func(r []*pb.Response) []*pb.Response { piece(r, 3).Data = []byte("dat!"); return r }, "sha256 does not match"},
		{"one too many", func(r []*pb.Response) []*pb.Response { return append(r, r[4]) }, "after the last"},
		{"no part of it", func(r []*pb.Response) []*pb.Response { return append(r, initOf(nil)) }, "no part of an upload"},
		{"cut short", func(r []*pb.Response) []*pb.Response { return r[:3] }, "2 of 4 pieces came"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var responses []*pb.Response
			for _, r := range uploadOf(data, 4) {
				responses = append(responses, proto.Clone(r).(*pb.Response))
			}
			sum := sha256.Sum256(data)
			var u client.Upload
			var err error
			for _, r := range tt.change(responses) {
				if err = u.Add(r); err != nil {
					break
				}
			}
			if err == nil {
				err = u.Fill(initOf(sum[:]))
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it to say %q", err, tt.want)
			}
		})
	}
	var u client.Upload
	for _, r := range uploadOf(data, 4) {
		if err := u.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.Fill(initOf(make([]byte, 32))); err == nil || !strings.Contains(err.Error(), "other data") {
		t.Errorf("a Complete of another upload: %v", err)
	}
}

func FuzzUpload(f *testing.F) {
	for _, r := range uploadOf([]byte("some data"), 4) {
		b, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, b)
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var u client.Upload
		for _, raw := range [][]byte{a, b} {
			var r pb.Response
			if proto.Unmarshal(raw, &r) != nil || u.Add(&r) != nil {
				return
			}
			if data := u.Data(); data != nil {
				if sum := sha256.Sum256(data); !bytes.Contains(a, sum[:]) {
					t.Error("data that does not match its hash was taken")
				}
			}
		}
	})
}
