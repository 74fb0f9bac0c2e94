package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// resident is the resident memory of a process in bytes, with each page that is mapped several times counted once.
func resident(pid int) (int64, error) { return memoryField(pid, "smaps_rollup", "Pss:") }

// peak is the most resident memory that this process has had since resetPeak.
func peak() (int64, error) { return memoryField(os.Getpid(), "status", "VmHWM:") }

func resetPeak() error { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

func memoryField(pid int, file, name string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == name {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/%s does not tell %s", pid, file, name)
}
