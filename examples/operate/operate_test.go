// Package operate has what a daemon is run with. Its tests look at whether that still fits the program.
package operate

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

var image = flag.Bool("image", false, "do what the Dockerfile does to build the image, with the Go and the engines that are here")

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestUnit has systemd check the unit.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	program := filepath.Join(t.TempDir(), "provisor")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(filepath.Dir(program), "provisor.service")
	// It looks for the program.
	source := strings.ReplaceAll(read(t, "provisor.service"), "/usr/local/bin/provisor", program)
	root := filepath.Join(filepath.Dir(program), "provisor-root.service")
	for path, content := range map[string]string{unit: source, root: source + read(t, "uids.conf")} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"verify", "--man=no", unit},
		{"verify", "--man=no", root},
		// 100 is no hardening at all. What the jail needs (namespaces, mounts, cgroups) and the network cost some 30 points.
		{"security", "--offline=true", "--no-pager", "--threshold=35", unit},
		{"security", "--offline=true", "--no-pager", "--threshold=55", root},
	} {
		out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
		if strings.Contains(string(out), "unrecognized option") || strings.Contains(string(out), "Unknown") && err != nil {
			t.Logf("this systemd-analyze is too old for %s", args[0])
			continue
		}
		said := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(out)), "\n"), func(line string) bool {
			return line == "" || strings.Contains(line, "DelegateSubgroup") // from systemd 254 on
		})
		if err != nil || args[0] == "verify" && len(said) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}

// The unit, the image and the example configuration agree on where things are.
func TestPlaces(t *testing.T) {
	unit, docker, example := read(t, "provisor.service"), read(t, "Dockerfile"), read(t, "../provisor.hcl")
	setting := func(name string) string {
		m := regexp.MustCompile(`(?m)^` + name + `\s*=\s*"(.*)"`).FindStringSubmatch(example)
		if m == nil {
			t.Fatalf("the example configuration has no %s", name)
		}
		return m[1]
	}
	for name, wants := range map[string][]string{
		"data_dir":     {"StateDirectory=provisor\n", "/var/lib/provisor"},
		"cache_dir":    {"CacheDirectory=provisor\n", "/var/cache/provisor"},
		"admin_socket": {"RuntimeDirectory=provisor\n", "/run/provisor/"},
	} {
		if path := setting(name); !strings.Contains(unit, wants[0]) || !strings.HasPrefix(path, wants[1]) || !strings.Contains(docker, strings.TrimSuffix(wants[1], "/")) {
			t.Errorf("%s is %s; the unit wants %s, the image has %s", name, path, wants[0], wants[1])
		}
	}
	if reload := "reload --admin-socket " + setting("admin_socket") + "\n"; !strings.Contains(unit, reload) {
		t.Errorf("the unit does not %s", reload)
	}
	if !strings.Contains(unit, "Type=notify\n") {
		t.Error("systemd does not wait until the daemon is ready")
	}
	if drain := setting("drain_timeout"); drain != "5m" || !strings.Contains(unit, "TimeoutStopSec=10min\n") {
		t.Errorf("the unit gives the daemon another time to end than the configuration, %s", drain)
	}
}

// What the page for those on call calls metrics, the daemon calls so. What alerts there are, it has a part for.
func TestOnCall(t *testing.T) {
	page, source := read(t, "on-call.md"), read(t, "../../host/internal/telemetry/metrics.go")+read(t, "../../host/internal/telemetry/telemetry.go")
	for _, name := range regexp.MustCompile("`(provisor_[a-z_]+)`").FindAllStringSubmatch(page, -1) {
		if !strings.Contains(source, `"`+name[1]+`"`) {
			t.Errorf("it speaks of the metric %s, which there is not", name[1])
		}
	}
	rules, err := filepath.Glob("*.y*ml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range rules {
		for _, alert := range regexp.MustCompile(`(?m)^\s*- alert: (\w+)`).FindAllStringSubmatch(read(t, file), -1) {
			if !strings.Contains(page, "`"+alert[1]+"`") {
				t.Errorf("it does not say what to do about %s, of %s", alert[1], file)
			}
		}
	}
}

