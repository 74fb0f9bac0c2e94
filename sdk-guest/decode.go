package guest

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Field numbers of the messages whose one field may be many megabytes: an archive or a state.
const (
	requestInit  protowire.Number = 3
	requestPlan  protowire.Number = 4
	requestApply protowire.Number = 5

	initArchive protowire.Number = 1
	planState   protowire.Number = 6
	applyState  protowire.Number = 6
)

// decodeRequest is proto.Unmarshal, but the archive or the state in the message is the very memory that it has in b:
// package proto would copy it, and an instance's memory is short.
func decodeRequest(b []byte) (*pb.Request, error) {
	request, body, ok := onlyField(b)
	if ok {
		switch request {
		case requestInit:
			m := new(pb.InitRequest)
			return &pb.Request{Type: &pb.Request_Init{Init: m}}, decodeExcept(body, m, initArchive, &m.TemplateSourceArchive)
		case requestPlan:
			m := new(pb.PlanRequest)
			return &pb.Request{Type: &pb.Request_Plan{Plan: m}}, decodeExcept(body, m, planState, &m.State)
		case requestApply:
			m := new(pb.ApplyRequest)
			return &pb.Request{Type: &pb.Request_Apply{Apply: m}}, decodeExcept(body, m, applyState, &m.State)
		}
	}
	m := new(pb.Request)
	return m, proto.Unmarshal(b, m)
}

// onlyField returns the number and the content of a message's field of bytes, if that is all there is in the message.
func onlyField(b []byte) (protowire.Number, []byte, bool) {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 || typ != protowire.BytesType {
		return 0, nil, false
	}
	content, m := protowire.ConsumeBytes(b[n:])
	return num, content, m >= 0 && n+m == len(b)
}

// decodeExcept decodes a message but for its field of bytes with that number, of which it sets the place in b.
func decodeExcept(b []byte, m proto.Message, field protowire.Number, value *[]byte) error {
	var rest, found []byte
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		size := protowire.ConsumeFieldValue(num, typ, b[n:])
		if size < 0 {
			return protowire.ParseError(size)
		}
		if num == field && typ == protowire.BytesType {
			v, _ := protowire.ConsumeBytes(b[n:])
			found = v[:len(v):len(v)]
		} else {
			rest = append(rest, b[:n+size]...)
		}
		b = b[n+size:]
	}
	if err := proto.Unmarshal(rest, m); err != nil {
		return err
	}
	if len(found) > 0 {
		*value = found
	}
	return nil
}
