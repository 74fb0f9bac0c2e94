package copies

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Move is the last resort for states that could not be copied: the file itself goes where its copy would be, which takes no space.
func (c *Copier) Move() {
	for _, name := range c.o.Files {
		if f := c.files[name]; f.unsaved != nil {
			f.unsaved = c.move(name, f.unsaved)
		}
	}
}

// move returns why a file was not moved.
func (c *Copier) move(name string, unsaved error) error {
	if strings.Contains(name, "/") {
		return unsaved // a template may have made its directory a link
	}
	info, err := c.o.Root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !info.Mode().IsRegular():
		return nil // somebody has taken it away meanwhile
	case err != nil:
		return errors.Join(unsaved, err)
	}
	content, err := c.checksum(name)
	if err != nil {
		return errors.Join(unsaved, err)
	}
	c.sequence++
	s := &State{File: name, Bytes: info.Size(), At: time.Now(), sequence: c.sequence, sum: content}
	s.place(c.o.Dir)
	if err := os.Rename(join(c.o.Work, name), s.Path); err != nil {
		return errors.Join(unsaved, err)
	}
	c.add(s)
	c.o.Report("a state could not be copied aside and was moved there", unsaved)
	return nil
}

func (c *Copier) checksum(name string) (s sum, err error) {
	f, err := c.o.Root.Open(name)
	if err != nil {
		return s, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	h.Sum(s[:0])
	return s, err
}
