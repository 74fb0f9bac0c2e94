package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	guest "github.com/provisor/provisor/sdk-guest"
)

// readLock is the lock file's content, or nil if there is none.
func readLock() ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(guest.WorkDir(), lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && b == nil {
		b = []byte{}
	}
	return b, err
}

// checkLock warns where init had to change the lock file that the template brought: the next session will have to as well.
func checkLock(brought []byte) error {
	if brought == nil {
		return nil
	}
	now, err := readLock()
	if err != nil {
		return err
	}
	if !bytes.Equal(brought, now) {
		guest.Warn(fmt.Sprintf("%s came with the template, and init had to change it: it does not lock every provider for this platform. "+
			"To lock them for all, run \"%s providers lock -platform=linux_amd64 -platform=linux_arm64 -platform=darwin_amd64 "+
			"-platform=darwin_arm64 -platform=windows_amd64\" in the template's directory, and put the file that it writes into the template",
			lockFile, cmp.Or(engineName(), terraform)))
	}
	return nil
}