// step is an instruction of a Dockerfile.
type step struct{ name, rest string }

// steps reads a Dockerfile, as far as this one goes.
func steps(source string) (all []step) {
	source = regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(source, "")
	for line := range strings.Lines(strings.ReplaceAll(source, "\\\n", " ")) {
		if name, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			all = append(all, step{name, rest})
		}
	}
	return all
}

func TestDockerfile(t *testing.T) {
	known := []string{"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
	var bases []string
	user := ""
	for _, s := range steps(read(t, "Dockerfile")) {
		if !slices.Contains(known, s.name) {
			t.Errorf("%s is no instruction that is known here", s.name)
		}
		switch s.name {
		case "FROM":
			bases = append(bases, s.rest)
			user = ""
		case "USER":
			user = s.rest
		case "COPY":
			for _, from := range strings.Fields(s.rest)[:len(strings.Fields(s.rest))-1] {
				if strings.HasPrefix(s.rest, "--from=build ") {
					break
				}
				if _, err := os.Stat(filepath.Join("../..", from)); err != nil {
					t.Error(err)
				}
			}
		}
	}
	for _, base := range bases {
		if !regexp.MustCompile(`^[a-z]+:\d+\.\d+(\.\d+)?-[a-z]+( AS build)?$`).MatchString(base) {
			t.Errorf("%s is not pinned", base)
		}
	}
	if user == "" || user == "root" {
		t.Errorf("the daemon runs as %q", user)
	}
	module, err := modfile.Parse("go.mod", []byte(read(t, "../../go.mod")), nil)
	if err != nil {
		t.Fatal(err)
	}
	version := strings.TrimPrefix(strings.Split(bases[0], "-")[0], "golang:")
	if semver.Compare("v"+version, "v"+module.Go.Version) < 0 {
		t.Errorf("the image is built with Go %s, go.mod wants %s", version, module.Go.Version)
	}
}

// TestImage does what the first stage of the Dockerfile says, in a copy of the project, and runs what it made.
func TestImage(t *testing.T) {
	if !*image {
		t.Skip("it builds all there is: -image")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	build := t.TempDir()
	// No engine is on the PATH, and the one that is built takes minutes, so that one that was built before is taken.
	path := filepath.Join(build, "path")
	golang, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	run := func(dir, line string) {
		t.Helper()
		cmd := exec.Command("sh", "-e", "-c", line)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "PATH="+path+":/usr/bin:/bin", "HOME="+build, "GOCACHE="+filepath.Join(cache, "go-build"), "GOMODCACHE="+modules(t))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	source := filepath.Join(build, "source")
	run(root, fmt.Sprintf("mkdir -p %s %s %s/cache %s/root/usr/local/bin && ln -s %s %s/go", source, path, build, build, golang, path))
	if engines := filepath.Join(cache, "provisor", "engines"); exists(engines) {
		run(root, fmt.Sprintf("cp -R %s %s/cache/", engines, build))
	}
	stage := 0
	for _, s := range steps(read(t, "Dockerfile")) {
		switch s.name {
		case "FROM":
			stage++
		case "COPY":
			if stage == 1 && s.rest == ". ." {
				run(root, fmt.Sprintf("git ls-files -z | xargs -0 cp --parents -t %s", source))
			} else if stage == 1 {
				run(root, "cp "+strings.Replace(s.rest, " ./", " "+source+"/", 1))
			}
		case "RUN":
			if stage == 1 {
				run(source, strings.ReplaceAll(s.rest, "/build/", build+"/"))
			}
		}
	}
	run(build, build+"/root/usr/local/bin/provisor --version && "+build+"/root/usr/local/bin/tofu version && grep -q '\"graph\"' "+build+"/hello.json")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func modules(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
