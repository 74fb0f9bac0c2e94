package engine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// fakeEngine writes a program that answers `version` with the script's output.
func fakeEngine(t *testing.T, path, script string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	t.Run("first on the PATH", func(t *testing.T) {
		a, b := t.TempDir(), t.TempDir()
		tofu := fakeEngine(t, filepath.Join(a, "tofu"), "echo OpenTofu v1.9.0-alpha1; echo on linux_amd64")
		t.Setenv("PATH", a+string(filepath.ListSeparator)+b)
		checkFind(t, Options{}, Engine{Name: "tofu", Path: tofu, Version: "1.9.0-alpha1"})
		terraform := fakeEngine(t, filepath.Join(b, "terraform"), "echo Terraform v0.12.31")
		checkFind(t, Options{}, Engine{Name: "terraform", Path: terraform, Version: "0.12.31"})
		checkFind(t, Options{Path: tofu}, Engine{Name: "tofu", Path: tofu, Version: "1.9.0-alpha1"})
		checkFind(t, Options{Path: "tofu"}, Engine{Name: "tofu", Path: tofu, Version: "1.9.0-alpha1"})
	})
	t.Run("a wrapper that knows only JSON", func(t *testing.T) {
		script := `[ "$2" = -json ] && echo '{"terraform_version": "1.5.7", "platform": "x"}'`
		terraform := fakeEngine(t, filepath.Join(t.TempDir(), "terraform-wrapper"), script)
		checkFind(t, Options{Path: terraform}, Engine{Name: "terraform", Path: terraform, Version: "1.5.7"})
		tofu := fakeEngine(t, filepath.Join(t.TempDir(), "tofu"), script)
		checkFind(t, Options{Path: tofu}, Engine{Name: "tofu", Path: tofu, Version: "1.5.7"})
	})
	t.Run("environment from nothing", func(t *testing.T) {
		t.Setenv("SECRET", "canary")
		path := fakeEngine(t, filepath.Join(t.TempDir(), "e"), `[ -z "$SECRET" ] && [ -d "$HOME" ] && [ "$HOME" = "$PWD" ] && echo Terraform v1.2.3`)
		checkFind(t, Options{Path: path}, Engine{Name: "terraform", Path: path, Version: "1.2.3"})
	})
}

// A version that is wanted decides which engine it is.
func TestFindVersion(t *testing.T) {
	a, b, cache := t.TempDir(), t.TempDir(), t.TempDir()
	terraform := fakeEngine(t, filepath.Join(a, "terraform"), "echo Terraform v1.11.4")
	tofu := fakeEngine(t, filepath.Join(b, "tofu"), "echo OpenTofu v1.9.1")
	notes := fakeGo(t, buildsTofu)
	t.Setenv("PATH", strings.Join([]string{a, b, filepath.Dir(notes)}, string(filepath.ListSeparator)))
	first, second := Engine{Name: "terraform", Path: terraform, Version: "1.11.4"}, Engine{Name: "tofu", Path: tofu, Version: "1.9.1"}
	for wanted, want := range map[string]Engine{"1.11.4": first, "~> 1.11": first, ">= 1.9, < 2": first, "~> 1.9.0": second, "< 1.10": second, "1.9.1": second} {
		checkFind(t, Options{Version: wanted, CacheDir: cache}, want)
	}
	checkFind(t, Options{Path: "tofu", Version: ">= 1.9", CacheDir: cache}, second)
	for wanted, o := range map[string]Options{
		"engine " + tofu + " is tofu 1.9.1, version ~> 1.11 is wanted: name another path":                            {Path: "tofu", Version: "~> 1.11"},
		"no engine of version ~> 1.4.0: " + terraform + " is terraform 1.11.4, " + tofu + " is tofu 1.9.1, and what": {Version: "~> 1.4.0"},
		`version "soon": want one such as "1.11.4"`:                                                                  {Version: "soon"},
		"terraform 1.11.4, version 1.12.6 is wanted":                                                                 {Path: terraform, Version: "1.12.6"},
	} {
		o.CacheDir = cache
		if _, err := Find(t.Context(), o); err == nil || !strings.Contains(err.Error(), wanted) {
			t.Errorf("got %v, want %q", err, wanted)
		}
	}
	if _, err := os.Stat(notes); err == nil {
		t.Fatal("something was built")
	}
	// What nobody has is built, if that is what can be built; also for who asks for OpenTofu where there is none.
	for _, o := range []Options{{Version: "1.12.6"}, {Version: "~> 1.12.0"}} {
		o.CacheDir = cache
		if e, err := Find(t.Context(), o); err != nil || e.Name != Tofu || e.Version != "1.12.6" || !strings.HasPrefix(e.Path, cache) {
			t.Errorf("got %+v, %v", e, err)
		}
	}
	t.Setenv("PATH", a)
	if e, err := Find(t.Context(), Options{Path: "tofu", Version: "~> 1.9", CacheDir: cache}); err != nil || e.Version != "1.12.6" {
		t.Errorf("got %+v, %v", e, err)
	}
	if _, err := Find(t.Context(), Options{Path: "tofu", CacheDir: cache}); err == nil {
		t.Error("an OpenTofu that is not there was found, and nobody has asked for a version")
	}
}

