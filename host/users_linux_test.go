package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Programs of a tenant run as its own user, who works in its session's directories, and gets into no other tenant's, with or without the
// other layers.
func TestUsers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root has other users")
	}
	a, b := mustTenant(t, "team-a"), mustTenant(t, "team-b")
	engine := filepath.Join(reachable(t), "terraform")
	// What the plugin wrote is read, changed and removed; the streams can be opened once more; then it looks around.
	const script = `#!/bin/sh
case "$1" in version) echo Terraform v1.1.1; exit;; esac
echo "id $(id -u) $(id -g) $(id -G)"
cat echo.txt >copy && echo more >>echo.txt && mkdir d && mv copy d && rm d/copy && echo works >/dev/stdout
echo home >$HOME/x && echo tmp >$TMPDIR/x && cat $TF_CLI_CONFIG_FILE >/dev/null && echo has its places
{ chmod u+w $TF_CLI_CONFIG_FILE || echo >$TF_CLI_CONFIG_FILE || rm $TF_CLI_CONFIG_FILE; } 2>/dev/null && echo changes its configuration
for path in $2; do { ls $path || cat $path || stat $path/. || touch $path/new; } >/dev/null 2>&1 && echo "gets to $path"; done
exit 0
`
	if err := os.WriteFile(engine, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	var others []host.JailLayer
	for _, l := range host.JailLayers() {
		if l != "uid" {
			others = append(others, l)
		}
	}
	data := reachable(t)
	// As services have it.
	defer syscall.Umask(syscall.Umask(0o077))
	for name, disable := range map[string][]host.JailLayer{"all layers": nil, "this one alone": others} {
		t.Run(name, func(t *testing.T) {
			r, err := host.New(t.Context(), host.Options{
				Plugin: filepath.FromSlash("../plugins/echo"), CacheDir: chmod(t, coldCache(t)), DataDir: data, Engine: engine,
				Jail: host.JailOptions{Disable: disable, Require: []host.JailLayer{"uid"}, Users: host.UserRange{First: 212000, Last: 212009}},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			open, err := configured(t.Context(), r) // the session of another tenant, which stays
			if err != nil {
				t.Fatal(err)
			}
			defer open.Close()
			init := &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: daemontest.EchoTemplate("on plan\nrun terraform show x\n")}}}
			for _, request := range []*pb.Request{init, {Type: &pb.Request_Plan{Plan: &pb.PlanRequest{}}}} {
				if response, err := open.Do(t.Context(), request, nil); err != nil || client.ErrorOf(response) != "" {
					t.Fatal(response, err)
				}
			}
			works, err := filepath.Glob(filepath.Join(host.SessionsDir(data), "default", "*", "work"))
			if err != nil || len(works) != 1 {
				t.Fatal(works, err)
			}
			session := filepath.Dir(works[0])
			var ids []string
			for _, tn := range []host.Tenant{a, b, a} {
				got := ""
				for _, path := range []string{session, works[0], works[0] + "/echo.txt", session + "/home", session + "/run", filepath.Dir(session), host.RecoveryDir(data)} {
					logged, err := visit(t.Context(), r, tn, daemontest.EchoTemplate("on plan\nrun terraform show "+path+"\n"))
					if err != nil {
						t.Fatal(err, logged)
					}
					got = logged
					if !strings.Contains(logged, "works") || !strings.Contains(logged, "has its places") {
						t.Errorf("tenant %s can't work: %s", tn, logged)
					}
					if strings.Contains(logged, "gets to") || strings.Contains(logged, "changes its configuration") {
						t.Errorf("tenant %s: %s", tn, logged)
					}
				}
				_, id, _ := strings.Cut(got, "id ")
				id, _, _ = strings.Cut(id, "\n")
				ids = append(ids, id)
			}
			// The tenant "default" was the first.
			if want := fmt.Sprint([]string{"212001 212001 212001", "212002 212002 212002", "212001 212001 212001"}); fmt.Sprint(ids) != want {
				t.Errorf("users are %v, want %s", ids, want)
			}
		})
	}
	if left, err := filepath.Glob(filepath.Join(host.SessionsDir(data), "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
	checkNoWay(t, engine)
}

// checkNoWay has users without a root of their own, and a directory that lets nobody through.
func checkNoWay(t *testing.T, engine string) {
	data := reachable(t)
	if err := os.Chmod(data, 0o700); err != nil {
		t.Fatal(err)
	}
	cache := chmod(t, coldCache(t))
	if err := os.Mkdir(filepath.Join(cache, "tenants"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := host.New(t.Context(), host.Options{
		Plugin: filepath.FromSlash("../plugins/echo"), CacheDir: cache, DataDir: data, Engine: engine,
		Jail: host.JailOptions{Disable: []host.JailLayer{"root"}, Users: host.UserRange{First: 212000, Last: 212009}},
	})
	if err == nil || !strings.Contains(err.Error(), data+" has mode -rwx------: chmod o+x it") {
		t.Errorf("got %v", err)
	}
}

// A real engine, with providers from a mirror and from a registry, works as a user as it does as root.
func TestUserOfARealEngine(t *testing.T) {
	if testing.Short() || os.Getuid() != 0 {
		t.Skip("real engines take longer, and only root has other users")
	}
	for _, path := range engines(t) { // one is enough
		testProviderCache(t, path, fixtureProvider(t), host.JailOptions{Require: []host.JailLayer{"uid"}, Users: host.UserRange{First: 212000, Last: 212009}})
		return
	}
}

// reachable is a new directory that everybody gets to.
func reachable(t *testing.T) string {
	t.Helper()
	return chmod(t, t.TempDir())
}

// chmod lets everybody get to a directory of the test's.
func chmod(t *testing.T, dir string) string {
	t.Helper()
	for _, path := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(path, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
