//go:build unix

package attack

import (
	"os/exec"
	"syscall"
)

// asUser has the command run as that user, who is no other where this process may not say so.
func asUser(c *exec.Cmd, uid int) {
	if syscall.Getuid() == 0 && uid != 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
}

// killProcess ends a process without asking it.
func killProcess(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }
