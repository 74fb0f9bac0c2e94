package diskwatch

// maxDepth is how deep directories may be nested: each level takes a descriptor to look at.
const maxDepth = 256

// look is one look at a session's files.
type look struct {
	Usage
	limits Limits
	// seen are files that have several names, or none.
	seen map[fileID]bool
	// devices are those of the directories.
	devices map[uint64]bool
}

// fileID says which file it is, whatever its name.
type fileID struct{ device, inode uint64 }

func newLook(l Limits) *look {
	return &look{limits: l, seen: make(map[fileID]bool), devices: make(map[uint64]bool)}
}

// enough says that a limit is passed, whatever else there is.
func (l *look) enough() bool {
	return l.limits.Bytes > 0 && l.Bytes > l.limits.Bytes || l.limits.Files > 0 && l.Files > l.limits.Files
}

// add counts a file.
func (l *look) add(bytes int64) {
	l.Bytes += bytes
	l.Files++
}

// addOnce counts a file that may be met again.
func (l *look) addOnce(id fileID, bytes int64) {
	if !l.seen[id] {
		l.seen[id] = true
		l.add(bytes)
	}
}
