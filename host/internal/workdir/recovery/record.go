package recovery

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/provisor/provisor/host/internal/tenant"
)

// Record says whose states are kept, and why. There are no secrets in it.
type Record struct {
	Tenant string `json:"tenant"`
	// Session is the session's name in the daemon's log, Directory that of its directories.
	Session   string    `json:"session"`
	Directory string    `json:"directory"`
	Plugin    Plugin    `json:"plugin"`
	Engine    string    `json:"engine,omitempty"`
	Template  Template  `json:"template"`
	Workspace Workspace `json:"workspace"`
	// Files are the names of the states, relative to the work directory, with slashes.
	Files []string `json:"files"`
	// Started is when the apply began.
	Started time.Time `json:"started"`
	// KeptAt is when it was settled that the states are to be kept, and Why says the reason. Before that they are in use.
	KeptAt time.Time `json:"kept_at,omitzero"`
	Why    string    `json:"why,omitempty"`
	// Unsaved says that something newer could not be copied, and where it is.
	Unsaved string `json:"unsaved,omitempty"`
}

// Plugin is the plugin whose apply it was.
type Plugin struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"`
}

// Template is what was applied, as the client names it.
type Template struct {
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
}

// Workspace is what the template was applied for, as the client names it.
type Workspace struct {
	ID         string `json:"id,omitempty"`
	Name       string `json:"name,omitempty"`
	Owner      string `json:"owner,omitempty"`
	Build      string `json:"build,omitempty"`
	Transition string `json:"transition,omitempty"`
}

const (
	recordName = "record"
	// recordHeader is the first line: the format, and the checksum of the rest.
	recordHeader = "provisor-recovery-1 %x\n"
	// maxRecord bounds a record that is read, in bytes.
	maxRecord = 1 << 20
	// maxName bounds what a client says of itself, in bytes.
	maxName = 256
)

// encode is the record as it is on the disk.
func (r *Record) encode() ([]byte, error) {
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the record: %w", err)
	}
	return append(fmt.Appendf(nil, recordHeader, sha256.Sum256(body)), body...), nil
}

// decode reads a record. What it returns is what encode was given.
func decode(b []byte) (*Record, error) {
	header, body, _ := bytes.Cut(b, []byte("\n"))
	if want := fmt.Sprintf(recordHeader, sha256.Sum256(body)); string(header)+"\n" != want {
		return nil, errors.New("its checksum is wrong: it was cut short, or changed by somebody else")
	}
	r := new(Record)
	if err := json.Unmarshal(body, r); err != nil {
		return nil, err
	}
	return r, r.check()
}

// check says what is wrong with a record: nobody may be led to files elsewhere by one.
func (r *Record) check() error {
	if _, err := tenant.Parse(r.Tenant); err != nil {
		return err
	}
	if r.Directory == "" || r.Directory != filepath.Base(r.Directory) || !filepath.IsLocal(r.Directory) {
		return fmt.Errorf("session directory %q: want a name", r.Directory)
	}
	for _, name := range r.Files {
		if local, err := filepath.Localize(name); err != nil || local == "." {
			return fmt.Errorf("file %q: want a path in the work directory", name)
		}
	}
	return nil
}

// clean makes what a client says of itself fit for a terminal and a table.
func (r *Record) clean() {
	for _, s := range []*string{
		&r.Engine, &r.Template.ID, &r.Template.Name, &r.Template.Version,
		&r.Workspace.ID, &r.Workspace.Name, &r.Workspace.Owner, &r.Workspace.Build, &r.Workspace.Transition,
	} {
		*s = Printable(*s)
	}
}

// Printable is a name from outside without what would move a cursor, and not longer than a name is.
func Printable(s string) string {
	s = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '\uFFFD'
		}
		return c
	}, s)
	if len(s) > maxName {
		s = strings.ToValidUTF8(s[:maxName], "") + "…"
	}
	return s
}
