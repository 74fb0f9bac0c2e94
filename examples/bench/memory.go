package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// resident is the daemon's resident memory in bytes, with each page that is mapped several times counted once.
func (d *daemon) resident() (int64, error) { return d.memory("smaps_rollup", "Pss:") }

// peak is the most resident memory that the daemon has had since resetPeak.
func (d *daemon) peak() (int64, error) { return d.memory("status", "VmHWM:") }

func (d *daemon) resetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", d.command.Process.Pid), []byte("5"), 0)
}

func (d *daemon) memory(file, name string) (int64, error) {
	path := fmt.Sprintf("/proc/%d/%s", d.command.Process.Pid, file)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == name {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("%s does not tell %s", path, name)
}

// guests is what the memories of the daemon's instances have resident, in bytes: nothing else in it is mapped without a reserve.
func (d *daemon) guests() (sum int64, err error) {
	path := fmt.Sprintf("/proc/%d/smaps", d.command.Process.Pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var resident int64
	for line := range strings.Lines(string(text)) {
		switch fields := strings.Fields(line); fields[0] {
		case "Rss:":
			if resident, err = strconv.ParseInt(fields[1], 10, 64); err != nil {
				return 0, err
			}
		// The last line of a mapping.
		case "VmFlags:":
			if slices.Contains(fields, "nr") {
				sum += resident << 10
			}
		}
	}
	if sum == 0 {
		return 0, fmt.Errorf("%s tells of no instance's memory", path)
	}
	return sum, nil
}
