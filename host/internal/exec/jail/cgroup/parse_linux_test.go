package cgroup

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	hybrid = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`
	hybridOwn = "9:name=systemd:/\n8:pids:/\n4:memory:/daemons/a:b\n1:cpu,cpuacct:/\n0::/\n"

	unified    = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
	unifiedOwn = "0::/system.slice/provisor.service\n"

	container    = `700 690 0:30 /docker/1f /sys/fs/cgroup/my\040memory ro - cgroup cgroup rw,memory` + "\n"
	containerOwn = "4:memory:/docker/1f/daemon\n"
)

func TestHierarchies(t *testing.T) {
	for _, tt := range []struct{ name, mounts, own, want string }{
		{"version 1, and 2 without controllers", hybrid, hybridOwn,
			"1 /sys/fs/cgroup/memory/daemons/a:b [memory]; 1 /sys/fs/cgroup/pids [pids]; 2 /sys/fs/cgroup/unified []"},
		{"version 2", unified, unifiedOwn, "2 /sys/fs/cgroup/system.slice/provisor.service []"},
		{"a part of a hierarchy", container, containerOwn, "1 /sys/fs/cgroup/my memory/daemon [memory]"},
		{"outside of that part", container, "4:memory:/docker/1foo\n", ""},
		{"outside of the namespace", unified, "0::/../other\n", ""},
		{"removed", unified, "0::/gone (deleted)\n", ""},
		{"none", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, err := hierarchies(strings.NewReader(tt.mounts), strings.NewReader(tt.own))
			var list []string
			for _, h := range found {
				list = append(list, fmt.Sprint(h.version, " ", h.dir, " ", h.controllers))
			}
			if got := strings.Join(list, "; "); err != nil || got != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func TestCount(t *testing.T) {
	const events = "low 0\noom 3\noom_kill 2\noom_group_kill x\n"
	for name, want := range map[string]uint64{"oom ": 3, "oom_kill ": 2, "oom_group_kill ": 0, "max ": 0} {
		if got := count([]byte(events), name); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
	if got := count([]byte("17\n"), ""); got != 17 {
		t.Errorf("got %d", got)
	}
}

// Whatever the kernel, or who has mounted something over /proc, says: a group is made at an absolute path within a mount, or not at all.
func FuzzHierarchies(f *testing.F) {
	f.Add([]byte(hybrid), []byte(hybridOwn))
	f.Add([]byte(unified), []byte(unifiedOwn))
	f.Add([]byte(container), []byte(containerOwn))
	f.Fuzz(func(t *testing.T, mounts, own []byte) {
		found, err := hierarchies(strings.NewReader(string(mounts)), strings.NewReader(string(own)))
		if err != nil {
			return
		}
		for _, h := range found {
			if !filepath.IsAbs(h.dir) || slices.Contains(strings.Split(h.dir, "/"), "..") || h.version == 1 && len(h.controllers) == 0 {
				t.Errorf("%+v", h)
			}
		}
	})
}

// Whatever is in a file of a group, it is read as numbers that the kernel can mean, or refused.
func FuzzGroupFiles(f *testing.F) {
	f.Add([]byte("1\n22\n0\n"), "oom_kill ")
	f.Add([]byte("oom_kill 3\n"), "oom_kill ")
	f.Fuzz(func(t *testing.T, content []byte, name string) {
		_ = count(content, name)
		pids, err := processes(content)
		if err == nil && slices.ContainsFunc(pids, func(pid int) bool { return pid < 0 }) {
			t.Error(pids)
		}
	})
}
