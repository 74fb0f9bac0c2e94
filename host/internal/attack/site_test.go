package attack

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/admin/plugins"
	"github.com/provisor/provisor/host/internal/config"
	hostdaemon "github.com/provisor/provisor/host/internal/daemon"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/engine/registrytest"
	"github.com/provisor/provisor/host/internal/plugin"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// nobody is the user without rights, as whom a daemon runs beside root's.
const nobody = 65534

// kindOfSite is whom a daemon runs as, and on what kind of machine.
type kindOfSite struct {
	name         string
	uid          int
	noNamespaces bool
	// uids are the ids of users for tenants; empty = their engines run as the daemon's user.
	uids string
}

// brief says that only those attacks are made that all kinds of sites must withstand.
func (k kindOfSite) brief() bool { return k.noNamespaces || k.uids != "" }

// kindsOfSite are those that this user can have.
func kindsOfSite() []kindOfSite {
	if uid := os.Getuid(); uid != 0 {
		return []kindOfSite{{name: "unprivileged", uid: uid}, {name: "unprivileged, without namespaces", uid: uid, noNamespaces: true}}
	}
	return []kindOfSite{
		{name: "root"}, {name: "unprivileged", uid: nobody}, {name: "root, without namespaces", noNamespaces: true},
		{name: "unprivileged, without namespaces", uid: nobody, noNamespaces: true}, {name: "root, with users for tenants", uids: "1234500-1234599"},
	}
}

// site is a daemon in a process of its own, with the terraform plugin, Terraform, and two tenants: the templates of one are hostile.
type site struct {
	kindOfSite
	// dir holds all that there is. It may be entered by anybody, so that nothing but the jail keeps others out.
	dir string
	// home, data, cache, mirror and outside belong to the daemon's user. outside is nobody's business.
	home, data, cache, mirror, outside string
	config, audit, socket, admin       string
	// canary is a text that is in all that is secret, and in no secret's name.
	canary   string
	registry *registrytest.Registry
	command  *exec.Cmd
	ended    chan error
	// attacker and victim are the two tenants' clients.
	attacker, victim *client.Client
	// enforced are the layers of the jail.
	enforced []string
	// paths are what the attacker knows of the site, as variables of a shell.
	paths map[string]string
	// said is what the attacks of the common session said, by name.
	said map[string][]string
}

// processesOfAttackers is how many processes and threads an engine of the attacker's may have, with all that it starts.
const processesOfAttackers = 400

const (
	attackerTenant, victimTenant = "attacker", "victim"
	attackerToken, victimToken   = "attackers-token", "victims-token"
)

// workshop has what all sites are made of.
type workshop struct {
	dir              string // readable by all
	daemon, plugin   string // the daemon's program and the terraform plugin
	engine, fixture  string // Terraform, and the directory of a provider
	compiled         string // what the plugin was compiled to
	providerRegistry *registrytest.Registry
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	w := &workshop{dir: publicDir(t)}
	var err error
	if w.engine, err = exec.LookPath("terraform"); err != nil {
		t.Skip("terraform is not on the PATH")
	}
	cache, err := host.DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	built, err := plugin.BuildCached(t.Context(), filepath.FromSlash("../../../plugins/terraform"), plugin.BuildOptions{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	w.plugin = filepath.Join(w.dir, "terraform.wasm")
	copyFile(t, built, w.plugin)
	w.daemon = filepath.Join(w.dir, "daemon")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, self, w.daemon)
	// Built into the cache, where the linker's work is found again.
	w.fixture = filepath.Join(w.dir, "fixture")
	binary := filepath.Join(cache, "attack", fixtureBinary)
	if out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", binary, "../../../plugins/terraform/internal/fixtureprovider").CombinedOutput(); err != nil {
		t.Fatalf("build a provider: %v\n%s", err, out)
	}
	makeDir(t, w.fixture, 0o755)
	copyFile(t, binary, filepath.Join(w.fixture, fixtureBinary))
	w.providerRegistry = registrytest.New(t, "acme/fixture", map[string]string{"1.0.0": w.fixture})
	w.compile(t, cache)
	return w
}

const fixtureBinary = "terraform-provider-fixture_v1.0.0"

