package session

import (
	"encoding/binary"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of the fields that a session looks at.
const (
	initOmitModuleFiles protowire.Number = 3 // InitRequest.omit_module_files
	initModuleFiles     protowire.Number = 4 // InitComplete.module_files
	initModuleFilesHash protowire.Number = 5 // InitComplete.module_files_hash
	applyState          protowire.Number = 1 // ApplyComplete.state
)

// complete is a plugin's answer, or the one that the host gives in its place.
type complete struct {
	envelope
	// raw is the whole serialized Response.
	raw []byte
}

// parseComplete checks that a plugin's response answers a request of that kind.
func parseComplete(kind Kind, response []byte) (complete, error) {
	e, err := open(responseType, response)
	switch {
	case err != nil:
		return complete{}, fmt.Errorf("it answered the %s request with %d bytes that are no Response: %w", kind, len(response), err)
	case e.kind == None:
		return complete{}, fmt.Errorf("it answered the %s request with an empty Response", kind)
	case e.kind != kind:
		name := responseType.Fields().ByNumber(protowire.Number(e.kind)).Message().Name()
		return complete{}, fmt.Errorf("it answered the %s request with a %s", kind, name)
	}
	return complete{envelope: e, raw: response}, nil
}

// failure is the Complete that the host writes itself. The state goes into an ApplyComplete.
func failure(kind Kind, text string, state []byte) complete {
	body := protowire.AppendTag(nil, errorField(kind), protowire.BytesType)
	body = protowire.AppendString(body, strings.ToValidUTF8(text, "\uFFFD"))
	if kind == Apply && len(state) > 0 {
		body = protowire.AppendTag(body, applyState, protowire.BytesType)
		body = protowire.AppendBytes(body, state)
	}
	return wrap(kind, body)
}

// wrap makes a Complete of its encoded message.
func wrap(kind Kind, body []byte) complete {
	raw := protowire.AppendTag(make([]byte, 0, len(body)+2*binary.MaxVarintLen32), protowire.Number(kind), protowire.BytesType)
	raw = protowire.AppendBytes(raw, body)
	return complete{envelope{kind: kind, parts: [][]byte{body}}, raw}
}

// error is the text of the Complete's error; empty for a success.
func (c complete) error() string { return string(c.bytes(errorField(c.kind))) }

// withError is the Complete with another error.
func (c complete) withError(text string) complete {
	return wrap(c.kind, c.body(errorField(c.kind), []byte(strings.ToValidUTF8(text, "\uFFFD"))))
}

// errorField is the number of the error in the Complete of that kind.
func errorField(kind Kind) protowire.Number {
	answer := responseType.Fields().ByNumber(protowire.Number(kind)).Message()
	return answer.Fields().ByName("error").Number()
}
