package compiler

import "golang.org/x/sys/unix"

// limitMemory is for what grows faster than watchMemory looks: a little later, the system itself refuses memory.
func limitMemory(most uint64) {
	const slack = 256 << 20 // the program's own data, and what the runtime keeps in reserve
	_ = unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: most + slack, Max: most + slack})
}
