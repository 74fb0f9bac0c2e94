package session

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/provisor/provisor/abi"
)

// maxString is the longest argument or variable that Linux takes (MAX_ARG_STRLEN, 32 pages of 4 KiB), less its end.
const maxString = 128<<10 - 1

// hostNames are the environment names that are always the host's, whatever is granted: they say which files a program reads, which
// code it loads, or which of its settings hold. A trailing * stands for any ending.
var hostNames = []string{
	"PATH", "HOME", "PWD", "TMPDIR", "TMP", "TEMP", "SHELL", "IFS", "ENV", "BASH_*", "XDG_*",
	"LD_*", "DYLD_*", "GODEBUG", "GOTRACEBACK", "SSL_CERT_*",
	"TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG", "TF_PLUGIN_CACHE_*", "TF_DATA_DIR", "TF_WORKSPACE", "TF_CLI_ARGS*",
	"TF_REATTACH_PROVIDERS", "TF_TEMP_LOG_PATH", "TF_LOG_PATH", "TOFU_CLI_CONFIG_FILE",
}

// checkEnv checks the variables that a plugin wants to set for a program: NAME=value, each name once, granted, and not the host's.
func checkEnv(env, grants []string) error {
	seen := make(map[string]bool, len(env))
	for i, variable := range env {
		name, _, ok := strings.Cut(variable, "=")
		if !ok || name == "" {
			return fmt.Errorf("environment variable %d: %w: want NAME=value", i, abi.Invalid)
		}
		if err := checkVariable(name, variable, grants); err != nil {
			return fmt.Errorf("environment variable %q: %w", name, err)
		}
		if seen[name] {
			return fmt.Errorf("environment variable %q: %w: it is set twice", name, abi.Invalid)
		}
		seen[name] = true
	}
	return nil
}

func checkVariable(name, variable string, grants []string) error {
	switch {
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return fmt.Errorf("%w: the name contains a blank or a control character", abi.Invalid)
	case strings.ContainsRune(variable, 0):
		return fmt.Errorf("%w: the value contains a NUL byte", abi.Invalid)
	case len(variable) > maxString:
		return fmt.Errorf("%w: %d bytes with its name, the system takes at most %d", abi.Limit, len(variable), maxString)
	case matches(strings.ToUpper(name), hostNames):
		return fmt.Errorf("%w: it is the host's to set", abi.Denied)
	case !matches(name, grants):
		return fmt.Errorf("%w: not granted to this plugin (granted: %s)", abi.Denied, strings.Join(grants, ", "))
	}
	return nil
}

// matches says whether one of the patterns is the name, or its beginning followed by a *.
func matches(name string, patterns []string) bool {
	for _, pattern := range patterns {
		prefix, open := strings.CutSuffix(pattern, "*")
		if name == pattern || open && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
