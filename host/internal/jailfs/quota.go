package jailfs

import (
	"fmt"
	"sync"

	"github.com/tetratelabs/wazero/experimental/sys"

	"github.com/provisor/provisor/abi"
)

// The settings that the limits come from, as errors name them.
const (
	SettingBytes     = "disk_bytes"
	SettingFiles     = "files"
	SettingOpenFiles = "open_files"
)

// maxListing bounds the host's memory for directories that guests read: wazero keeps what it read of a directory until
// the guest closes or rewinds it.
const maxListing = 64 << 20

// QuotaLimits are what a guest may have. 0 is no limit.
type QuotaLimits struct {
	Bytes     int64 // on disk, as the sum of the lengths of the files, not of the blocks they take
	Files     int64 // files, directories and links that the guest made
	OpenFiles int64 // files and directories open at a time
}

// A LimitError is the refusal of what would go past a limit.
type LimitError struct {
	Op, Path string
	Limit    string // "bytes on disk"
	Value    int64
	Setting  string // what raises the limit, empty if nothing does
	errno    sys.Errno
}

// Error names the limit, its value and the setting.
func (e *LimitError) Error() string {
	text := fmt.Sprintf("%s %q: the limit of %d %s is reached", e.Op, e.Path, e.Value, e.Limit)
	if e.Setting == "" {
		return text
	}
	return text + fmt.Sprintf(" (setting %s)", e.Setting)
}

// LimitSetting is the name of the setting, or empty.
func (e *LimitError) LimitSetting() string { return e.Setting }

// Unwrap makes it abi.Limit.
func (e *LimitError) Unwrap() error { return abi.Limit }

// A Quota counts what one guest has, over all its mounts. It is safe for concurrent use.
type Quota struct {
	limits QuotaLimits

	mu      sync.Mutex
	usage   Usage
	listing int64 // bytes of directory entries that wazero keeps
	charges map[fileID]*charge
	mounts  []*FS
	last    error
	hit     *LimitError // the last limit that TakeLimit has not told of

	scanned, sinceScan int64 // entries that the last scan saw, limits that were hit since
}

// Usage is what a guest has.
type Usage struct{ Bytes, Files, OpenFiles int64 }

// fileID says which file it is, whatever its name.
type fileID struct{ dev, ino uint64 }

// A charge is what one file costs its guest.
type charge struct {
	bytes   int64
	entries int64 // 1 if the guest made it
	opens   int   // a file that is open keeps its bytes when its name is gone
	unnamed bool
}

// NewQuota is a quota with nothing used.
func NewQuota(l QuotaLimits) *Quota {
	return &Quota{limits: l, charges: map[fileID]*charge{}}
}

// Usage is what the guest has now.
func (q *Quota) Usage() Usage {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.usage
}

// LastError is the last refusal, a *LimitError or what the jail refused, nil if there was none: WASI tells the guest no
// more than a number.
func (q *Quota) LastError() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.last
}

// TakeLimit is the last limit that was hit since the last call, nil if none was: for the host, which says it where the guest can't.
func (q *Quota) TakeLimit() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	hit := q.hit
	q.hit = nil
	if hit == nil {
		return nil
	}
	return hit
}

func (q *Quota) setLast(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last = err
	if limit, ok := err.(*LimitError); ok {
		q.hit = limit
	}
}

// grow charges n more bytes to a file before they are written.
func (q *Quota) grow(id fileID, op, path string, n int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over(&q.usage.Bytes, n, q.limits.Bytes) {
		return &LimitError{Op: op, Path: path, Limit: "bytes on disk", Value: q.limits.Bytes, Setting: SettingBytes, errno: errnoFull}
	}
	q.usage.Bytes += n
	q.charge(id).bytes += n
	return nil
}

// shrink credits n bytes that a file lost, as far as they had been charged to it.
func (q *Quota) shrink(id fileID, n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c := q.charges[id]; c != nil {
		n = min(n, c.bytes)
		c.bytes -= n
		q.usage.Bytes -= n
	}
}

// reserve takes room for one more name before it is made. made or unreserve must follow.
func (q *Quota) reserve(op, path string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over(&q.usage.Files, 1, q.limits.Files) {
		return &LimitError{Op: op, Path: path, Limit: "files", Value: q.limits.Files, Setting: SettingFiles, errno: errnoFull}
	}
	q.usage.Files++
	return nil
}

func (q *Quota) unreserve() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.usage.Files--
}

// made says which file the reserved name is for.
func (q *Quota) made(id fileID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c := q.charges[id]; c != nil {
		q.release(id, c) // the number of a file that another program removed, used anew
	}
	q.charge(id).entries = 1
}

// removed says that the only name of a file is gone.
func (q *Quota) removed(id fileID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.charges[id]
	if c == nil {
		return
	}
	q.usage.Files -= c.entries
	c.entries = 0
	if c.unnamed = true; c.opens == 0 {
		q.release(id, c)
	}
}

// open takes one of the open files.
func (q *Quota) open(op, path string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.limits.OpenFiles > 0 && q.usage.OpenFiles >= q.limits.OpenFiles {
		return &LimitError{Op: op, Path: path, Limit: "open files", Value: q.limits.OpenFiles, Setting: SettingOpenFiles, errno: errnoTooManyOpen}
	}
	q.usage.OpenFiles++
	return nil
}

func (q *Quota) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.usage.OpenFiles--
}

// hold and drop follow which files are open, so that one without a name is charged as long as it takes room.
func (q *Quota) hold(id fileID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.charge(id).opens++
}

func (q *Quota) drop(id fileID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.charges[id]
	if c == nil {
		return
	}
	c.opens--
	if c.opens <= 0 && (c.unnamed || c.bytes == 0 && c.entries == 0) {
		q.release(id, c)
	}
}

// list charges n bytes of directory entries, a negative n takes them back.
func (q *Quota) list(path string, n int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n > 0 && q.listing+n > maxListing {
		return &LimitError{Op: "list", Path: path, Limit: "bytes of directory entries held by open directories", Value: maxListing, errno: errnoTooManyOpen}
	}
	q.listing += n
	return nil
}

func (q *Quota) charge(id fileID) *charge {
	c := q.charges[id]
	if c == nil {
		c = &charge{}
		q.charges[id] = c
	}
	return c
}

func (q *Quota) release(id fileID, c *charge) {
	q.usage.Bytes -= c.bytes
	q.usage.Files -= c.entries
	delete(q.charges, id)
}

// over tells whether n more would be too many, after a scan if that may help.
func (q *Quota) over(used *int64, n, limit int64) bool {
	if limit <= 0 || *used <= limit-n {
		return false
	}
	q.scan()
	return *used > limit-n
}
