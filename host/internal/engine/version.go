package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/exec"
)

const (
	// versionTimeout is far more than an engine takes, also from a cold disk on a busy machine.
	versionTimeout = 30 * time.Second
	// versionOutput is far more than an engine says.
	versionOutput = 64 << 10
)

// version is what an engine says it is.
type version struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// file is the one that was asked.
	file identity
}

// firstLine is how every release of both engines begins its answer. In the JSON form OpenTofu calls itself terraform, and old
// releases lack it.
var firstLine = regexp.MustCompile(`^(Terraform|OpenTofu) v([0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}[0-9A-Za-z.+-]{0,64})\r?(?:\n|$)`)

// version asks the binary what it is, or remembers what it said: the answer is kept on disk for as long as the file is the
// same.
func (o *Options) version(ctx context.Context, path string) (version, error) {
	id, err := identify(path)
	if err != nil {
		return version{}, err
	}
	file := filepath.Join(o.CacheDir, "versions", hash(path)+".json")
	if v, ok := remembered(file, id); ok {
		v.file = id
		return v, nil
	}
	o.Log.Debug("the engine is asked for its version", "path", path)
	v, err := ask(ctx, path)
	if err != nil {
		return version{}, err
	}
	v.file = id
	if id.script {
		return v, nil // a version manager's shim may run another engine tomorrow
	}
	entry, err := json.Marshal(versionEntry{Path: path, Identity: id.String(), version: v})
	if err == nil {
		err = writeFile(file, entry, 0o600)
	}
	if err != nil {
		o.Log.Warn("the engine's version is not remembered", "error", err)
	}
	return v, nil
}

// versionEntry is the content of the file that remembers a version.
type versionEntry struct {
	Path     string `json:"path"`
	Identity string `json:"identity"`
	version
}

func remembered(file string, id identity) (version, bool) {
	content, err := os.ReadFile(file)
	if err != nil || id.script {
		return version{}, false
	}
	var entry versionEntry
	if json.Unmarshal(content, &entry) != nil || entry.Identity != id.String() {
		return version{}, false
	}
	known := entry.Name == Terraform || entry.Name == Tofu
	return entry.version, known && entry.Version != ""
}

// ask runs the binary. What `version` says to a person tells which of the two engines it is; a wrapper may know just
// `version -json`, and is then what its file's name says.
func ask(ctx context.Context, path string) (version, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, versionTimeout, fmt.Errorf("it did not answer within %v", versionTimeout))
	defer cancel()
	plain, err := output(ctx, path, "version")
	if err == nil {
		v, parseErr := parseVersion(plain)
		if parseErr == nil {
			return v, nil
		}
		err = parseErr
	}
	if ctx.Err() != nil {
		return version{}, err
	}
	text, jsonErr := output(ctx, path, "version", "-json")
	if jsonErr != nil {
		return version{}, err
	}
	v, ok := parseVersionJSON(text, filepath.Base(path))
	if !ok {
		return version{}, err
	}
	return v, nil
}

// parseVersion reads what an engine says to `version`.
func parseVersion(said string) (version, error) {
	m := firstLine.FindStringSubmatch(said)
	if m == nil {
		return version{}, fmt.Errorf("it is neither Terraform nor OpenTofu: to `version` it says %s", excerpt(said))
	}
	name := Terraform
	if m[1] == "OpenTofu" {
		name = Tofu
	}
	return version{Name: name, Version: m[2]}, nil
}

// parseVersionJSON reads what the binary of that file name says to `version -json`.
func parseVersionJSON(said, file string) (version, bool) {
	var answer struct {
		Version string `json:"terraform_version"`
	}
	if json.Unmarshal([]byte(said), &answer) != nil {
		return version{}, false
	}
	title := "Terraform"
	if strings.Contains(file, Tofu) {
		title = "OpenTofu"
	}
	v, err := parseVersion(title + " v" + answer.Version) // of the same form
	return v, err == nil
}

// output is what the binary writes to standard output when it is run with those arguments.
func output(ctx context.Context, path string, args ...string) (string, error) {
	dir, err := os.MkdirTemp("", "provisor-version-")
	if err != nil {
		return "", fmt.Errorf("ask for its version: %w", err)
	}
	defer os.RemoveAll(dir)
	p, err := exec.Start(exec.Program{
		Path: path,
		Args: args,
		// An empty configuration file: with none named, one of the home directory's is read.
		Env:         []string{"PATH=" + DefaultPath(), "HOME=" + dir, "TMPDIR=" + dir, "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE=" + os.DevNull},
		Dir:         dir,
		OutputLimit: versionOutput,
	})
	if err != nil {
		return "", fmt.Errorf("ask for its version: %w", err)
	}
	defer p.Close()
	return converse(ctx, p)
}

// converse reads what the engine says of itself.
func converse(ctx context.Context, p *exec.Process) (string, error) {
	var stdout, stderr bytes.Buffer
	buf := make([]byte, 4<<10)
	for {
		stream, n, err := p.Read(ctx, buf, -1)
		if err != nil {
			return "", fmt.Errorf("ask for its version: %w", err)
		}
		if stream == abi.Ended {
			break
		}
		if stream == abi.Stdout {
			stdout.Write(buf[:n])
		} else {
			stderr.Write(buf[:n])
		}
	}
	result, err := p.Wait(ctx)
	if err != nil {
		return "", fmt.Errorf("ask for its version: %w", err)
	}
	if result.ExitCode != 0 {
		return "", fmt.Errorf("`version` ended with %s: %s", exitStatus(result.ExitCode, result.Signal), excerpt(stderr.String()+stdout.String()))
	}
	return stdout.String(), nil
}

func exitStatus(code int32, signal string) string {
	if signal != "" {
		return "signal: " + signal
	}
	return fmt.Sprintf("exit status %d", code)
}

// excerpt is the beginning of a program's output, quoted.
func excerpt(s string) string {
	const most = 200
	s = strings.TrimSpace(s)
	if len(s) > most {
		s = s[:most] + "…"
	}
	return fmt.Sprintf("%q", s)
}

// identity tells a file from what may come to its place later.
type identity struct {
	size    int64
	modTime time.Time
	inode   string
	// script: what the file runs is somewhere else.
	script bool
}

func (i identity) String() string {
	return fmt.Sprintf("%d %s %s", i.size, i.modTime.UTC().Format(time.RFC3339Nano), i.inode)
}

func identify(path string) (identity, error) {
	f, err := os.Open(path)
	if os.IsPermission(err) {
		return identity{script: true}, nil // it may still be executable, but who knows what it is
	}
	if err != nil {
		return identity{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return identity{}, err
	}
	if !info.Mode().IsRegular() {
		return identity{}, fmt.Errorf("it is no regular file but %v", info.Mode().Type())
	}
	start := make([]byte, 2)
	n, _ := io.ReadFull(f, start)
	id := identityOf(info)
	id.script = n < 2 || string(start) == "#!"
	return id, nil
}

// identityOf is a file's identity, but for whether it is a script.
func identityOf(info fs.FileInfo) identity {
	return identity{size: info.Size(), modTime: info.ModTime(), inode: inode(info)}
}

// Replaced says whether another file has come to the place of the one that was asked for its version, which may be another engine then. Where
// there is none at the moment, or what it runs is somewhere else, it hasn't.
func (e *Engine) Replaced() bool {
	info, err := os.Stat(e.Path)
	return err == nil && !e.file.script && identityOf(info).String() != e.file.String()
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}
