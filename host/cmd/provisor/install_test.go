package main

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/plugin"
)

// TestInstall installs the command by version, from a module proxy in the file system that is made from the checkout, and runs the hello
// template with it: the plugin's source then comes from the module cache.
func TestInstall(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles everything anew")
	}
	const version = "v0.0.1-test"
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	proxy := fileProxy(t, root, version)
	// What the checkout needs is in the module cache already, which has the form of a proxy as well.
	downloads := filepath.Join(goEnv(t, "GOMODCACHE"), "cache", "download")
	env := append(os.Environ(),
		"HOME="+home, "GOBIN="+filepath.Join(home, "bin"), "GOMODCACHE="+filepath.Join(home, "mod"), "GOCACHE="+goEnv(t, "GOCACHE"),
		"GOPROXY=file://"+proxy+",file://"+downloads+","+goEnv(t, "GOPROXY"),
		// Without the sums of a version that nobody published, and with paths that don't change from run to run.
		"GONOSUMDB=github.com/provisor/provisor", "GOFLAGS=-trimpath -modcacherw",
		"PROVISOR_CACHE_DIR="+filepath.Join(home, "cache"), "XDG_CACHE_HOME=", "XDG_STATE_HOME=",
	)
	run := func(dir, name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = dir, env
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.String())
		}
		return string(out)
	}
	run(home, "go", "install", "github.com/provisor/provisor/host/cmd/provisor@"+version)
	installed := filepath.Join(home, "bin", "provisor")
	if got := run(home, installed, "--version"); !strings.Contains(got, version) {
		t.Errorf("--version says %q", got)
	}
	template := filepath.Join(home, "hello")
	if err := os.CopyFS(template, os.DirFS(filepath.Join(root, "examples", "templates", "hello"))); err != nil {
		t.Fatal(err)
	}
	if got := run(home, installed, "plan", "--json", template); !strings.Contains(got, `"graph"`) {
		t.Errorf("plan answers %s", got)
	}
}

// fileProxy makes a module proxy that has the checkout's committed and uncommitted files as that version.
func fileProxy(t *testing.T, root, version string) string {
	t.Helper()
	const path = "github.com/provisor/provisor"
	dir := t.TempDir()
	versions := filepath.Join(dir, filepath.FromSlash(path), "@v")
	if err := os.MkdirAll(versions, 0o755); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"list": version + "\n", version + ".info": fmt.Sprintf("{\"Version\": %q}\n", version), version + ".mod": string(mod),
	} {
		if err := os.WriteFile(filepath.Join(versions, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Create(filepath.Join(versions, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := modzip.Create(file, module.Version{Path: path, Version: version}, sources(t, root)); err != nil {
		t.Fatal(err)
	}
	if info, err := file.Stat(); err != nil || info.Size() > 20<<20 {
		t.Errorf("the module's archive has %d bytes (%v): is something in it that should not be?", info.Size(), err)
	}
	if _, err := zip.OpenReader(file.Name()); err != nil {
		t.Error(err)
	}
	return dir
}

// TestRelease builds the command as a release, with the default plugin in it: it needs neither Go nor the source.
func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("links a release")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	built, err := plugin.BuildCached(t.Context(), filepath.Join(root, "plugins", "terraform"), plugin.BuildOptions{CacheDir: userCache(t)})
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(root, "host", "internal", "plugin", "terraform.wasm"): built,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	release := filepath.Join(dir, "provisor")
	build := exec.Command("go", "build", "-trimpath", "-tags", "provisor_embed", "-overlay", filepath.Join(dir, "overlay.json"), "-o", release, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	template := filepath.Join(dir, "hello")
	if err := os.CopyFS(template, os.DirFS(filepath.Join(root, "examples", "templates", "hello"))); err != nil {
		t.Fatal(err)
	}
	engine, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not on the PATH")
	}
	plan := exec.Command(release, "plan", "--json", "--engine", engine, template)
	plan.Env = []string{"HOME=" + dir, "PATH=/usr/bin:/bin", "PROVISOR_CACHE_DIR=" + filepath.Join(dir, "cache")}
	var stderr strings.Builder
	plan.Stderr = &stderr
	if out, err := plan.Output(); err != nil || !strings.Contains(string(out), `"graph"`) {
		t.Errorf("%v: %s\n%s", err, out, stderr.String())
	}
}

func userCache(t *testing.T) string {
	dir, err := host.DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// sources are the checkout's files, without what builds leave in hidden directories.
func sources(t *testing.T, root string) []modzip.File {
	t.Helper()
	var files []modzip.File
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case entry.Type().IsRegular():
			name, err := filepath.Rel(root, path)
			files = append(files, source{filepath.ToSlash(name), path})
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

type source struct{ name, path string }

func (s source) Path() string                 { return s.name }
func (s source) Lstat() (fs.FileInfo, error)  { return os.Lstat(s.path) }
func (s source) Open() (io.ReadCloser, error) { return os.Open(s.path) }