// compile has the plugin compiled in the user's cache, and makes a cache of its own of that: those of users who are not root can't be links.
func (w *workshop) compile(t *testing.T, cache string) {
	t.Helper()
	began := time.Now().Add(-time.Second)
	r, err := host.New(t.Context(), host.Options{Plugin: w.plugin, Engine: w.engine, CacheDir: cache, DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(cache, "compiled")
	w.compiled = filepath.Join(w.dir, "compiled")
	entries, err := filepath.Glob(filepath.Join(from, "modules", "*", "code"))
	if err != nil {
		t.Fatal(err)
	}
	// Of the few that were used just now, one is the plugin's.
	for _, entry := range entries {
		dir := filepath.Dir(entry)
		if info, err := os.Stat(dir); err != nil || info.ModTime().Before(began) {
			continue
		}
		var code struct{ File string }
		b, err := os.ReadFile(entry)
		if err := errors.Join(err, json.Unmarshal(b, &code)); err != nil {
			t.Fatal(err)
		}
		makeDir(t, filepath.Dir(filepath.Join(w.compiled, code.File)), 0o755)
		copyFile(t, filepath.Join(from, code.File), filepath.Join(w.compiled, code.File))
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if filepath.Ext(file) != ".tmp" { // somebody is writing another plugin's just now
				makeDir(t, filepath.Join(w.compiled, "modules", filepath.Base(dir)), 0o755)
				copyFile(t, file, filepath.Join(w.compiled, "modules", filepath.Base(dir), filepath.Base(file)))
			}
		}
	}
}

// newSite starts a daemon and has each tenant use it once.
func newSite(t *testing.T, w *workshop, k kindOfSite) *site {
	t.Helper()
	secret := make([]byte, 8)
	_, _ = rand.Read(secret)
	s := &site{kindOfSite: k, dir: publicDir(t), canary: "canary-" + hex.EncodeToString(secret), registry: w.providerRegistry, said: make(map[string][]string)}
	t.Cleanup(func() { makeRemovable(s.dir) })
	for name, dir := range map[string]*string{"home": &s.home, "data": &s.data, "cache": &s.cache, "mirror": &s.mirror, "outside": &s.outside, "run": &s.socket} {
		*dir = filepath.Join(s.dir, name)
		makeDir(t, *dir, 0o755)
	}
	s.admin, s.socket = filepath.Join(s.socket, "admin"), filepath.Join(s.socket, "s")
	s.config, s.audit = filepath.Join(s.dir, "provisor.hcl"), filepath.Join(s.home, "audit")
	if err := os.CopyFS(filepath.Join(s.cache, "compiled"), os.DirFS(w.compiled)); err != nil {
		t.Fatal(err)
	}
	s.plant(t, w)
	s.own(t)
	s.start(t, w)
	s.dial(t)
	s.use(t)
	return s
}

// plant puts what is secret into its places.
func (s *site) plant(t *testing.T, w *workshop) {
	t.Helper()
	for name, content := range map[string]string{
		filepath.Join(s.home, ".aws", "credentials"):                "[default]\naws_secret_access_key = " + s.canary,
		filepath.Join(s.home, ".ssh", "id_ed25519"):                 s.canary,
		filepath.Join(s.outside, "secret"):                          s.canary,
		filepath.Join(s.outside, "secret.json"):                     `{"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "` + s.canary + `", "outputs": {}, "resources": []}`,
		filepath.Join(s.outside, "module", "main.tf"):               `output "secret" { value = "` + s.canary + `" }`,
		filepath.Join(s.outside, "module", "secret.txt"):            s.canary,
		filepath.Join(s.mirror, "ca.pem"):                           string(w.providerRegistry.CA),
		filepath.Join(s.mirror, filepath.FromSlash(mirrored), "ok"): "",
		s.config: fmt.Sprintf(`
# %[1]s
data_dir  = %[2]q
cache_dir = %[3]q
concurrency   = 8
drain_timeout = "10s"
min_free      = "1MiB"
ballast       = "1MiB"
listen "unix:%[4]s" {}
%[14]s
engine "terraform" {
  path   = %[5]q
  mirror = %[6]q
  env    = { SSL_CERT_FILE = %[7]q }
}
tenant %[8]q {
  token_sha256 = [%[9]q]
  limits {
    log_bytes    = "1MiB"
    output_bytes = "4MiB"
    disk_bytes   = "256MiB"
    exit_timeout = "5s"
    program_memory_bytes = "512MiB"
    program_processes    = %[13]d
  }
}
tenant %[10]q {
  token_sha256 = [%[11]q]
  env          = { TF_VAR_of_the_victim = %[1]q }
}
audit {
  file = %[12]q
}
`, s.canary, s.data, s.cache, s.socket, w.engine, s.mirror, filepath.Join(s.mirror, "ca.pem"),
			attackerTenant, hashOf(attackerToken), victimTenant, hashOf(victimToken), s.audit, processesOfAttackers, s.jail()),
	} {
		makeDir(t, filepath.Dir(name), 0o755)
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	provider := filepath.Join(s.mirror, filepath.FromSlash(mirrored), "1.0.0", runtime.GOOS+"_"+runtime.GOARCH)
	makeDir(t, provider, 0o755)
	copyFile(t, filepath.Join(w.fixture, fixtureBinary), filepath.Join(provider, fixtureBinary))
}

// jail is the part of the configuration about that.
func (s *site) jail() string {
	if s.uids == "" {
		return ""
	}
	return fmt.Sprintf("jail {\n  uids = %q\n}", s.uids)
}

// mirrored is the provider in the mirror.
const mirrored = "registry.example.com/acme/fixture"

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// own gives all to the daemon's user.
func (s *site) own(t *testing.T) {
	t.Helper()
	if os.Getuid() == s.uid {
		return
	}
	err := filepath.WalkDir(s.dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = os.Lchown(path, s.uid, s.uid)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// daemonVariable makes the test's program a daemon: it has what the daemon's command line would say.
const daemonVariable = "ATTACK_DAEMON"

type daemonArguments struct {
	Config, Plugin, Data, Admin string
	NoNamespaces                bool
}

// beDaemon is what `provisor serve --config` does, with a plugin and a jail of the test's choice.
func beDaemon(arguments string) error {
	var a daemonArguments
	if err := json.Unmarshal([]byte(arguments), &a); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c, err := config.Load(a.Config)
	if err != nil {
		return err
	}
	d, err := hostdaemon.Open(ctx, c, hostdaemon.Options{
		Runtime: host.Options{Plugin: a.Plugin, Plugins: host.PluginsDir(a.Data), Jail: host.JailOptions{NoNamespaces: a.NoNamespaces}},
		Output:  os.Stderr,
	})
	if err != nil {
		return err
	}
	operators, err := admin.Listen(a.Admin, d.Log())
	if err != nil {
		return errors.Join(err, d.Close())
	}
	plugins.Handle(operators, d.Runtime().Plugins())
	served := make(chan error, 1)
	go func() { served <- operators.Serve(ctx) }()
	return errors.Join(d.Serve(ctx), <-served, d.Close())
}

func (s *site) start(t *testing.T, w *workshop) {
	t.Helper()
	arguments, err := json.Marshal(daemonArguments{s.config, w.plugin, s.data, s.admin, s.noNamespaces})
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(s.log())
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.command = exec.Command(w.daemon)
	s.command.Dir = s.home
	s.command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, daemonVariable + "=" + string(arguments), "GORACE=" + os.Getenv("GORACE"),
		"ATTACK_SECRET=" + s.canary, "AWS_SECRET_ACCESS_KEY=" + s.canary, "TF_VAR_secret=" + s.canary, "CODER_SECRET=" + s.canary,
	}
	s.command.Stdout, s.command.Stderr = log, log
	asUser(s.command, s.uid)
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.command.Wait() }()
	t.Cleanup(func() { s.stop(t) })
	for listens := false; !listens; {
		select {
		case err := <-s.ended:
			s.ended <- err
			t.Fatalf("the daemon has ended: %v\n%s", err, s.logged())
		case <-time.After(20 * time.Millisecond):
		}
		c, err := net.Dial("unix", s.admin) // which listens last
		if listens = err == nil; listens {
			c.Close()
		}
	}
	if found := regexp.MustCompile(`msg=jail enforced="?\[([^\]]*)\]`).FindStringSubmatch(s.logged()); found != nil {
		s.enforced = strings.Fields(found[1])
	}
}

func (s *site) log() string { return filepath.Join(s.dir, "log") }

func (s *site) logged() string {
	b, _ := os.ReadFile(s.log())
	return string(b)
}

// stop ends the daemon as an operator would.
func (s *site) stop(t *testing.T) {
	if s.attacker != nil {
		s.attacker.Close()
		s.victim.Close()
	}
	_ = s.command.Process.Signal(os.Interrupt)
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("the daemon ended with %v\n%s", err, s.logged())
		}
	case <-time.After(daemontest.Patience):
		_ = s.command.Process.Kill()
		t.Errorf("the daemon does not end\n%s", s.logged())
	}
}

