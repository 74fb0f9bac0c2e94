package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/provisor/provisor/host/internal/snippet"
)

// TestPagesAreFollowed does what pages tell a newcomer to do, word for word: their commands run, their changes are made, and what they
// show is what is printed. The newcomer has a new home directory; what Go and provisor have built before is kept.
func TestPagesAreFollowed(t *testing.T) {
	if testing.Short() || raceEnabled || runtime.GOOS == "windows" {
		t.Skip("builds plugins, and needs a shell")
	}
	for _, test := range []struct {
		page, section string
		needs         []string
		linux         bool
		// config is the project's file that the page begins with, where others may have the ports that it names.
		config string
	}{
		{page: "README.md", section: "A plugin in 30 lines"},
		{page: "sdk-guest/guides/first-plugin.md"},
		{page: "sdk-guest/guides/shipping.md"},
		{page: "examples/operate/README.md", section: "From nothing to a daemon for two tenants", needs: []string{"openssl", "sha256sum", "curl"}, linux: true,
			config: "examples/operate/two-tenants.hcl"},
		{page: "abi/guides/other-languages.md", needs: []string{"clang", "wasm-ld", "protoc", "llvm-objcopy"}},
	} {
		t.Run(strings.TrimSuffix(filepath.Base(test.page), ".md"), func(t *testing.T) {
			if test.linux && runtime.GOOS != "linux" {
				t.Skip("it is about what Linux has")
			}
			for _, tool := range test.needs {
				if _, err := exec.LookPath(tool); err != nil && os.Getenv("PROVISOR_REQUIRE_EXAMPLES") == "" {
					t.Skipf("there is no %s here", tool)
				}
			}
			root, err := filepath.Abs("../../..")
			if err != nil {
				t.Fatal(err)
			}
			source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(test.page)))
			if err != nil {
				t.Fatal(err)
			}
			replace := strings.NewReplacer()
			if test.config != "" {
				replace = freePorts(t, "7443", "9464")
				root = withConfig(t, root, test.config, replace)
			}
			r := newReader(t, root)
			for _, b := range snippet.Find(test.page, source) {
				if test.section == "" || b.Section == test.section {
					b.Code = replace.Replace(b.Code)
					if err := r.follow(b); err != nil {
						t.Fatalf("%s: %v", b, err)
					}
				}
			}
		})
	}
}

// freePorts replaces ports by some that are free.
func freePorts(t *testing.T, ports ...string) *strings.Replacer {
	t.Helper()
	var pairs []string
	for _, port := range ports {
		l, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // after all: no two are the same
		pairs = append(pairs, "localhost:"+port, fmt.Sprint("localhost:", l.Addr().(*net.TCPAddr).Port))
	}
	return strings.NewReplacer(pairs...)
}

// withConfig is a copy of what the page takes from the project, with another configuration.
func withConfig(t *testing.T, project, config string, replace *strings.Replacer) string {
	t.Helper()
	dir := t.TempDir()
	for _, part := range []string{filepath.Dir(config), "examples/templates/hello"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(project, part))); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(filepath.Join(dir, config))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, config), []byte(replace.Replace(string(content))), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestPagesThatCantBeFollowed: none of these may pass.
func TestPagesThatCantBeFollowed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	for page, want := range map[string]string{
		"```sh\nfalse\n```":                                            "false: exit status 1",
		"```sh\nprovisor plugin build\n```":                            "plugin.hcl does not exist",
		"```sh\necho 12 of 3\n```\n\n```text\n… of 4\n```":             `"… of 4" was not printed`,
		"```sh\necho old >x\n```\n\n```diff\n--- x\n@@\n-new\n+x\n```": "does not have once",
		"<!-- file x -->\n```c\nint;\n```\n\n```sh\ngrep no x\n```":    "grep no x: exit status 1",
		"```sh\nprovisor serve --plugin nowhere.wasm\n```":             "nowhere.wasm",
	} {
		r := newReader(t, "")
		var err error
		for _, b := range snippet.Find("page.md", []byte(page)) {
			if err == nil {
				err = r.follow(b)
			}
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nthe error is %v, want %q", page, err, want)
		}
	}
}

// reader is somebody who does what a page says.
type reader struct {
	t   *testing.T
	env []string
	// dir is the directory that its shell is in.
	dir string
	// said is the output of the latest shell block.
	said string
}

func newReader(t *testing.T, project string) *reader {
	t.Helper()
	// A socket's path may have 104 bytes, so it is not below the test's own directory.
	home, err := os.MkdirTemp("", "home")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return &reader{t: t, dir: t.TempDir(), env: append(os.Environ(),
		"HOME="+home, "XDG_RUNTIME_DIR="+home, "XDG_STATE_HOME=", "XDG_CACHE_HOME=", "PROVISOR="+project,
		"PROVISOR_CACHE_DIR="+filepath.Join(cache, "provisor"), "GOCACHE="+goEnv(t, "GOCACHE"), "GOMODCACHE="+goEnv(t, "GOMODCACHE"),
	)}
}

