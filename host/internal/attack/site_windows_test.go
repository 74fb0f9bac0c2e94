package attack

import "os/exec"

func asUser(*exec.Cmd, int) {}

func killProcess(int) error { return nil }