// lives says whether the daemon does.
func (s *site) lives() bool {
	select {
	case err := <-s.ended:
		s.ended <- err
		return false
	default:
		return true
	}
}

func (s *site) dial(t *testing.T) {
	t.Helper()
	for token, c := range map[string]**client.Client{attackerToken: &s.attacker, victimToken: &s.victim} {
		var err error
		if *c, err = client.Dial("unix:"+s.socket, client.Options{Token: token}); err != nil {
			t.Fatal(err)
		}
	}
}

// use fills the tenants' caches, and leaves a kept state and an open session of the victim's.
func (s *site) use(t *testing.T) {
	t.Helper()
	secret := `
locals { victims = "` + s.canary + `" }
resource "terraform_data" "kept" { input = local.victims }
`
	files := map[string]string{"main.tf": s.needsFetched() + secret, "victims-secret.txt": s.canary}
	lost := s.open(t, s.victim)
	for _, req := range []*pb.Request{initOf(daemontest.Template(files)), plan, apply} {
		lost.do(t, req)
	}
	lost.Close() // without a word, so that the state is kept
	if !daemontest.Soon(func() bool {
		kept, _ := filepath.Glob(filepath.Join(host.RecoveryDir(s.data), victimTenant, "*", "*-*"))
		return len(kept) > 0 && len(s.left()) == 0
	}) {
		t.Fatalf("the victim's state is not kept, or its directory not removed: %q\n%s", s.left(), s.logged())
	}
	abstract := fmt.Sprintf("attack-%d", s.command.Process.Pid)
	if l, err := net.Listen("unix", "@"+abstract); err == nil { // Linux has them
		t.Cleanup(func() { l.Close() })
	}
	open := map[string]*dialogue{"VICTIM": s.open(t, s.victim), "SIBLING": s.open(t, s.attacker)}
	s.paths = map[string]string{
		"DAEMON": fmt.Sprint(s.command.Process.Pid), "OUTSIDE": s.outside, "HOST_HOME": s.home, "DATA": s.data, "CACHE": s.cache, "MIRROR": s.mirror,
		"CONFIG": s.config, "AUDIT": s.audit, "LOG": s.log(), "SOCKET": s.socket, "ADMIN": s.admin, "ABSTRACT": abstract, "PLATFORM": runtime.GOOS + "_" + runtime.GOARCH,
	}
	for name, d := range open {
		d.do(t, initOf(daemontest.Template(files)))
		tenant := map[string]string{"VICTIM": victimTenant, "SIBLING": attackerTenant}[name]
		dirs, err := filepath.Glob(filepath.Join(host.SessionsDir(s.data), tenant, "*", "work"))
		if err != nil || len(dirs) != 1 {
			t.Fatalf("the directories of %s's session are %q, %v", tenant, dirs, err)
		}
		s.paths[name] = dirs[0]
	}
}

