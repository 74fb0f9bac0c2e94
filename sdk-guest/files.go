package guest

import (
	"io/fs"

	"github.com/provisor/provisor/sdk-guest/internal/hostcall"
)

// WorkDir is the session's directory: the template, and the working directory of programs. In a plugin it is /work, under
// guesttest a temporary directory.
func WorkDir() string { return hostcall.Current().WorkDir() }

// TmpDir is the session's scratch directory: /tmp in a plugin.
func TmpDir() string { return hostcall.Current().TmpDir() }

// Chmod sets the permission bits of a file or directory below WorkDir or TmpDir. It stands in for os.Chmod, which can't
// work in WebAssembly; files that a plugin makes are 0600 and directories 0700 until it is called.
func Chmod(path string, mode fs.FileMode) error {
	if err := hostcall.Current().Chmod(path, uint32(mode.Perm())); err != nil {
		return &fs.PathError{Op: "chmod", Path: path, Err: noticed(err)}
	}
	return nil
}

// Mode returns the permission bits of a file or directory below WorkDir or TmpDir, which os.Stat can't in WebAssembly.
func Mode(path string) (fs.FileMode, error) {
	m, err := hostcall.Current().Mode(path)
	if err != nil {
		return 0, &fs.PathError{Op: "mode", Path: path, Err: noticed(err)}
	}
	return fs.FileMode(m).Perm(), nil
}
