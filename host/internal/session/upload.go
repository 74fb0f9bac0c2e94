package session

import (
	"crypto/sha256"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/host/internal/garbage"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

const (
	// uploadOver is the size of a Response from which on its module files are sent in pieces: gRPC's default limit.
	uploadOver = 4 << 20
	// chunkSize is the size of each piece but the last.
	chunkSize = 2 << 20
)

// needsUpload says whether the Complete's module files go ahead of it, in pieces. omit: the client wants none.
func needsUpload(omit bool, c complete) bool {
	return c.kind == Init && len(c.raw) > uploadOver && len(c.bytes(initModuleFiles)) > 0 &&
		c.error() == "" && !omit
}

// upload sends the module files of an InitComplete in pieces, and returns the Complete that refers to them.
func upload(c complete, send func([]byte) error) (complete, error) {
	data := c.bytes(initModuleFiles)
	sum := sha256.Sum256(data)
	head := &pb.DataUpload{
		UploadType: pb.DataUploadType_UPLOAD_TYPE_MODULE_FILES,
		DataHash:   sum[:],
		FileSize:   int64(len(data)),
		Chunks:     int32((len(data) + chunkSize - 1) / chunkSize),
	}
	if err := sendMessage(&pb.Response{Type: &pb.Response_DataUpload{DataUpload: head}}, send); err != nil {
		return complete{}, err
	}
	for i := range head.Chunks {
		garbage.Before(chunkSize)
		from := int(i) * chunkSize
		piece := &pb.ChunkPiece{Data: data[from:min(from+chunkSize, len(data))], FullDataHash: sum[:], PieceIndex: i}
		if err := sendMessage(&pb.Response{Type: &pb.Response_ChunkPiece{ChunkPiece: piece}}, send); err != nil {
			return complete{}, err
		}
	}
	return wrap(c.kind, c.with(initModuleFilesHash, sum[:], initModuleFiles)...), nil
}

func sendMessage(resp *pb.Response, send func([]byte) error) error {
	b, err := proto.Marshal(resp)
	if err != nil {
		return fmt.Errorf("encode a response: %w", err)
	}
	return send(b)
}
