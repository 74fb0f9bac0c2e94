package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/report"
	"github.com/provisor/provisor/host/internal/scaffold"
)

// screen is what a person has seen so far.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

// all is what was printed, and not passed over by next.
func (s *screen) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// next waits for the text, and forgets what came up to it.
func (s *screen) next(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		s.mu.Lock()
		i := strings.Index(s.text.String(), want)
		if i >= 0 {
			s.text.Next(i + len(want))
		}
		s.mu.Unlock()
		if i >= 0 {
			return
		}
	}
	t.Fatalf("waited for %q in vain; there is\n%s", want, s.text.String())
}

// TestPluginDev changes a plugin and its template while they are developed.
func TestPluginDev(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("builds a plugin")
	}
	dir, err := scaffold.New(t.Context(), scaffold.Options{Name: "changing", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	seen := new(screen)
	d := &development{
		options:  host.Options{Plugin: dir, CacheDir: filepath.Join(cache, "provisor"), DataDir: t.TempDir(), Progress: seen},
		template: filepath.Join(dir, "example"), printer: report.NewPlain(seen),
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	seen.next(t, "3 to create")
	seen.next(t, "Waiting for changes")

	edit(t, filepath.Join(dir, "example", "resources.txt"), "volume data", "volume data\nvolume more")
	seen.next(t, "4 to create")
	seen.next(t, "Waiting for changes")

	edit(t, filepath.Join(dir, "main.go"), "to create", "to  make(")
	edit(t, filepath.Join(dir, "main.go"), "package main", "package main )")
	seen.next(t, "main.go:2")
	seen.next(t, "Waiting for changes")

	edit(t, filepath.Join(dir, "main.go"), "package main )", "package main")
	seen.next(t, "4 to  make(")
}

func edit(t *testing.T, name, old, replacement string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(old)) {
		t.Fatalf("%s has no %q", name, old)
	}
	if err := os.WriteFile(name, bytes.Replace(b, []byte(old), []byte(replacement), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}
