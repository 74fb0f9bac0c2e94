package host

import (
	"encoding/json"
	"io"
	"os"
)

// maxState bounds a state that the host reads on a plugin's behalf, in bytes: the largest message that a client takes by
// default.
const maxState = 64 << 20

// State is the first of the plugin's keep_files that holds a whole JSON document, or nil: what an ApplyComplete carries
// that the host has to write because the plugin failed.
func (d *directory) State() []byte {
	root, err := os.OpenRoot(d.Session.Work)
	if err != nil {
		return nil
	}
	defer root.Close()
	for _, name := range d.keep {
		if state := wholeJSON(root, name); state != nil {
			return state
		}
	}
	return nil
}

// wholeJSON reads a regular file; a template may have put anything else in its place.
func wholeJSON(root *os.Root, name string) []byte {
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxState {
		return nil
	}
	file, err := root.Open(name)
	if err != nil {
		return nil
	}
	defer file.Close()
	if opened, err := file.Stat(); err != nil || !os.SameFile(info, opened) {
		return nil
	}
	content, err := io.ReadAll(io.LimitReader(file, maxState))
	if err != nil || !json.Valid(content) {
		return nil
	}
	return content
}
