package daemontest

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
)

// Left is what is left of sessions, by a daemon's data directory: their directories, and ProcessesOf. What can't be looked at counts as well.
func Left(data string) (left []string) {
	_ = filepath.WalkDir(data, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			left = append(left, err.Error())
		case e.IsDir() && (e.Name() == "work" || e.Name() == "tmp"):
			left = append(left, path)
		}
		return nil
	})
	return append(left, ProcessesOf(data)...)
}

// ProcessesOf are the processes that run a daemon's engine, or what that has started: their environment names the data directory.
func ProcessesOf(data string) []string {
	return Processes(func(dir string) bool {
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		return bytes.Contains(environ, []byte(data))
	})
}

// Processes are those whose directory in /proc is so, as number and command line; none where there is no /proc.
func Processes(are func(dir string) bool) (found []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if are(dir) {
			command, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
			found = append(found, filepath.Base(dir)+" "+string(bytes.ReplaceAll(command, []byte{0}, []byte{' '})))
		}
	}
	return found
}
