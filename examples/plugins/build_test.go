package plugins_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/provisor/provisor/host"
)

// exitMissing is the exit code of a build.sh that misses a tool or a package.
const exitMissing = 3

// requireVariable is set where all the tools have to be there: a plugin that can't be built fails the tests then.
const requireVariable = "PROVISOR_REQUIRE_EXAMPLES"

// builds are the plugins that were built in this run, by directory.
var builds sync.Map

// built returns what to run the plugin of that directory from: the directory itself where the host builds it, else the .wasm file that its
// build.sh makes. The test is skipped where a tool for that is missing.
func built(t testing.TB, dir string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "plugin.hcl")); err == nil {
		return dir
	}
	build, _ := builds.LoadOrStore(dir, sync.OnceValues(func() (string, error) { return buildCached(dir) }))
	file, err := build.(func() (string, error))()
	var exit *exec.ExitError
	missing := errors.As(err, &exit) && exit.ExitCode() == exitMissing || errors.Is(err, context.DeadlineExceeded)
	if missing && os.Getenv(requireVariable) == "" {
		t.Skipf("%s can't be built here: %v", dir, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// buildCached has build.sh build the plugin, unless it was built of the same sources before.
func buildCached(dir string) (string, error) {
	cache, err := host.DefaultCacheDir()
	if err != nil {
		return "", err
	}
	workshop := filepath.Join(cache, "examples", filepath.Base(dir))
	if err := os.MkdirAll(workshop, 0o700); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	lock := flock.New(filepath.Join(workshop, "lock"))
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return "", err
	}
	defer lock.Unlock()
	key, err := digest(dir, "../../proto", "../../abi/provisor.h")
	if err != nil {
		return "", err
	}
	file := filepath.Join(workshop, key+".wasm")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	return file, build(ctx, dir, workshop, file)
}

// build makes the file, and removes those of other sources.
func build(ctx context.Context, dir, workshop, file string) error {
	old, err := filepath.Glob(filepath.Join(workshop, "*.wasm"))
	if err != nil {
		return err
	}
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "sh", filepath.Join(dir, "build.sh"), file)
	cmd.Env = append(os.Environ(), "BUILD_DIR="+filepath.Join(workshop, "build"))
	cmd.WaitDelay = 10 * time.Second
	if output, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil { // what it fetches does not come
			err = ctx.Err()
		}
		return fmt.Errorf("%s/build.sh: %w\n%s", dir, err, strings.TrimSpace(string(output)))
	}
	return nil
}

// digest is that of all the sources below the paths. What is built beside them does not count.
func digest(paths ...string) (string, error) {
	h := sha256.New()
	for _, root := range paths {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if d.Name() == ".provisor" || d.Name() == "node_modules" {
					return fs.SkipDir
				}
				return nil
			}
			if strings.HasSuffix(path, ".wasm") || strings.HasSuffix(path, ".go") || strings.HasSuffix(path, ".md") {
				return nil
			}
			return hashFile(h, path)
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

func hashFile(h io.Writer, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(h, "%s %d\n%s", path, len(content), content)
	return err
}
