package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// answers are the Completes of a session, in the order of its steps.
type answers struct {
	steps     []step
	responses []*pb.Response
}

func (a *answers) add(s step, r *pb.Response) {
	a.steps, a.responses = append(a.steps, s), append(a.responses, r)
}

func (a *answers) last() *pb.Response { return a.responses[len(a.responses)-1] }

// print writes one JSON object whose keys are the steps in their order, each the step's Complete as protobuf JSON with
// the proto's field names.
func (a *answers) print(w io.Writer) error {
	out := bytes.NewBufferString("{")
	for i, s := range a.steps {
		complete, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(complete(a.responses[i]))
		if err != nil {
			return fmt.Errorf("print the answer to %s: %w", s, err)
		}
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(out, "%q:%s", s, complete)
	}
	out.WriteByte('}')
	var indented bytes.Buffer
	if err := json.Indent(&indented, out.Bytes(), "", "  "); err != nil {
		return fmt.Errorf("print the answers: %w", err)
	}
	indented.WriteByte('\n')
	_, err := indented.WriteTo(w)
	return err
}

// complete is the message that a Response holds.
func complete(r *pb.Response) proto.Message {
	m := r.ProtoReflect()
	field := m.WhichOneof(m.Descriptor().Oneofs().ByName("type"))
	if field == nil {
		return &pb.Empty{}
	}
	return m.Get(field).Message().Interface()
}