func (r *reader) follow(b snippet.Block) error {
	if b.Note == "not followed" {
		return nil
	}
	if name, ok := strings.CutPrefix(b.Note, "file "); ok {
		return os.WriteFile(filepath.Join(r.dir, name), []byte(b.Code), 0o600)
	}
	switch b.Language {
	case "sh":
		r.said = ""
		for line := range strings.Lines(b.Code) {
			if err := r.run(strings.TrimSpace(regexp.MustCompile(`\s+#.*`).ReplaceAllString(line, ""))); err != nil {
				return err
			}
		}
	case "diff":
		return r.change(b.Code)
	case "text":
		return r.compare(b.Code)
	}
	return nil
}

// ready is what a program that goes on by itself prints when it waits, by the beginning of its command.
var ready = map[string]string{"provisor serve": "msg=ready", "provisor plugin dev": "Waiting for changes"}

// run runs one line, as in a shell that goes on in the directory that the line has led to.
func (r *reader) run(line string) error {
	for beginning, sign := range ready {
		if strings.HasPrefix(line, beginning) {
			return r.start(strings.TrimSuffix(line, " &"), sign)
		}
	}
	began := time.Now()
	where := filepath.Join(r.t.TempDir(), "pwd")
	cmd := exec.Command("sh", "-c", line+"\nstatus=$?; pwd >'"+where+"'; exit $status")
	cmd.Dir, cmd.Env = r.dir, r.env
	out, err := cmd.CombinedOutput()
	r.said += string(out)
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", line, err, out)
	}
	r.t.Logf("%s: %.1fs, of which %.1fs of the processor", line, time.Since(began).Seconds(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
	pwd, err := os.ReadFile(where)
	r.dir = strings.TrimSpace(string(pwd))
	return err
}

// start starts a program that does not end by itself, and waits for the sign. The end of the test interrupts it, and it ends well.
func (r *reader) start(line, sign string) error {
	seen, ended := new(screen), make(chan error, 1)
	cmd := exec.Command("sh", "-c", "exec "+line)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = r.dir, r.env, seen, seen
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { ended <- cmd.Wait() }()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-ended:
			return fmt.Errorf("%s ended: %v\n%s", line, err, seen.all())
		default:
		}
		if strings.Contains(seen.all(), sign) {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s did not say %q:\n%s", line, sign, seen.all())
		}
	}
	r.said += seen.all()
	stop := func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			r.t.Error(err)
		}
		if err := <-ended; err != nil {
			r.t.Errorf("%s: %v\n%s", line, err, seen.all())
		}
	}
	if strings.HasPrefix(line, "provisor plugin dev") {
		stop()
	} else {
		r.t.Cleanup(stop)
	}
	return nil
}

// change makes the changes of a diff: in the file of the "---" line, each part after an "@@" replaces what it says was there.
func (r *reader) change(diff string) error {
	var name string
	var old, changed strings.Builder
	finish := func() error {
		if old.Len() == 0 {
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if bytes.Count(content, []byte(old.String())) != 1 {
			return fmt.Errorf("%s does not have once\n%s", name, old.String())
		}
		err = os.WriteFile(name, bytes.Replace(content, []byte(old.String()), []byte(changed.String()), 1), 0o600)
		old.Reset()
		changed.Reset()
		return err
	}
	for line := range strings.Lines(diff) {
		switch {
		case strings.HasPrefix(line, "--- "):
			name = filepath.Join(r.dir, strings.TrimSpace(line[len("--- "):]))
		case strings.HasPrefix(line, "+++ "):
		case strings.HasPrefix(line, "@@"):
			if err := finish(); err != nil {
				return err
			}
		case line[0] == '-':
			old.WriteString(line[1:])
		case line[0] == '+':
			changed.WriteString(line[1:])
		default:
			old.WriteString(line[1:])
			changed.WriteString(line[1:])
		}
	}
	return finish()
}

// compare looks for each line of a text in what was printed. At a "…" anything may stand, and the number of blanks does not matter.
func (r *reader) compare(text string) error {
	for line := range strings.Lines(text) {
		var parts []string
		for part := range strings.SplitSeq(line, "…") {
			words := strings.Fields(part)
			for i, word := range words {
				words[i] = regexp.QuoteMeta(word)
			}
			parts = append(parts, strings.Join(words, `[ \t]+`))
		}
		if !regexp.MustCompile(strings.Join(parts, ".*")).MatchString(r.said) {
			return fmt.Errorf("%q was not printed, but\n%s", strings.TrimSpace(line), r.said)
		}
	}
	return nil
}
