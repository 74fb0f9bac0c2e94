// Package raw is the protocol's service over gRPC with messages that stay the bytes they are on the wire: what a plugin gets and gives is
// neither decoded nor encoded on the way.
package raw

import (
	"google.golang.org/grpc/encoding"
	// The codec of every other service.
	_ "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"github.com/provisor/provisor/host/internal/garbage"
)

// The names of the service, its method, and the file that describes it.
const (
	Service = "provisioner.Provisioner"
	Method  = "Session"
	Path    = "/" + Service + "/" + Method
	File    = "provisioner.proto"
)

// Message is a message as its bytes.
type Message struct{ Bytes []byte }

// Codec is a codec for gRPC that leaves a *Message as it is, and takes any other message for protobuf.
func Codec() encoding.CodecV2 { return codec{encoding.GetCodecV2("proto")} }

type codec struct{ proto encoding.CodecV2 }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(*Message); ok {
		return mem.BufferSlice{mem.SliceBuffer(m.Bytes)}, nil
	}
	return c.proto.Marshal(v)
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(*Message); ok {
		garbage.Before(int64(data.Len()))
		m.Bytes = data.Materialize()
		return nil
	}
	return c.proto.Unmarshal(data, v)
}

// Name implements encoding.CodecV2. The bytes on the wire are protobuf's.
func (codec) Name() string { return "proto" }
