package attack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/server"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/host/internal/tenant"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

const byClient = "The client checks what it is sent, piece by piece: an error that says what is wrong"

// pieces are those of an upload.
type pieces = []*pb.ChunkPiece

// moduleFiles are what is uploaded.
var moduleFiles = bytes.Repeat([]byte("module "), 1000)

// upload is an init answered with an upload that is changed in one thing.
func upload(change func(*pb.DataUpload, pieces) pieces) (messages [][]byte) {
	sum := sha256.Sum256(moduleFiles)
	head := &pb.DataUpload{UploadType: pb.DataUploadType_UPLOAD_TYPE_MODULE_FILES, DataHash: sum[:], FileSize: int64(len(moduleFiles)), Chunks: 7}
	var all pieces
	for i := range 7 {
		all = append(all, &pb.ChunkPiece{Data: moduleFiles[1000*i : 1000*i+1000], FullDataHash: sum[:], PieceIndex: int32(i)})
	}
	all = change(head, all)
	messages = append(messages, marshal(&pb.Response{Type: &pb.Response_DataUpload{DataUpload: head}}))
	for _, p := range all {
		messages = append(messages, marshal(&pb.Response{Type: &pb.Response_ChunkPiece{ChunkPiece: p}}))
	}
	return append(messages, marshal(&pb.Response{Type: &pb.Response_Init{Init: &pb.InitComplete{ModuleFilesHash: sum[:]}}}))
}

// TestGoodUpload is taken: those of the attacks differ from it in one thing.
func TestGoodUpload(t *testing.T) {
	resp, err := servedBy(t, upload(func(_ *pb.DataUpload, p pieces) pieces { return p }))
	if err != nil || !bytes.Equal(resp.GetInit().GetModuleFiles(), moduleFiles) {
		t.Errorf("%d bytes, %v", len(resp.GetInit().GetModuleFiles()), err)
	}
}

func servers() []attack {
	sum := sha256.Sum256(moduleFiles)
	sends := func(name, tries, want string, messages ...[]byte) attack {
		return attack{name, tries, byClient, func(t *testing.T, _ *arena) {
			if _, err := servedBy(t, messages); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the client says %v, want %q", err, want)
			}
		}}
	}
	wrong := func(name, tries, want string, change func(*pb.DataUpload, pieces) pieces) attack {
		return sends(name, tries, want, upload(change)...)
	}
	return []attack{
		wrong("an upload with a wrong hash", "A byte of the last piece is another", "the sha256 does not match", func(_ *pb.DataUpload, p pieces) pieces {
			p[6].Data = append([]byte("x"), p[6].Data[1:]...)
			return p
		}),
		wrong("an upload of 1 EiB", "The head announces 1 EiB, so that room is made for it", "the limit is", func(h *pb.DataUpload, p pieces) pieces { h.FileSize = 1 << 60; return p }),
		wrong("an upload of negative size", "The head announces -1 bytes", "the limit is", func(h *pb.DataUpload, p pieces) pieces { h.FileSize = -1; return p }),
		wrong("an upload in too many pieces", "The head announces 2³¹-1 pieces", "not possible", func(h *pb.DataUpload, p pieces) pieces { h.Chunks = 1<<31 - 1; return p }),
		wrong("an upload that is longer than it says", "The last piece is a byte too long", "goes past the upload's 7000 bytes", func(_ *pb.DataUpload, p pieces) pieces {
			p[6].Data = append(bytes.Clone(p[6].Data), 'x')
			return p
		}),
		wrong("an upload that is shorter than it says", "The last piece is a byte too short", "6999 bytes came, 7000 were announced", func(_ *pb.DataUpload, p pieces) pieces {
			p[6].Data = p[6].Data[1:]
			return p
		}),
		wrong("pieces in disorder", "The first two pieces are swapped", "piece 1 came where 0 was due", func(_ *pb.DataUpload, p pieces) pieces { p[0], p[1] = p[1], p[0]; return p }),
		wrong("a piece that is missing", "The Complete comes before the last piece", "6 of 7 pieces came before the Complete", func(_ *pb.DataUpload, p pieces) pieces { return p[:6] }),
		wrong("pieces of nothing", "Pieces have no data, and there is no end of them", "piece 0 is empty", func(_ *pb.DataUpload, p pieces) pieces { p[0].Data = nil; return p }),
		wrong("a piece of another upload", "A piece has another upload's hash", "belongs to another upload", func(_ *pb.DataUpload, p pieces) pieces {
			p[3].FullDataHash = make([]byte, 32)
			return p
		}),
		sends("a Complete that refers to nothing", "The Complete has the hash of what was not uploaded", "module files that were not uploaded",
			marshal(&pb.Response{Type: &pb.Response_Init{Init: &pb.InitComplete{ModuleFilesHash: sum[:]}}})),
		sends("a Complete of something else", "An init is answered by a PlanComplete", "was answered by the Complete of plan", marshal(&pb.Response{Type: &pb.Response_Plan{Plan: &pb.PlanComplete{}}})),
		sends("a response of garbage", "Bytes that are no message", "decode a response of 3 bytes", []byte("\xff\xff\xff")),
		sends("a response of nothing", "An empty message", "the server sent an empty response", nil),
		sends("a response of 65 MiB", "More than the client takes", "received message larger than max", make([]byte, 65<<20)),
	}
}

// servedBy is what a client says of an init to which a server sends those messages.
func servedBy(t *testing.T, messages [][]byte) (*pb.Response, error) {
	t.Helper()
	s, err := server.Listen(server.Options{Listeners: []server.Listener{{Address: "unix:" + filepath.Join(daemontest.SocketDir(t), "s"), Anonymous: tenant.Default}}, Log: slog.New(slog.DiscardHandler)},
		func(_ context.Context, _ tenant.Tenant, s session.Stream) error { return serveMessages(s, messages) })
	if err != nil {
		t.Fatal(err)
	}
	defer daemontest.Serve(t, s.Serve).Stop()
	c, err := client.Dial(s.Addresses()[0], client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	session, err := c.Open(inTime(t))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.Configure(&pb.Config{}); err != nil {
		t.Fatal(err)
	}
	return session.Do(inTime(t), initOf(nil), nil)
}

// serveMessages waits for the Config and a request, and sends the messages.
func serveMessages(s session.Stream, messages [][]byte) error {
	for range 2 {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
	for _, m := range messages {
		if err := s.Send(m); err != nil {
			return err
		}
	}
	return nil
}
