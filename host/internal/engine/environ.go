package engine

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/provisor/provisor/host/internal/engine/providercache"
)

// Dirs are the places that one session's engine uses, as absolute paths; Engine.Prepare makes them.
type Dirs struct {
	// Home is HOME, Tmp is TMPDIR.
	Home, Tmp string
	// CLIConfig is the CLI configuration file, outside of what the template can write.
	CLIConfig string
	// Shelf has providers from the inits of earlier sessions, and gets those of this one; nil = there is none.
	Shelf *providercache.Shelf
	// Group is the group that reads CLIConfig beside its owner; 0 = none.
	Group int
}

// collectorTarget has engines and providers, which live for a second and keep little, spend less of that on collecting garbage. Where
// their memory is limited, one that has half of that collects as often as it must.
const collectorTarget = "400"

// DefaultPath is the engine's PATH unless the operator sets one: the system's own directories, whatever the daemon's is. Templates run
// the usual tools.
func DefaultPath() string {
	switch runtime.GOOS {
	case "windows":
		root := os.Getenv("SYSTEMROOT")
		return strings.Join([]string{root + `\System32`, root, root + `\System32\Wbem`, root + `\System32\WindowsPowerShell\v1.0`}, ";")
	case "darwin":
		return "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
	}
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}

// Environ is the environment of one run of the engine, built from nothing and sorted: what the operator lets through, over
// it extra (NAME=VALUE, the plugin's) but for reserved names, over it what is always the host's. memory is how many bytes the run
// may have; 0 = any number.
func (e *Engine) Environ(dirs Dirs, extra []string, memory uint64) []string {
	env := map[string]string{
		"PATH":             DefaultPath(),
		"TF_IN_AUTOMATION": "1",
		"TF_INPUT":         "0",
		"GOGC":             collectorTarget,
	}
	if memory > 0 {
		env["GOMEMLIMIT"] = strconv.FormatUint(memory/2, 10)
	}
	for _, v := range e.passed {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	for _, v := range extra {
		if name, value, ok := strings.Cut(v, "="); ok && !Reserved(name) {
			env[name] = value
		}
	}
	env["HOME"] = dirs.Home
	env["TMPDIR"] = dirs.Tmp
	env["CHECKPOINT_DISABLE"] = "1"
	if runtime.GOOS == "windows" {
		env["USERPROFILE"], env["APPDATA"] = dirs.Home, filepath.Join(dirs.Home, "AppData", "Roaming")
		env["TEMP"], env["TMP"] = dirs.Tmp, dirs.Tmp
	}
	if _, ok := env["TF_CLI_CONFIG_FILE"]; !ok {
		env["TF_CLI_CONFIG_FILE"] = dirs.CLIConfig
	}
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// Reserved reports whether a variable is none of a plugin's business, whatever it was granted: it would make the engine read or run
// something else.
func Reserved(name string) bool {
	switch name {
	case "PATH", "TERRAFORM_CONFIG", "TF_CLI_CONFIG_FILE", "TF_DATA_DIR", "TF_WORKSPACE", "TF_LOG_PATH", "TF_REATTACH_PROVIDERS":
		return true
	}
	for _, prefix := range []string{"LD_", "DYLD_", "TF_CLI_ARGS"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains(hostsOwn, name)
}

// hostsOwn are the variables that differ from session to session: no operator can set them for all.
var hostsOwn = []string{"HOME", "TMPDIR", "TEMP", "TMP", "USERPROFILE", "APPDATA", "TF_PLUGIN_CACHE_DIR"}

// With is the engine with more that the operator lets through, over what it has: NAME=VALUE, as ResolveEnv returns it.
func (e *Engine) With(env []string) *Engine {
	if len(env) == 0 {
		return e
	}
	more := *e
	more.passed = slices.DeleteFunc(slices.Clone(e.passed), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.ContainsFunc(env, func(own string) bool { return strings.HasPrefix(own, name+"=") })
	})
	more.passed = append(more.passed, env...)
	slices.Sort(more.passed)
	return &more
}

// ResolveEnv turns what the operator lets through (NAME or NAME=VALUE) into NAME=VALUE, with the values of this process where none is given.
func ResolveEnv(operator []string) ([]string, error) { return resolveEnv(operator, os.LookupEnv) }

// resolveEnv turns what the operator lets through (NAME or NAME=VALUE) into NAME=VALUE; a later one replaces an earlier one.
// Names that the daemon does not have are left out.
func resolveEnv(operator []string, lookup func(string) (string, bool)) ([]string, error) {
	env := map[string]string{}
	for _, v := range operator {
		name, value, set := strings.Cut(v, "=")
		switch {
		case name == "" || strings.ContainsRune(v, 0):
			return nil, fmt.Errorf("engine environment: %q is neither NAME nor NAME=VALUE", v)
		case slices.Contains(hostsOwn, name):
			return nil, fmt.Errorf("engine environment: %s can't be let through: each session has its own", name)
		case strings.HasPrefix(name, "CODER_"):
			return nil, fmt.Errorf("engine environment: %s can't be let through: the CODER_ variables are each session's own", name)
		}
		if !set {
			if value, set = lookup(name); !set {
				continue
			}
		}
		env[name] = value
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list, nil
}

// Notices are the lines that a session logs, at WARN, when a request first runs the engine: the TF_ variables that the
// operator lets through.
func (e *Engine) Notices() []string { return Notices(e.passed) }

// shownValues are the TF_ variables whose values hold no secrets.
var shownValues = []string{
	"TF_LOG", "TF_LOG_PATH", "TF_INPUT", "TF_DATA_DIR", "TF_WORKSPACE", "TF_IN_AUTOMATION",
	"TF_REGISTRY_DISCOVERY_RETRY", "TF_REGISTRY_CLIENT_TIMEOUT", "TF_CLI_CONFIG_FILE", "TF_IGNORE",
}

// Notices says what a user must know of an environment (NAME=VALUE), sorted: each TF_ variable that is in it.
func Notices(env []string) []string {
	var lines []string
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "TF_") {
			continue
		}
		if !slices.Contains(shownValues, name) {
			value = "<value redacted>"
		}
		lines = append(lines, fmt.Sprintf("terraform environment variable: %s=%s", name, value))
	}
	slices.Sort(lines)
	return lines
}
