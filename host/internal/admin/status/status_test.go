package status

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/admin"
)

func TestStatus(t *testing.T) {
	dir, err := os.MkdirTemp("", "sts") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := admin.Listen(filepath.Join(dir, "s"), nil)
	if err != nil {
		t.Fatal(err)
	}
	Handle(s, "v1.2.3", []host.JailStatus{{Layer: "root", State: "enforced", How: "a mount namespace"}, {Layer: "ipc", State: "missing", How: "none", Fix: "be root"}})
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	defer func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	client, err := admin.Dial(s.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	got, err := Get(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	if age := time.Since(got.Started); age < 0 || age > time.Minute {
		t.Errorf("it began %v ago", age)
	}
	got.Started = time.Time{}
	want := Status{Version: "v1.2.3", PID: os.Getpid(), UID: os.Getuid(), Jail: []Layer{
		{Layer: "root", State: "enforced", How: "a mount namespace"}, {Layer: "ipc", State: "missing", How: "none", Fix: "be root"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
