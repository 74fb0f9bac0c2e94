package diskwatch

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// unnamed counts the files on the session's file systems that a process has open or mapped, and that have no name any more. Processes that
// have ended have none.
func (l *look) unnamed(pid int) {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	descriptors, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return
	}
	for _, d := range descriptors {
		l.unnamedFile(filepath.Join(proc, "fd", d.Name()))
	}
	maps, err := os.Open(filepath.Join(proc, "maps"))
	if err != nil {
		return
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		// "55d0-55d1 rw-s 00000000 fe:00 1234   /path (deleted)"
		line := lines.Text()
		span, _, ok := strings.Cut(line, " ")
		if !ok || !strings.HasSuffix(line, " (deleted)") || l.unnamedFile(filepath.Join(proc, "map_files", span)) {
			continue
		}
		// Only root may look at the file itself. It has what is mapped of it, at least.
		l.mapping(strings.Fields(line))
	}
}

// makeReadable lets this process look into a directory of its user's. It follows no link.
func makeReadable(parent int, name string) error {
	fd, err := unix.Openat(parent, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), 0o700)
}

// unnamedFile counts the file behind a link of /proc. It reports whether it could look.
func (l *look) unnamedFile(link string) bool {
	var stat unix.Stat_t
	if unix.Stat(link, &stat) != nil {
		return false
	}
	if stat.Nlink == 0 && stat.Mode&unix.S_IFMT == unix.S_IFREG && l.devices[uint64(stat.Dev)] {
		l.addOnce(fileID{uint64(stat.Dev), stat.Ino}, stat.Blocks*512)
	}
	return true
}

// mapping counts a file by a line of /proc/PID/maps.
func (l *look) mapping(fields []string) {
	if len(fields) < 5 {
		return
	}
	from, to, _ := strings.Cut(fields[0], "-")
	first, err1 := strconv.ParseUint(from, 16, 64)
	last, err2 := strconv.ParseUint(to, 16, 64)
	major, minor, _ := strings.Cut(fields[3], ":")
	maj, err3 := strconv.ParseUint(major, 16, 32)
	mnr, err4 := strconv.ParseUint(minor, 16, 32)
	inode, err5 := strconv.ParseUint(fields[4], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || err5 != nil || last < first {
		return
	}
	if device := unix.Mkdev(uint32(maj), uint32(mnr)); l.devices[device] {
		l.addOnce(fileID{device, inode}, int64(min(last-first, 1<<60)))
	}
}
