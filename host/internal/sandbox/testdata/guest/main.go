//go:build wasip1

// Command guest is a plugin that does what the request's text says, to show how Go's runtime gets on in an instance.
package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

//go:wasmimport provisor_v1 respond
func respond(ptr unsafe.Pointer, length uint32) int32

//go:wasmexport provisor_abi_version
func abiVersion() int32 { return 1 << 16 }

var request []byte

//go:wasmexport provisor_alloc
func alloc(size int32) unsafe.Pointer {
	request = make([]byte, size+1)
	return unsafe.Pointer(&request[0])
}

//go:wasmexport provisor_handle
func handle(_ unsafe.Pointer, size int32) int32 {
	answer := work(string(request[:size]))
	return respond(unsafe.Pointer(unsafe.StringData(answer)), uint32(len(answer)))
}

func main() {}

var kept [][]byte

func work(what string) string {
	switch what {
	case "surroundings":
		return surroundings()
	case "files":
		return files()
	case "sleep":
		time.Sleep(time.Hour)
	case "spin":
		for {
			kept = nil
		}
	case "allocate":
		for {
			kept = append(kept, make([]byte, 1<<20))
		}
	case "deadlock":
		<-make(chan int)
	case "panic":
		panic("on purpose")
	case "exit":
		os.Exit(7)
	case "random":
		b := make([]byte, 16)
		rand.Read(b)
		return string(b)
	}
	return "no such work"
}

func surroundings() string {
	stdin, err := io.ReadAll(os.Stdin)
	dir, _ := os.Getwd()
	_, noDir := os.ReadDir("/")
	fmt.Println("to standard output")
	fmt.Fprintln(os.Stderr, "to standard error")
	var preopens []string
	for fd := 3; fd < 6; fd++ {
		var st syscall.Stat_t
		preopens = append(preopens, fmt.Sprint(syscall.Fstat(fd, &st) == nil))
	}
	return fmt.Sprintf("args %q env %q stdin %q %v dir %q root %v preopens %s year %d",
		os.Args, os.Environ(), stdin, err, dir, noDir != nil, strings.Join(preopens, " "), min(time.Now().Year(), 2025))
}

func files() string {
	text, err := os.ReadFile("/work/main.tf")
	if err != nil {
		return err.Error()
	}
	if err := os.WriteFile("/tmp/copy", text, 0o600); err != nil {
		return err.Error()
	}
	_, err = os.ReadFile("/work/../../etc/passwd")
	return fmt.Sprintf("%s, outside: %v", text, err != nil)
}
