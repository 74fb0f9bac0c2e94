package sandbox

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// goGuest builds testdata/guest.
func goGuest(t testing.TB) []byte {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and compiles a Go plugin")
	}
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-o", out, "./testdata/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

func TestGoGuest(t *testing.T) {
	var log bytes.Buffer
	r := newRuntime(t, Options{Limits: Limits{MemoryBytes: 64 << 20}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	m, err := r.Compile(t.Context(), snapshotOf(goGuest(t)))
	if err != nil {
		t.Fatal(err)
	}
	work, tmp := newDirFS(t), newDirFS(t)
	if err := os.WriteFile(filepath.Join(work.(dirFS).root, "main.tf"), []byte("# hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	do := func(t *testing.T, ctx context.Context, request string) (string, error) {
		t.Helper()
		i, err := m.Instantiate(t.Context(), InstanceConfig{Name: "guest", Work: work, Tmp: tmp, Host: &fakeHost{}})
		if err != nil {
			t.Fatal(err)
		}
		defer i.Close(context.Background())
		response, err := i.Handle(ctx, []byte(request))
		return string(response), err
	}

	for request, want := range map[string]string{
		"surroundings": `args [] env [] stdin "" <nil> dir "/work" root true preopens true true false year 2025`,
		"files":        "# hello, outside: true",
	} {
		t.Run(request, func(t *testing.T) {
			if got, err := do(t, t.Context(), request); err != nil || got != want {
				t.Errorf("got  %v, %v\nwant %v", got, err, want)
			}
		})
	}
	if !strings.Contains(log.String(), `line="to standard output"`) || !strings.Contains(log.String(), `line="to standard error"`) {
		t.Errorf("the log has %s", &log)
	}
	if b, err := os.ReadFile(filepath.Join(tmp.(dirFS).root, "copy")); err != nil || string(b) != "# hello" {
		t.Errorf("written was %q, %v", b, err)
	}

	for request, want := range map[string]struct {
		kind Kind
		text string
	}{
		"sleep":    {Deadline, "interrupted: the request's deadline passed"},
		"spin":     {Deadline, "interrupted: the request's deadline passed"},
		"exit":     {Exit, "exited with code 7"},
		"panic":    {Trap, "trapped: unreachable"},
		"deadlock": {Trap, "trapped: unreachable"},
		"allocate": {Memory, "the limit is 64 MiB (setting memory_bytes); it then trapped: unreachable"},
	} {
		t.Run(request, func(t *testing.T) {
			limit := time.Minute
			if want.kind == Deadline {
				limit = 100 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			got, err := do(t, ctx, request)
			var f *Failure
			if !errors.As(err, &f) || f.Kind != want.kind || !strings.Contains(f.Text, want.text) {
				t.Errorf("got %q, %v, want %v", got, err, want)
			}
		})
	}

	first, err := do(t, t.Context(), "random")
	if err != nil {
		t.Fatal(err)
	}
	if second, err := do(t, t.Context(), "random"); err != nil || first == second {
		t.Errorf("two instances drew %x and %x, %v", first, second, err)
	}
}
