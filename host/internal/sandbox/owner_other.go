//go:build !unix

package sandbox

import "io/fs"

// onlyOursToWrite knows nothing of access lists: where there are no permission bits, the cache directory is taken as it is.
func onlyOursToWrite(fs.FileInfo) error { return nil }
