package e2e

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := errors.Join(daemons["terraform"].stop(), daemons["tofu"].stop(), room.checkEmpty(), os.RemoveAll(room.dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// daemons are the daemons that tests may use, each started by the first test that does, by their engine.
var daemons = map[string]*daemon{"terraform": {engine: "terraform"}, "tofu": {engine: "tofu"}}

// onEngines runs the test with a daemon for each engine that can be had.
func onEngines(t *testing.T, test func(*testing.T, *daemon)) {
	if testing.Short() {
		t.Skip("real engines take longer")
	}
	if runtime.GOOS == "windows" {
		t.Skip("the daemon is ended by a signal that Windows does not have")
	}
	for _, name := range []string{"terraform", "tofu"} {
		t.Run(name, func(t *testing.T) { test(t, daemons[name].started(t)) })
	}
}

// daemon is a provisor that serves sessions.
type daemon struct {
	engine string

	once    sync.Once
	err     error
	missing string // why there is no such engine
	command *exec.Cmd
	ended   chan error
	log     bytes.Buffer // to be read once ended has told
	client  *client.Client
}

// started is the daemon after its start. Where its engine can't be had, it skips the test.
func (d *daemon) started(t *testing.T) *daemon {
	t.Helper()
	if room.once.Do(room.make); room.err != nil {
		t.Fatal(room.err)
	}
	d.once.Do(d.start)
	if d.missing != "" {
		t.Skip(d.missing)
	}
	if d.err != nil {
		t.Fatal(d.err)
	}
	return d
}

// buildVariable is set where tests may build OpenTofu, which takes longer than a test is given by default.
const buildVariable = "PROVISOR_TEST_BUILDS"

// engineArguments tell provisor which engine to use. A daemon that finds no engine on its PATH takes the OpenTofu in the cache, or builds
// it.
func (d *daemon) engineArguments() (args, env []string) {
	if path, err := exec.LookPath(d.engine); err == nil {
		return []string{"--engine", path}, os.Environ()
	}
	if d.engine == "terraform" {
		d.missing = "terraform is not on the PATH"
		return nil, nil
	}
	if os.Getenv(buildVariable) == "" && !room.hasTofu() {
		d.missing = "OpenTofu is neither on the PATH nor in the cache: set " + buildVariable + "=1 to have it built, and give that some minutes"
		return nil, nil
	}
	return nil, append(os.Environ(), "PATH="+room.goOnly)
}

func (d *daemon) start() {
	args, env := d.engineArguments()
	if d.missing != "" {
		return
	}
	socket := filepath.Join(room.dir, d.engine)
	d.command = exec.Command(room.provisor, append([]string{
		"serve", "--listen", "unix:" + socket, "--mirror", room.mirror, "--data-dir", filepath.Join(room.dir, "d"), "--exit-timeout", "30s",
		"--jail-expose", room.modules,
	}, args...)...)
	d.command.Env, d.command.Stdout, d.command.Stderr = env, &d.log, &d.log
	if d.err = d.command.Start(); d.err != nil {
		d.command = nil
		return
	}
	d.ended = make(chan error, 1)
	go func() { d.ended <- d.command.Wait() }()
	if d.err = d.awaitReady(socket); d.err == nil {
		d.client, d.err = client.Dial("unix:"+socket, client.Options{})
	} else if strings.Contains(d.err.Error(), "build OpenTofu") {
		d.missing = "no OpenTofu on the PATH, and none could be built: " + d.err.Error()
	}
}

func (d *daemon) awaitReady(socket string) error {
	for {
		select {
		case err := <-d.ended:
			d.command = nil
			return fmt.Errorf("the daemon has ended: %v\n%s", err, &d.log)
		case <-time.After(20 * time.Millisecond):
		}
		if c, err := net.Dial("unix", socket); err == nil {
			return c.Close()
		}
	}
}

// stop ends the daemon as an operator would. It must end well, with nothing left.
func (d *daemon) stop() error {
	if d.command == nil {
		return nil
	}
	err := errors.Join(d.client.Close(), d.command.Process.Signal(os.Interrupt), <-d.ended)
	if err != nil {
		return fmt.Errorf("the daemon with %s: %w\n%s", d.engine, err, &d.log)
	}
	return nil
}

// open opens a session and sends its Config.
func (d *daemon) open(t *testing.T, c *pb.Config) *client.Session {
	t.Helper()
	s, err := d.client.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Configure(c); err != nil {
		t.Fatal(err)
	}
	return s
}

// room is where the daemons live, and what they are made of.
var room workroom

type workroom struct {
	once sync.Once
	err  error
	// dir is removed in the end. Its path is short, since sockets are below it.
	dir string
	// provisor is the command, mirror the directory of providers, goOnly a PATH on which there is Go and no engine, modules a directory that
	// engines may read.
	provisor, mirror, goOnly, modules string
}

func (r *workroom) make() {
	steps := []func() error{
		func() (err error) { r.dir, err = os.MkdirTemp("", "e2e"); return err },
		r.build, r.addProviders, r.findGo,
	}
	for _, step := range steps {
		if r.err = step(); r.err != nil {
			return
		}
	}
}

// build builds the command and the fixture. What stays in the cache, for each checkout on its own, spares the linker's work the next time.
func (r *workroom) build() error {
	cache, err := host.DefaultCacheDir()
	if err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	kept := filepath.Join(cache, "e2e", fmt.Sprintf("%x", sha256.Sum256([]byte(here)))[:12])
	r.provisor = filepath.Join(kept, "provisor")
	r.mirror = filepath.Join(r.dir, "m")
	r.modules = filepath.Join(r.dir, "modules")
	const module = "github.com/provisor/provisor/"
	return errors.Join(
		os.Mkdir(r.modules, 0o755),
		run("go", "build", "-o", r.provisor, module+"host/cmd/provisor"),
		run("go", "build", "-o", filepath.Join(kept, "fixture", "terraform-provider-fixture_v"+fixtureVersion), module+"plugins/terraform/internal/fixtureprovider"),
		r.offer("provisor/fixture", fixtureVersion, func(string) string { return filepath.Join(kept, "fixture") }),
	)
}

const (
	coderVersion   = "2.20.0"
	fixtureVersion = "0.1.0"
)

// addProviders has provisor build the coder provider into its own mirror, unless it is there, and offers it beside the fixture.
func (r *workroom) addProviders() error {
	if err := run(r.provisor, "mirror", "add", "github.com/coder/terraform-provider-coder/v2@v"+coderVersion, "--as", "coder/coder"); err != nil {
		return err
	}
	cache, err := host.DefaultCacheDir()
	if err != nil {
		return err
	}
	return r.offer("coder/coder", coderVersion, func(registry string) string {
		return filepath.Join(cache, "mirror", registry, "coder", "coder", coderVersion, runtime.GOOS+"_"+runtime.GOARCH)
	})
}

// offer puts a provider into the mirror of the tests, as a link.
func (r *workroom) offer(address, version string, in func(registry string) string) error {
	for _, registry := range []string{"registry.terraform.io", "registry.opentofu.org"} {
		dir := filepath.Join(r.mirror, registry, filepath.FromSlash(address), version)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.Symlink(in(registry), filepath.Join(dir, runtime.GOOS+"_"+runtime.GOARCH)); err != nil {
			return err
		}
	}
	return nil
}

// hasTofu says whether provisor has built OpenTofu before.
func (r *workroom) hasTofu() bool {
	cache, err := host.DefaultCacheDir()
	if err != nil {
		return false
	}
	built, err := filepath.Glob(filepath.Join(cache, "engines", "opentofu-*", "tofu"))
	return err == nil && len(built) > 0
}

// checkEmpty checks that no session left its directory.
func (r *workroom) checkEmpty() error {
	left, err := filepath.Glob(filepath.Join(r.dir, "d", "sessions", "*", "*"))
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("the daemons have ended and left %q", left)
	}
	return err
}

func (r *workroom) findGo() error {
	path, err := exec.LookPath("go")
	if err != nil {
		return err
	}
	r.goOnly = filepath.Join(r.dir, "bin")
	if err := os.Mkdir(r.goOnly, 0o755); err != nil {
		return err
	}
	return os.Symlink(path, filepath.Join(r.goOnly, "go"))
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return nil
}
