//go:build wasip1

// Command extism is the comparison's plugin for Extism.
package main

import (
	"github.com/extism/go-pdk"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/examples/bench/internal/parse"
)

func main() {}

// parseTemplate answers with the serialized ParseComplete of the directory that is its input.
//
//go:wasmexport parse
func parseTemplate() int32 {
	answer, err := proto.Marshal(parse.Dir(pdk.InputString()))
	if err != nil {
		pdk.SetError(err)
		return 1
	}
	pdk.Output(answer)
	return 0
}