func checkFind(t *testing.T, o Options, want Engine) {
	t.Helper()
	if o.CacheDir == "" {
		o.CacheDir = t.TempDir()
	}
	e, err := Find(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := (Engine{Name: e.Name, Path: e.Path, Version: e.Version}); got.Name != want.Name || got.Path != want.Path || got.Version != want.Version {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestFindErrors(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, script string
		options      Options
		want         []string
	}{
		{name: "missing", options: Options{Path: dir + "/none"}, want: []string{"engine " + dir + "/none: ", "no such file", "--engine PATH", "https://opentofu.org/"}},
		{name: "not executable", options: Options{Path: plain}, want: []string{"permission denied"}},
		{name: "a directory", options: Options{Path: dir}, want: []string{"is a directory"}},
		{name: "another program", script: "echo GNU bash, version 5", want: []string{`neither Terraform nor OpenTofu: to`, `"GNU bash, version 5"`}},
		{name: "silence", script: ":", want: []string{`it says ""`}},
		{name: "failure", script: "echo no license >&2; exit 3", want: []string{"exit status 3", `"no license"`}},
		{name: "signal", script: "kill -SEGV $$", want: []string{"signal: segmentation fault"}},
		{name: "flood", script: "while :; do echo Terraform v1.1.1; done", want: []string{"more than 65536 bytes"}},
		{name: "long version", script: `printf "Terraform v1.2.3-"; head -c 1000 /dev/zero | tr "\0" a`, want: []string{"neither", "aaa…"}},
		{name: "odd JSON", script: `echo '{"terraform_version": "1.5.7\nx"}'`, want: []string{"neither Terraform nor OpenTofu"}},
		{name: "hang", script: "sleep 60", want: []string{"it did not answer within"}},
		{name: "reserved environment", options: Options{Env: []string{"HOME"}}, want: []string{"HOME can't be let through"}},
		{name: "missing mirror", options: Options{Mirrors: []string{dir + "/none"}}, want: []string{"provider mirror", dir + "/none"}},
		{name: "file as mirror", options: Options{Mirrors: []string{plain}}, want: []string{"provider mirror " + plain + ": it is not a directory"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := test.options
			if test.script != "" {
				o.Path = fakeEngine(t, filepath.Join(t.TempDir(), "engine"), test.script)
			}
			o.CacheDir = t.TempDir()
			ctx := t.Context()
			if test.name == "hang" {
				var cancel func()
				ctx, cancel = context.WithTimeoutCause(ctx, 2*time.Second, fmt.Errorf("it did not answer within 2s"))
				defer cancel()
			}
			_, err := Find(ctx, o)
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
		})
	}
}

// The version of a real binary is asked once, until the file changes.
func TestVersionIsRemembered(t *testing.T) {
	goTool, err := osexec.LookPath("go")
	if err != nil {
		t.Skip("no go here to build a fake engine with")
	}
	cache, dir := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "engine.exe")
	var found *Engine
	build := func(version string) {
		t.Helper()
		source := filepath.Join(t.TempDir(), "main.go")
		program := fmt.Sprintf("package main\nimport \"os\"\nfunc main() {\nos.WriteFile(%q, nil, 0o600)\nos.Stdout.WriteString(\"Terraform v%s\\n\")\n}", path+".ran", version)
		if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := osexec.Command(goTool, "build", "-o", path, source).CombinedOutput(); err != nil {
			t.Fatal(err, string(out))
		}
	}
	ran := func() bool { return os.Remove(path+".ran") == nil }
	find := func(want string) {
		t.Helper()
		e, err := Find(t.Context(), Options{Path: path, CacheDir: cache})
		if err != nil || e.Version != want {
			t.Fatalf("got %+v, %v, want version %s", e, err, want)
		}
		found = e
	}

	build("1.2.3")
	find("1.2.3")
	if !ran() {
		t.Error("the version was made up")
	}
	find("1.2.3")
	if ran() {
		t.Error("an unchanged binary was asked again")
	}
	if found.Replaced() {
		t.Error("an unchanged binary counts as replaced")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	build("1.2.4")
	if !found.Replaced() {
		t.Error("a changed binary does not count as replaced")
	}
	find("1.2.4")
	if !ran() {
		t.Error("a changed binary was not asked")
	}
	// Archives and package managers set the times of files, and two versions may have one size.
	if runtime.GOOS == "linux" {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		find("1.2.4")
		ran()
		if err := os.WriteFile(path, bytes.ReplaceAll(b, []byte("1.2.4"), []byte("1.2.5")), 0o700); err != nil { // the same file
			t.Fatal(err)
		}
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		if !found.Replaced() {
			t.Error("a binary of the same size and time does not count as replaced")
		}
		find("1.2.5")
		build("1.2.4")
		find("1.2.4")
		ran()
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if found.Replaced() {
		t.Error("a binary that is not there counts as replaced")
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	find("1.2.4")
	ran()
	entries, err := filepath.Glob(filepath.Join(cache, "versions", "*.json"))
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	for _, damage := range []string{"", "{", `{"name":"bash"}`, "null"} {
		if err := os.WriteFile(entries[0], []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		find("1.2.4")
		if !ran() {
			t.Errorf("the damaged entry %q was believed", damage)
		}
	}
}
