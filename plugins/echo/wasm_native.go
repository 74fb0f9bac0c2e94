//go:build !wasip1

package main

import (
	"errors"

	"github.com/provisor/provisor/plugins/echo/internal/script"
)

var errOnlyWasm = errors.New("this step works in WebAssembly only")

func trap() error  { return errOnlyWasm }
func abuse() error { return errOnlyWasm }

func (p *performance) start(script.Step) error { return errOnlyWasm }
