package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/exec"
)

// errNoGo is why nothing can be built.
var errNoGo = errors.New("there is no Go toolchain to build it with (no go command on the PATH)")

// goTool is the Go command, with an environment in which it builds what is pinned and nothing else.
type goTool struct {
	path string
	env  []string
}

// findGo finds the Go command. What it needs to keep goes below cacheDir where the user has no place for it.
func findGo(cacheDir string) (*goTool, error) {
	path, err := osexec.LookPath("go")
	if err != nil {
		return nil, errNoGo
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	return &goTool{path: path, env: goEnv(cacheDir, os.LookupEnv)}, nil
}

// goEnv is the Go command's environment: where modules come from and where things are kept is the user's business, how they are
// compiled is not.
func goEnv(cacheDir string, lookup func(string) (string, bool)) []string {
	var env []string
	has := map[string]bool{}
	for _, name := range []string{
		"PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
		"GOROOT", "GOENV", "GOPATH", "GOMODCACHE", "GOCACHE", "GOTMPDIR", "GOMAXPROCS",
		"GOPROXY", "GOPRIVATE", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOAUTH", "GOVCS", "NETRC",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"USERPROFILE", "LOCALAPPDATA", "APPDATA", "TEMP", "TMP", "SYSTEMROOT", "COMSPEC", "PATHEXT",
	} {
		if value, ok := lookup(name); ok && value != "" {
			env = append(env, name+"="+value)
			has[name] = true
		}
	}
	home := has["HOME"] || has["USERPROFILE"]
	if !home && !has["GOPATH"] {
		env = append(env, "GOPATH="+filepath.Join(cacheDir, "go"))
	}
	if !has["GOCACHE"] && !has["XDG_CACHE_HOME"] && !has["LOCALAPPDATA"] && !home {
		env = append(env, "GOCACHE="+filepath.Join(cacheDir, "go", "build"))
	}
	// GOFLAGS is not empty since an empty one leaves it to the user's `go env -w`. With GOTOOLCHAIN=auto a Go that is too
	// old for what is built fetches the right one.
	return append(env, "GOFLAGS=-mod=readonly", "GOWORK=off", "GO111MODULE=on", "GOTOOLCHAIN=auto", "CGO_ENABLED=0",
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
}

// run runs the Go command in dir and returns its standard output. Each line of its standard error is handed to seen.
func (g *goTool) run(ctx context.Context, dir string, seen func(line string), args ...string) (string, error) {
	p, err := exec.Start(exec.Program{
		Path: g.path, Args: args, Env: append(g.env, "PWD="+dir), Dir: dir,
		OutputLimit: 64 << 20, ExitTimeout: 5 * time.Second,
	})
	if err != nil {
		return "", err
	}
	defer p.Close()
	var stdout bytes.Buffer
	stderr := lines{each: seen}
	buf := make([]byte, 32<<10)
	for {
		stream, n, err := p.Read(ctx, buf, -1)
		if err != nil {
			return "", fmt.Errorf("go %s: %w", args[0], err)
		}
		if stream == abi.Ended {
			break
		}
		if stream == abi.Stdout {
			stdout.Write(buf[:n])
		} else {
			stderr.write(buf[:n])
		}
	}
	result, err := p.Wait(ctx)
	if err != nil {
		return "", fmt.Errorf("go %s: %w", args[0], err)
	}
	if result.ExitCode != 0 {
		return "", fmt.Errorf("go %s: %s: %s", args[0], exitStatus(result.ExitCode, result.Signal), stderr.end())
	}
	return stdout.String(), nil
}

// lines cuts a stream into lines and remembers the last ones.
type lines struct {
	each func(string)
	rest string
	last []string
}

func (l *lines) write(b []byte) {
	l.rest += string(b)
	for {
		line, rest, ok := strings.Cut(l.rest, "\n")
		if !ok {
			return
		}
		l.rest = rest
		l.add(line)
	}
}

func (l *lines) add(line string) {
	const most = 20
	l.each(line)
	if strings.HasPrefix(line, "go: downloading ") {
		return // of no interest to who asks what went wrong
	}
	l.last = append(l.last, line)
	if len(l.last) > most {
		l.last = l.last[1:]
	}
}

// end is the last lines.
func (l *lines) end() string {
	if l.rest != "" {
		l.add(l.rest)
		l.rest = ""
	}
	return strings.TrimSpace(strings.Join(l.last, "\n"))
}
