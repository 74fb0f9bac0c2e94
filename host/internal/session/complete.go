package session

import (
	"encoding/binary"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/provisor/provisor/host/internal/garbage"
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
	text = strings.ToValidUTF8(text, "\uFFFD")
	parts := [][]byte{bytesHeader(errorField(kind), len(text)), []byte(text)}
	if kind == Apply && len(state) > 0 {
		parts = append(parts, bytesHeader(applyState, len(state)), state)
	}
	return wrap(kind, parts...)
}

// wrap makes a Complete of the parts of its encoded message. It copies them once: a state among them may be large.
func wrap(kind Kind, parts ...[]byte) complete {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	garbage.Before(int64(size))
	raw := append(make([]byte, 0, size+2*binary.MaxVarintLen32), bytesHeader(protowire.Number(kind), size)...)
	body := len(raw)
	for _, part := range parts {
		raw = append(raw, part...)
	}
	return complete{envelope{kind: kind, parts: [][]byte{raw[body:]}}, raw}
}

// error is the text of the Complete's error; empty for a success.
func (c complete) error() string { return string(c.bytes(errorField(c.kind))) }

// withError is the Complete with another error.
func (c complete) withError(text string) complete {
	return wrap(c.kind, c.with(errorField(c.kind), []byte(strings.ToValidUTF8(text, "\uFFFD")))...)
}

// errorField is the number of the error in the Complete of that kind.
func errorField(kind Kind) protowire.Number {
	answer := responseType.Fields().ByNumber(protowire.Number(kind)).Message()
	return answer.Fields().ByName("error").Number()
}
