package status

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/daemontest"
)

func TestStatus(t *testing.T) {
	s, err := admin.Listen(filepath.Join(daemontest.SocketDir(t), "s"), nil)
	if err != nil {
		t.Fatal(err)
	}
	Handle(s, "v1.2.3", []host.JailStatus{{Layer: "root", State: "enforced", How: "a mount namespace"}, {Layer: "ipc", State: "missing", How: "none", Fix: "be root"}})
	daemontest.Serve(t, s.Serve)
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
