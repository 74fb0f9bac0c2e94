package plugin

import "io/fs"

// fileID: size and time have to do.
func fileID(fs.FileInfo) string { return "" }
