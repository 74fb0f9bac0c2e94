package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
)

// auditFile is a file that each session leaves a line in. It can be opened anew while sessions write: that is how files are rotated.
type auditFile struct {
	mu   sync.Mutex
	file *os.File
}

// openAudit opens a file to append to.
func openAudit(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the audit file: %w", err)
	}
	return f, nil
}

// replace has lines go to the file from now on; nil = nowhere.
func (a *auditFile) replace(f *os.File) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.file
	a.file = f
	if old == nil {
		return nil
	}
	return old.Close()
}

// Write implements io.Writer.
func (a *auditFile) Write(line []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return 0, fs.ErrClosed
	}
	return a.file.Write(line)
}

// logger writes lines of JSON.
func (a *auditFile) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(a, nil)) }

// closeFile closes a file that may not be there.
func closeFile(f *os.File) error {
	if f == nil {
		return nil
	}
	if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}
