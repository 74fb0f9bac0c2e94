package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Each engine is in a jail as the configuration says: that of all, with what it says of this one. A changed file changes that for new
// sessions, but for the layers around all.
func TestJailOfEngines(t *testing.T) {
	dir := t.TempDir()
	secret, engine := filepath.Join(dir, "secret"), filepath.Join(dir, "terraform")
	const script = `#!/bin/sh
case "$1" in
version) echo Terraform v1.1.1 ;;
file) cat %s 2>/dev/null || echo hidden ;;
net) readlink /proc/self/ns/net ;;
esac
`
	for path, content := range map[string]string{secret: "seen\n", engine: fmt.Sprintf(script, secret)} {
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	source := func(all, wide string) string {
		tenant := func(name, hash, engine string) string {
			return fmt.Sprintf("tenant %q {\n  token_sha256 = [%q]\n  engine = %q\n}\n", name, hash, engine)
		}
		return fmt.Sprintf("listen \"SOCKET\" {}\njail {\n%s\n}\nengine \"narrow\" {\n  path = %q\n}\nengine \"wide\" {\n  path = %q\n  jail {\n%s\n  }\n}\n", all, engine, engine, wide) +
			tenant("team-a", aHash, "narrow") + tenant("team-b", bHash, "wide")
	}
	all, wide := `require = ["process-tree"]`, fmt.Sprintf("expose = [%q]\noffline = [\"plan\"]\ndisable = [\"ipc\"]", secret)
	r := start(t, source(all, wide))
	for _, s := range r.Runtime().Jail() {
		if (s.Layer == "root" || s.Layer == "landlock" || s.Layer == "network") && (s.State != "enforced" || strings.Contains(s.How, "filter")) {
			t.Skipf("%s is %s here: %s", s.Layer, s.State, s.How)
		}
	}
	// says is what the tenant's engine says to a command.
	says := func(token, command string) string {
		t.Helper()
		c, err := client.Dial(r.Addresses()[0], client.Options{Token: token})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := c.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Configure(&pb.Config{}); err != nil {
			t.Fatal(err)
		}
		said := ""
		for _, request := range []*pb.Request{
			{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: daemontest.EchoTemplate("on plan\n  run terraform " + command + "\n")}}},
			{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}},
		} {
			answer, err := s.Do(t.Context(), request, func(l *pb.Log) { said += l.Output })
			if err != nil || client.ErrorOf(answer) != "" {
				t.Fatal(err, client.ErrorOf(answer))
			}
		}
		return said
	}
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if got := says("alpha", "file"); got != "hidden" {
		t.Errorf("to the engine that nothing is exposed to, the file is %q", got)
	}
	if got := says("alpha", "net"); got != here {
		t.Errorf("the engine that may have the network is in %s, which is not %s", got, here)
	}
	if got := says("beta", "file"); got != "seen" {
		t.Errorf("to the engine that it is exposed to, the file is %q", got)
	}
	if got := says("beta", "net"); got == here || !strings.HasPrefix(got, "net:") {
		t.Errorf("the engine that is to be offline is in %s", got)
	}
	for _, s := range r.Runtime().Jail() {
		if s.Layer == "ipc" && s.State == "disabled" {
			t.Error("what one engine has disabled is disabled for all")
		}
	}

	r.write(t, source(all, ""))
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := says("beta", "file"); got != "hidden" {
		t.Errorf("once it is exposed no more, the file is %q", got)
	}
	for changed, want := range map[string]string{
		source("disable = [\"ipc\"]", wide):              "require in jail can't change while the daemon runs",
		source(all, "require = [\"ipc\", \"lock\"]"):     `there is no layer "lock"`,
		source(all, wide) + "admin_socket = \"other\"\n": "admin_socket can't change while the daemon runs",
	} {
		r.write(t, changed)
		if err := r.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if got := says("beta", "file"); got != "hidden" {
		t.Errorf("after a file that was refused, the file is %q", got)
	}
}
