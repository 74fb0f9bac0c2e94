//go:build unix && !linux

package exec

import (
	osexec "os/exec"
	"syscall"
)

// groupAttr makes the child lead a process group.
func groupAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit reaps the program. Its group is killed right after: too soon for its id to have come round again.
func awaitExit(cmd *osexec.Cmd) { _ = cmd.Wait() }

// onlyZombies: these systems' first process reaps what it inherits.
func onlyZombies(int) bool { return false }
