package host

import (
	"encoding/json"
	"io"
	"os"
	"time"
)

// maxState bounds a state that the host reads on a plugin's behalf, in bytes: the largest message that a client takes by
// default.
const maxState = 64 << 20

// State is the newest of the plugin's keep_files that holds a whole JSON document, or nil: what an ApplyComplete carries
// that the host has to write because the plugin failed. An engine that can't write its state file leaves a newer one beside it.
func (d *directory) State() []byte {
	root, err := os.OpenRoot(d.Session.Work)
	if err != nil {
		return nil
	}
	defer root.Close()
	var newest []byte
	var changed time.Time
	for _, name := range d.keep {
		if state, at := wholeJSON(root, name); state != nil && (newest == nil || at.After(changed)) {
			newest, changed = state, at
		}
	}
	return newest
}

// wholeJSON reads a regular file, and says when it was changed; a template may have put anything else in its place.
func wholeJSON(root *os.Root, name string) ([]byte, time.Time) {
	none := time.Time{}
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxState {
		return nil, none
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, none
	}
	defer file.Close()
	if opened, err := file.Stat(); err != nil || !os.SameFile(info, opened) {
		return nil, none
	}
	content, err := io.ReadAll(io.LimitReader(file, maxState))
	if err != nil || !json.Valid(content) {
		return nil, none
	}
	return content, info.ModTime()
}
