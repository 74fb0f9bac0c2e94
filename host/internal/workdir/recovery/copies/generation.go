package copies

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/provisor/provisor/host/internal/garbage"
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

	dir      string
	sequence int
	sum      sum
}

// A copy's name says which generation it is and what is in it, so that a cut one is never taken for a state: SEQUENCE-SHA256-FILE.
const nameFormat = "%09d-%x-%s"

// A file's name in a copy's, and back.
var (
	escape   = strings.NewReplacer("%", "%25", "/", "%2F")
	unescape = strings.NewReplacer("%25", "%", "%2F", "/")
)

// tempPrefix begins the names of files that are being written.
const tempPrefix = ".new-"

// IsTemp says whether a file's name is that of one that was being written when its process died.
func IsTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }

// write puts a generation into the directory, where it appears at once. It is not yet safe from the machine's own death: see sync.
func (s *State) write(dir string, content []byte) error {
	s.sum = sha256.Sum256(content)
	s.place(dir)
	s.Bytes = int64(len(content))
	s.At = time.Now()
	return Replace(dir, s.name(), content, false)
}

// place says that the generation is, or is to be, in the directory.
func (s *State) place(dir string) {
	s.dir, s.Path = dir, join(dir, s.name())
}

func (s *State) name() string {
	return fmt.Sprintf(nameFormat, s.sequence, s.sum, escape.Replace(s.File))
}

func join(dir, name string) string { return dir + string(os.PathSeparator) + name }

// sync returns when the generation would survive the machine's death.
func (s *State) sync() error {
	f, err := os.OpenFile(s.Path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return SyncDir(s.dir)
}

// Read returns the state's content, which is what was copied.
func (s *State) Read() ([]byte, error) {
	garbage.Before(s.Bytes)
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

// List lists what its name says is a state in the directory, the newest first.
func List(dir string) ([]*State, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var states []*State
	for _, e := range entries {
		s, ok := parse(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		s.place(dir)
		if info, err := e.Info(); err == nil {
			s.Bytes, s.At = info.Size(), info.ModTime()
		}
		states = append(states, s)
	}
	slices.SortFunc(states, func(a, b *State) int { return b.sequence - a.sequence })
	return states, nil
}

// parse takes the name of a copy apart.
func parse(name string) (*State, bool) {
	number, rest, _ := strings.Cut(name, "-")
	sum, file, _ := strings.Cut(rest, "-")
	s := new(State)
	var err error
	if s.sequence, err = strconv.Atoi(number); err != nil || hex.DecodedLen(len(sum)) != len(s.sum) {
		return nil, false
	}
	if _, err := hex.Decode(s.sum[:], []byte(sum)); err != nil {
		return nil, false
	}
	s.File = unescape.Replace(file)
	return s, file != "" && s.name() == name
}

// Newest are the newest states of each file that are whole, the newest first.
func Newest(states []*State) []*State {
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

// Replace puts content (0600) into a file of the directory: whoever looks finds what was there before or all of it; durable is whether it has
// to survive the machine's death by the time that Replace returns.
func Replace(dir, name string, content []byte, durable bool) (err error) {
	f, err := os.CreateTemp(dir, tempPrefix)
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
	if err := os.Rename(f.Name(), join(dir, name)); err != nil || !durable {
		return err
	}
	return SyncDir(dir)
}

// SyncDir makes what has appeared in a directory survive the machine's death.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // it has no such thing
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
