package exec

import (
	"fmt"

	"github.com/provisor/provisor/abi"
)

// The names of the settings, for messages that say which one to change.
const (
	settingMemory    = "program_memory_bytes"
	settingProcesses = "program_processes"
)

// LimitError says which limit a program has hit.
type LimitError struct {
	// Path is the program's.
	Path string
	// Limit is what there was too much of, "bytes of memory".
	Limit   string
	Value   uint64
	Setting string
}

// LimitSetting is the name of the setting.
func (e *LimitError) LimitSetting() string { return e.Setting }

func (e *LimitError) Error() string {
	return fmt.Sprintf("run %s: the limit of %d %s is reached (setting %s)", e.Path, e.Value, e.Limit, e.Setting)
}

// Unwrap makes it abi.Limit.
func (e *LimitError) Unwrap() error { return abi.Limit }

func (p *Program) overMemory() error {
	return &LimitError{Path: p.Path, Limit: "bytes of memory", Value: p.Cell.Memory, Setting: settingMemory}
}

func (p *Program) overProcesses() error {
	return &LimitError{Path: p.Path, Limit: "processes and threads", Value: p.Cell.Processes, Setting: settingProcesses}
}
