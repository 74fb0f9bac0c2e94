// Command cheader prints the ABI as a C header, for plugins that are written in C or C++.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/provisor/provisor/abi"
)

func main() {
	if err := os.WriteFile(os.Args[1], []byte(Header()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Header is the C header.
func Header() string {
	var b strings.Builder
	fmt.Fprintf(&b, `// Generated from the constants in abi/; do not edit. The specification is abi.md.
#ifndef PROVISOR_H
#define PROVISOR_H

#include <stdint.h>

#define PROVISOR_ABI_MAJOR %d
#define PROVISOR_ABI_MINOR %d
#define PROVISOR_ABI_VERSION %d

#define PROVISOR_MANIFEST_SECTION %q
#define PROVISOR_WORK_DIR %q
#define PROVISOR_TMP_DIR %q

// Why a host function failed; it returns the number negated.
`, abi.Major, abi.Minor, abi.Version, abi.ManifestSection, abi.WorkDir, abi.TmpDir)
	for _, e := range []struct {
		name  string
		errno abi.Errno
	}{
		{"INVALID", abi.Invalid}, {"DENIED", abi.Denied}, {"LIMIT", abi.Limit}, {"CANCELED", abi.Canceled},
		{"IO", abi.IO}, {"NOT_FOUND", abi.NotFound}, {"WRONG_STATE", abi.WrongState}, {"TOO_SMALL", abi.TooSmall},
	} {
		fmt.Fprintf(&b, "#define PROVISOR_%s %d // %s\n", e.name, int(e.errno), e.errno)
	}
	fmt.Fprintf(&b, `
// The levels of provisor_log.
enum { PROVISOR_TRACE, PROVISOR_DEBUG, PROVISOR_INFO, PROVISOR_WARN, PROVISOR_ERROR };

// The upper half of what provisor_exec_read returns; the lower half is a number of bytes.
enum { PROVISOR_ENDED = %d, PROVISOR_STDOUT = %d, PROVISOR_STDERR = %d, PROVISOR_TIMED_OUT = %d };

// The signals of provisor_exec_signal.
enum { PROVISOR_INTERRUPT = %d, PROVISOR_KILL = %d };

#define PROVISOR_EXPORT(name) __attribute__((export_name(name)))
#define PROVISOR_IMPORT(name) __attribute__((import_module(%q), import_name(name)))

// What the host provides. Pointers are offsets into the plugin's memory, as wasm32 has them.
`, abi.Ended, abi.Stdout, abi.Stderr, abi.TimedOut, abi.SignalInterrupt, abi.SignalKill, abi.HostModule)
	for _, f := range abi.Imports {
		fmt.Fprintf(&b, "PROVISOR_IMPORT(%q) %s provisor_%s(%s);\n", f.Name, result(f), f.Name, parameters(f))
	}
	b.WriteString("\n// What a plugin exports beside its memory.\n")
	for _, f := range abi.Exports {
		if f.Optional {
			continue
		}
		fmt.Fprintf(&b, "PROVISOR_EXPORT(%q) %s %s(%s);\n", f.Name, result(f), f.Name, parameters(f))
	}
	b.WriteString("\n#endif\n")
	return b.String()
}

func result(f abi.Function) string {
	if len(f.Results) == 0 {
		return "void"
	}
	return ctype(f.Results[0])
}

func parameters(f abi.Function) string {
	if len(f.Params) == 0 {
		return "void"
	}
	list := make([]string, len(f.Params))
	for i, p := range f.Params {
		list[i] = ctype(p)
	}
	return strings.Join(list, ", ")
}

func ctype(t abi.ValueType) string {
	if t == abi.I64 {
		return "int64_t"
	}
	return "int32_t"
}
