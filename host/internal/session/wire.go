package session

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Requests and Responses pass through a session as the bytes that they came as: they are up to 64 MiB, and decoding one
// copies all of it. This file reads what the session must know from the bytes.

var (
	requestType  = (*pb.Request)(nil).ProtoReflect().Descriptor()
	responseType = (*pb.Response)(nil).ProtoReflect().Descriptor()
)

// envelope is a Request or a Response, looked into.
type envelope struct {
	kind Kind
	// parts are the encodings of the message in the oneof. A decoder merges them; there is more than one only if a sender is odd.
	parts [][]byte
}

// open checks that the bytes decode as the type, and finds what the oneof holds. As any decoder does, it lets the last member win.
func open(md protoreflect.MessageDescriptor, b []byte) (envelope, error) {
	if err := validate(md, b, 0); err != nil {
		return envelope{}, err
	}
	var e envelope
	for num, value := range byteFields(b) {
		if md.Fields().ByNumber(num) == nil {
			continue
		}
		if Kind(num) != e.kind {
			e = envelope{kind: Kind(num)}
		}
		e.parts = append(e.parts, value)
	}
	return e, nil
}

// bytes is the value of a string or bytes field of the message in the oneof.
func (e envelope) bytes(num protowire.Number) []byte {
	var last []byte
	for _, part := range e.parts {
		for n, value := range byteFields(part) {
			if n == num {
				last = value
			}
		}
	}
	return last
}

// bool is the value of a bool field of the message in the oneof.
func (e envelope) bool(num protowire.Number) bool {
	var last bool
	for _, part := range e.parts {
		for len(part) > 0 {
			n, typ, size := protowire.ConsumeTag(part)
			if n == num && typ == protowire.VarintType {
				v, _ := protowire.ConsumeVarint(part[size:])
				last = protowire.DecodeBool(v)
			}
			part = part[size+protowire.ConsumeFieldValue(n, typ, part[size:]):]
		}
	}
	return last
}

// with is the message in the oneof anew, as parts of its encoding: without the fields that are dropped, and with one bytes field set. All else
// stays as it came.
func (e envelope) with(num protowire.Number, value []byte, drop ...protowire.Number) [][]byte {
	var parts [][]byte
	for _, part := range e.parts {
		for len(part) > 0 {
			n, typ, size := protowire.ConsumeTag(part)
			size += protowire.ConsumeFieldValue(n, typ, part[size:])
			if typ != protowire.BytesType || n != num && !slices.Contains(drop, n) {
				parts = append(parts, part[:size])
			}
			part = part[size:]
		}
	}
	return append(parts, bytesHeader(num, len(value)), value)
}

// bytesHeader is what comes before a length-delimited field of that many bytes.
func bytesHeader(num protowire.Number, size int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.BytesType), uint64(size))
}

// byteFields yields the length-delimited fields of a message that has been validated.
func byteFields(b []byte) func(yield func(protowire.Number, []byte) bool) {
	return func(yield func(protowire.Number, []byte) bool) {
		for len(b) > 0 {
			num, typ, n := protowire.ConsumeTag(b)
			m := protowire.ConsumeFieldValue(num, typ, b[n:])
			if typ == protowire.BytesType {
				value, _ := protowire.ConsumeBytes(b[n:])
				if !yield(num, value) {
					return
				}
			}
			b = b[n+m:]
		}
	}
}

// errUTF8 is what a decoder says of a string that is none.
var errUTF8 = errors.New("string field contains invalid UTF-8")

// validate says whether proto.Unmarshal would take the bytes as that message. It copies nothing. The protocol has no repeated
// numbers, so that there is nothing packed to look into.
func validate(md protoreflect.MessageDescriptor, b []byte, depth int) error {
	if depth > protowire.DefaultRecursionLimit {
		return errors.New("nested too deeply")
	}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if num > protowire.MaxValidNumber {
			return errors.New("invalid field number")
		}
		m := protowire.ConsumeFieldValue(num, typ, b[n:])
		if m < 0 {
			return protowire.ParseError(m)
		}
		if field := md.Fields().ByNumber(num); field != nil && typ == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(b[n:])
			if err := validateField(field, value, depth); err != nil {
				return fmt.Errorf("%s: %w", field.Name(), err)
			}
		}
		b = b[n+m:]
	}
	return nil
}

func validateField(field protoreflect.FieldDescriptor, value []byte, depth int) error {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return validate(field.Message(), value, depth+1)
	case protoreflect.StringKind:
		if !utf8.Valid(value) {
			return errUTF8
		}
	}
	return nil
}
