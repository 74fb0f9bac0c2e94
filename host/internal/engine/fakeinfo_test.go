package engine

import (
	"io/fs"
	"time"
)

// fakeInfo is what a file system would say of a fakeFile.
type fakeInfo fakeFile

func (i fakeInfo) Name() string     { return i.name }
func (i fakeInfo) Size() int64      { return int64(len(i.content)) }
func (fakeInfo) Mode() fs.FileMode  { return 0o600 }
func (fakeInfo) ModTime() time.Time { return time.Time{} }
func (fakeInfo) IsDir() bool        { return false }
func (fakeInfo) Sys() any           { return nil }
