package main

import (
	"fmt"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/plugins/echo/internal/script"
	"github.com/provisor/provisor/proto/guestpb"
)

// unreachable is the WebAssembly instruction of that name.
func unreachable()

func trap() error {
	unreachable()
	return nil
}

// start starts a program and forgets it.
func (p *performance) start(s script.Step) error {
	b, err := proto.Marshal(&guestpb.ExecRequest{Program: s.Words[0], Args: s.Words[1:], Env: p.env, Dir: p.dir, Stdin: p.hasStdin})
	if err != nil {
		return err
	}
	passed = b
	if r := execStart(address(b), uint32(len(b))); r < 0 {
		return fmt.Errorf("exec_start returned %d", r)
	}
	return nil
}

// passed is what the host is given the address of. Being referred to from here it lives on the heap, where Go moves nothing.
var passed []byte

// address is where b begins.
func address(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
