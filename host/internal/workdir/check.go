package workdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Check says what would keep a store from being opened below root. It returns what CheckWritable does.
func Check(root string) (string, error) {
	if err := checkPrivate(root); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return root, err
	}
	return CheckWritable(root)
}

// CheckWritable says whether a directory can be written to, or made where it is missing, by writing there. It returns the nearest directory
// that there is, and leaves nothing behind.
func CheckWritable(dir string) (string, error) {
	there, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		info, err := os.Stat(there)
		if err == nil && !info.IsDir() {
			return there, fmt.Errorf("%s is no directory", there)
		}
		if parent := filepath.Dir(there); errors.Is(err, fs.ErrNotExist) && parent != there {
			there = parent
			continue
		}
		if err != nil {
			return there, err
		}
		probe, err := os.MkdirTemp(there, ".check-")
		if err != nil {
			return there, err
		}
		return there, os.Remove(probe)
	}
}
