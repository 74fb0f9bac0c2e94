package recovery

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// State is a complete state that was copied aside.
type State struct {
	// File is the state's name in the work directory.
	File string
	// Path is where the copy is.
	Path  string
	Bytes int64
	// At is when it was copied: soon after the engine wrote it.
	At time.Time

	sequence int
	sum      sum
}

// A copy's name says which generation it is and what is in it, so that a cut one is never taken for a state: SEQUENCE-SHA256-FILE.
var generationName = regexp.MustCompile(`^([0-9]{9})-([0-9a-f]{64})-(.{1,170})$`)

const generationFormat = "%09d-%x-%s"

// tempPrefix begins the names of files that are being written.
const tempPrefix = ".new-"

func isTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }

// write puts a generation into the directory, where it appears at once. It is not yet safe from the machine's own death: see sync.
func (s *State) write(dir string, content []byte) error {
	s.sum = sha256.Sum256(content)
	s.Path = s.path(dir)
	s.Bytes = int64(len(content))
	s.At = time.Now()
	return replace(s.Path, content, false)
}

func (s *State) path(dir string) string {
	return filepath.Join(dir, fmt.Sprintf(generationFormat, s.sequence, s.sum, url.PathEscape(s.File)))
}

// sync returns when the generation would survive the machine's death.
func (s *State) sync() error {
	f, err := os.OpenFile(s.Path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.Path))
}

// Read returns the state's content, which is what was copied.
func (s *State) Read() ([]byte, error) {
	content, err := os.ReadFile(s.Path)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(content) != s.sum {
		return nil, s.damaged()
	}
	return content, nil
}

// check says whether the content is what was copied.
func (s *State) check() error {
	f, err := os.Open(s.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if sum(h.Sum(nil)) != s.sum {
		return s.damaged()
	}
	return nil
}

func (s *State) damaged() error {
	return fmt.Errorf("%s: its checksum is wrong: it was cut short, or changed by somebody else", s.Path)
}

// generations lists what its name says is a state in the directory, the newest first.
func generations(dir string) ([]*State, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var states []*State
	for _, e := range entries {
		s, ok := parseGeneration(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		s.Path = filepath.Join(dir, e.Name())
		if info, err := e.Info(); err == nil {
			s.Bytes, s.At = info.Size(), info.ModTime()
		}
		states = append(states, s)
	}
	slices.SortFunc(states, func(a, b *State) int { return b.sequence - a.sequence })
	return states, nil
}

// parseGeneration takes the name of a copy apart.
func parseGeneration(name string) (*State, bool) {
	match := generationName.FindStringSubmatch(name)
	if match == nil {
		return nil, false
	}
	s := new(State)
	var err error
	if s.sequence, err = strconv.Atoi(match[1]); err != nil {
		return nil, false
	}
	if _, err := hex.Decode(s.sum[:], []byte(match[2])); err != nil {
		return nil, false
	}
	s.File, err = url.PathUnescape(match[3])
	return s, err == nil && url.PathEscape(s.File) == match[3]
}

// newest are the newest states of each file that are whole, the newest first.
func newest(states []*State) []*State {
	var whole []*State
	for _, s := range states {
		if slices.ContainsFunc(whole, func(w *State) bool { return w.File == s.File }) {
			continue
		}
		if s.check() == nil {
			whole = append(whole, s)
		}
	}
	return whole
}

// replace puts content (0600) at path: whoever looks finds what was there before or all of it; durable is whether it has to survive the
// machine's death by the time that replace returns.
func replace(path string, content []byte, durable bool) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), tempPrefix)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil || !durable {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes what has appeared in a directory survive the machine's death.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // it has no such thing
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