// needsFetched is a template's need of the provider that is fetched from the registry, and then in the tenant's cache.
func (s *site) needsFetched() string {
	return fmt.Sprintf(`
terraform {
  required_providers {
    fixture = { source = %q }
    mirrored = { source = %q }
  }
}
resource "fixture_slow" "fetched" { seconds = 0 }
resource "fixture_slow" "mirrored" {
  provider = mirrored
  seconds  = 0
}
`, s.registry.Source(), mirrored)
}

// dialogue is a session with all that came of it.
type dialogue struct {
	*client.Session
	site *site
	logs []string
	// leaked are the requests whose answers had a secret in them.
	leaked []string
}

func (s *site) open(t *testing.T, c *client.Client) *dialogue {
	t.Helper()
	d, err := s.begin(inTime(t), c, &pb.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func (s *site) begin(ctx context.Context, c *client.Client, config *pb.Config) (*dialogue, error) {
	opened, err := c.Open(ctx)
	if err != nil {
		return nil, err
	}
	return &dialogue{Session: opened, site: s}, opened.Configure(config)
}

// ask sends a request.
func (d *dialogue) ask(ctx context.Context, req *pb.Request) (*pb.Response, error) {
	resp, err := d.Do(ctx, req, func(l *pb.Log) { d.logs = append(d.logs, l.Output) })
	if b, _ := proto.Marshal(resp); bytes.Contains(b, []byte(d.site.canary)) {
		d.leaked = append(d.leaked, fmt.Sprintf("%T", req.Type))
	}
	return resp, err
}

// checkSecret checks that nothing secret has come.
func (d *dialogue) checkSecret(t *testing.T) {
	t.Helper()
	for _, line := range d.logs {
		if strings.Contains(line, d.site.canary) {
			t.Errorf("the log has a secret: %.300s", line)
		}
	}
	for _, answer := range d.leaked {
		t.Errorf("the answer to %s has a secret", answer)
	}
}

// do is ask where an answer without an error is expected.
func (d *dialogue) do(t *testing.T, req *pb.Request) *pb.Response {
	t.Helper()
	resp, err := d.ask(inTime(t), req)
	if err != nil {
		t.Fatalf("%T: %v\n%s\n%s", req.Type, err, strings.Join(d.logs, "\n"), d.site.logged())
	}
	if text := client.ErrorOf(resp); text != "" {
		t.Fatalf("%T: %s\n%s", req.Type, text, strings.Join(d.logs, "\n"))
	}
	return resp
}

// end is the end of a session whose client has got what it wanted.
func (d *dialogue) end() error {
	if err := d.CloseSend(); err != nil {
		return err
	}
	for {
		if _, err := d.Recv(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// left are the session directories and processes that are there, but for those of the sessions that are meant to be open.
func (s *site) left() []string {
	var left []string
	dirs, _ := filepath.Glob(filepath.Join(host.SessionsDir(s.data), "*", "*", "work"))
	for _, dir := range dirs {
		if dir != s.paths["VICTIM"] && dir != s.paths["SIBLING"] {
			left = append(left, dir)
		}
	}
	return append(left, s.processes()...)
}

// processes are those that belong to sessions: their environment or directory is below the data directory, or an attack has left them.
func (s *site) processes() []string {
	sessions := host.SessionsDir(s.data)
	return daemontest.Processes(func(dir string) bool {
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		cwd, _ := os.Readlink(filepath.Join(dir, "cwd"))
		return bytes.Contains(environ, []byte(sessions)) || strings.HasPrefix(cwd, sessions) || s.isStray(dir)
	})
}

// strays are the processes that attacks have left.
func (s *site) strays() []string { return daemontest.Processes(s.isStray) }

func (s *site) isStray(dir string) bool {
	command, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
	return bytes.Contains(command, []byte(s.mark()))
}

// supervisorOfStray is the process that watches over what an attack has left; 0 = there is none.
func (s *site) supervisorOfStray() (supervisor int) {
	daemontest.Processes(func(dir string) bool {
		for pid, err := strconv.Atoi(filepath.Base(dir)); s.isStray(dir) && err == nil && pid > 1; pid, err = parentOf(pid) {
			if command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); bytes.HasPrefix(command, []byte("provisor-jail")) {
				supervisor = pid
			}
		}
		return false
	})
	return supervisor
}

func parentOf(pid int) (parent int, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "PPid: %d", &parent); n == 1 {
			return parent, nil
		}
	}
	return 0, err
}

// mark is in the command of processes that attacks leave: the time that they sleep.
func (s *site) mark() string { return fmt.Sprintf("98%d", s.command.Process.Pid) }

// publicDir is a directory that anybody may enter, short enough for a socket. It is not in /tmp, which a jail has of its own and lets be written.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "attack")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// makeRemovable lets a user who is not root remove what is in there.
func makeRemovable(dir string) {
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			_ = os.Chmod(path, 0o755)
		}
		return nil
	})
}

func makeDir(t *testing.T, dir string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(dir, mode); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}
