package recovery

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"
)

// ballastName is a file of no use but its size: it is removed when the disk is full, so that states can still be written.
const ballastName = ".ballast"

// The names of the settings, for messages that say which one to change.
const (
	settingMinFree = "min_free"
	settingBallast = "ballast"
	settingMaxKept = "max_kept"
)

// roomError is why an apply may not begin.
type roomError struct{ text, setting string }

func (e *roomError) Error() string { return e.text }

// LimitSetting is the name of the setting that the limit comes from.
func (e *roomError) LimitSetting() string { return e.setting }

// checkRoom says whether there is room enough for an apply of the tenant whose work directory is work.
func (s *Store) checkRoom(tenant, work string) error {
	if kept := s.kept(tenant); s.o.MaxKept > 0 && kept > s.o.MaxKept {
		return &roomError{setting: settingMaxKept, text: fmt.Sprintf("refused, as no more states of tenant %s would be kept: there are %s of applies that were not delivered, and the limit is %s (setting %s). "+
			"Export or discard them with provisor recover", tenant, humanize.IBytes(uint64(kept)), humanize.IBytes(uint64(s.o.MaxKept)), settingMaxKept)}
	}
	s.ensureBallast()
	for _, dir := range []string{work, s.o.Dir} {
		free, err := FreeBytes(dir)
		if err != nil {
			s.o.Log.Warn("can't tell how much space is free: the apply goes on", "directory", dir, "error", err)
			continue
		}
		if free < s.o.MinFree {
			return &roomError{setting: settingMinFree, text: fmt.Sprintf("refused, as its state might not find room: %s are free in %s, and an apply begins only with %s (setting %s)",
				humanize.IBytes(uint64(free)), dir, humanize.IBytes(uint64(s.o.MinFree)), settingMinFree)}
		}
	}
	return nil
}

// Room is how many bytes are free where states are kept, and how many must be for an apply to begin.
func (s *Store) Room() (free, floor int64, err error) {
	free, err = FreeBytes(s.o.Dir)
	return free, s.o.MinFree, err
}

// Kept is how many records are not in use.
func (s *Store) Kept() int {
	dirs, err := s.dirs("")
	if err != nil {
		return 0
	}
	n := 0
	for _, dir := range dirs {
		// One that goes just now, or is damaged, is not in use either.
		if r, err := readRecord(dir); (err != nil || !r.KeptAt.IsZero()) && !isGone(dir) {
			n++
		}
	}
	return n
}

// kept is how many bytes the tenant's records have.
func (s *Store) kept(tenant string) int64 {
	files, err := filepath.Glob(filepath.Join(s.path(tenant), "*", "*"))
	if err != nil {
		return 0
	}
	var bytes int64
	for _, name := range files {
		if info, err := os.Lstat(name); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}

// ensureBallast makes the ballast where it is missing and there is room for it beside what an apply needs.
func (s *Store) ensureBallast() {
	if s.o.Ballast == 0 {
		return
	}
	s.space.Lock()
	defer s.space.Unlock()
	var has int64
	if info, err := os.Lstat(s.path(ballastName)); err == nil {
		has = info.Size()
	} else if !errors.Is(err, fs.ErrNotExist) {
		s.o.Log.Warn("can't look at the ballast", "error", err)
		return
	}
	missing := s.o.Ballast - has
	free, err := FreeBytes(s.o.Dir)
	if missing <= 0 || err != nil || free < missing+s.o.MinFree {
		return
	}
	if err := s.addBallast(missing); err != nil {
		s.o.Log.Warn("can't make the ballast that would let states be written on a full disk", "setting", settingBallast, "error", err)
		s.dropBallast()
	}
}

// addBallast writes what no file system can compress.
func (s *Store) addBallast(bytes int64) error {
	f, err := os.OpenFile(s.path(ballastName), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	_, err = io.CopyN(w, rand.Reader, bytes)
	return errors.Join(err, w.Flush(), f.Close())
}

// release gives the ballast up, if there is any: the disk is full.
func (s *Store) release(why string) {
	s.space.Lock()
	defer s.space.Unlock()
	if s.dropBallast() {
		s.o.Log.Warn("the disk is full: the ballast is given up so that states can still be written. Make room soon", "directory", s.o.Dir, "why", why)
	}
}

func (s *Store) dropBallast() bool { return os.Remove(s.path(ballastName)) == nil }

// watchRoom gives the ballast up when there is next to nothing left, before an engine finds that out.
func (s *Store) watchRoom() {
	if s.o.Ballast == 0 {
		return
	}
	if free, err := FreeBytes(s.o.Dir); err == nil && free < s.o.Ballast/4 {
		s.release(humanize.IBytes(uint64(free)) + " were free")
	}
}
