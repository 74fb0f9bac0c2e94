package cgroup

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// The controllers that are used.
const (
	memory = "memory"
	pids   = "pids"
	// cpu gives each group its part. Version 1 would let it compete with all processes of the machine, one by one.
	cpu = "cpu"
)

// hierarchy is a tree of groups.
type hierarchy struct {
	version int
	// dir is where groups are made, an absolute path.
	dir         string
	controllers []string
}

func (h *hierarchy) has(controller string) bool { return slices.Contains(h.controllers, controller) }

// hierarchies finds the daemon's own group in each hierarchy that is mounted: mounts is a /proc/PID/mountinfo, own a /proc/PID/cgroup. What
// version 2 has for controllers is not in there.
func hierarchies(mounts, own io.Reader) ([]*hierarchy, error) {
	content, err := io.ReadAll(own)
	if err != nil {
		return nil, err
	}
	groups := ownGroups(content)
	list, err := mountinfo.GetMountsFromReader(mounts, mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, err
	}
	var found []*hierarchy
	for _, m := range list {
		h := &hierarchy{version: 2}
		var controllers []string
		if m.FSType == "cgroup" {
			h.version, controllers = 1, strings.Split(m.VFSOptions, ",")
		}
		of := ""
		for _, c := range []string{memory, pids} {
			if slices.Contains(controllers, c) {
				h.controllers, of = append(h.controllers, c), c
			}
		}
		group, ok := groups[of]
		if !ok || h.version == 1 && of == "" {
			continue
		}
		if h.dir, ok = within(m.Mountpoint, m.Root, group); ok {
			found = append(found, h)
		}
	}
	return found, nil
}

// ownGroups reads a /proc/PID/cgroup: the group's path for each controller of version 1, and for "" that of version 2.
func ownGroups(content []byte) map[string]string {
	groups := map[string]string{}
	for line := range bytes.Lines(content) {
		// "ID:controller,controller:path", where the path may hold anything but a newline.
		parts := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(parts) < 3 || !path.IsAbs(parts[2]) {
			continue
		}
		for c := range strings.SplitSeq(parts[1], ",") {
			if (c == "") == (parts[0] == "0") {
				groups[c] = parts[2]
			}
		}
	}
	return groups
}

// within is a group's directory below a mount point that shows the hierarchy from root on.
func within(mountpoint, root, group string) (string, bool) {
	if !path.IsAbs(mountpoint) || strings.HasSuffix(group, " (deleted)") || slices.Contains(strings.Split(group, "/"), "..") {
		return "", false // a group outside of the namespace that this process is in
	}
	root, group = path.Clean(root), path.Clean(group)
	if root == "/" {
		return path.Join(mountpoint, group), true
	}
	rest, ok := strings.CutPrefix(group, root)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return path.Join(mountpoint, rest), true
}

// count reads the number of a line "name N", or of one that is just a number where there is no name; 0 = there is none.
func count(content []byte, name string) uint64 {
	for line := range bytes.Lines(content) {
		number, ok := strings.CutPrefix(strings.TrimSpace(string(line)), name)
		if n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64); ok && err == nil {
			return n
		}
	}
	return 0
}

// processes reads a cgroup.procs. Those that this process can't see, since they are in another pid namespace, are 0.
func processes(content []byte) ([]int, error) {
	var list []int
	for field := range bytes.FieldsSeq(content) {
		pid, err := strconv.Atoi(string(field))
		if err != nil || pid < 0 {
			return nil, fmt.Errorf("%q is no process id", field)
		}
		list = append(list, pid)
	}
	return list, nil
}
