package session

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/provisor/provisor/abi"
)

var terraformEnv = []string{"TF_VAR_*", "TF_LOG", "CODER_*"}

func TestCheckEnv(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  []string
		want abi.Errno
		text string
	}{
		{"none", nil, 0, ""},
		{"granted", []string{"TF_VAR_a=b", "TF_LOG=JSON", "CODER_WORKSPACE_NAME="}, 0, ""},
		{"value with everything in it", []string{"CODER_X= = \n\t=ä\x01"}, 0, ""},
		{"an id in the name", []string{"CODER_EXTERNAL_AUTH_ACCESS_TOKEN_my-git.example=t"}, 0, ""},
		{"just the prefix", []string{"CODER_=x"}, 0, ""},
		{"not granted", []string{"CODER_A=1", "AWS_SECRET=x"}, abi.Denied, `environment variable "AWS_SECRET": denied: not granted`},
		{"prefix of a granted one", []string{"TF_LO=x"}, abi.Denied, "not granted"},
		{"longer than a granted one", []string{"TF_LOG_PATH_X=x"}, abi.Denied, "not granted"},
		{"lower case", []string{"coder_x=x"}, abi.Denied, "not granted"},
		{"no value", []string{"CODER_A"}, abi.Invalid, "environment variable 0: invalid argument: want NAME=value"},
		{"no name", []string{"=x"}, abi.Invalid, "NAME=value"},
		{"empty", []string{""}, abi.Invalid, "NAME=value"},
		{"NUL in the value", []string{"CODER_A=a\x00LD_PRELOAD=x"}, abi.Invalid, "NUL"},
		{"NUL in the name", []string{"CODER_A\x00=a"}, abi.Invalid, "control character"},
		{"newline in the name", []string{"CODER_A\nLD_PRELOAD=a"}, abi.Invalid, "control character"},
		{"blank in the name", []string{"CODER_A =a"}, abi.Invalid, "blank"},
		{"twice", []string{"CODER_A=1", "CODER_B=1", "CODER_A=2"}, abi.Invalid, `"CODER_A": invalid argument: it is set twice`},
		{"too long", []string{"CODER_A=" + strings.Repeat("x", 128<<10)}, abi.Limit, "131080 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := checkEnv(tt.env, terraformEnv)
			if abi.ErrnoOf(err) != tt.want || !strings.Contains(fmt.Sprint(err), tt.text) {
				t.Errorf("got %v, want %v with %q", err, tt.want, tt.text)
			}
		})
	}
}

func TestTheHostsNames(t *testing.T) {
	for _, name := range []string{
		"PATH", "HOME", "TMPDIR", "LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG",
		"TF_PLUGIN_CACHE_DIR", "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE", "TF_DATA_DIR", "TF_WORKSPACE", "TF_CLI_ARGS",
		"TF_CLI_ARGS_plan", "TF_REATTACH_PROVIDERS", "TF_LOG_PATH", "path", "Ld_Preload", "BASH_ENV", "GODEBUG",
	} {
		// Not even an operator who grants everything grants these.
		err := checkEnv([]string{name + "=x"}, []string{"*"})
		if !errors.Is(err, abi.Denied) || !strings.Contains(err.Error(), "the host's") {
			t.Errorf("%s: got %v, want it to be the host's", name, err)
		}
	}
	if err := checkEnv([]string{"TF_VAR_path=x", "PATHS=x"}, []string{"*"}); err != nil {
		t.Error(err)
	}
}

func FuzzCheckEnv(f *testing.F) {
	f.Add("CODER_A=b", "TF_VAR_x=1")
	f.Add("LD_PRELOAD=x", "=")
	f.Add("CODER_A\x00=b", "")
	f.Fuzz(func(t *testing.T, a, b string) {
		if checkEnv([]string{a, b}, terraformEnv) != nil {
			return
		}
		for _, variable := range []string{a, b} {
			name, _, ok := strings.Cut(variable, "=")
			granted := strings.HasPrefix(name, "TF_VAR_") || name == "TF_LOG" || strings.HasPrefix(name, "CODER_")
			if !ok || !granted || strings.ContainsRune(variable, 0) || a == b {
				t.Errorf("%q passed", variable)
			}
		}
	})
}

func TestResolveDir(t *testing.T) {
	work := t.TempDir()
	for _, dir := range []string{"modules/a", "..a"} {
		if err := os.MkdirAll(filepath.Join(work, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(work, "main.tf"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"out": "/", "up": "..", "in": "modules", "nowhere": "gone"} {
		if err := os.Symlink(target, filepath.Join(work, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		dir, want string
		errno     abi.Errno
	}{
		{"", ".", 0},
		{".", ".", 0},
		{"modules/a", "modules/a", 0},
		{"..a", "..a", 0},
		{"in/a", "in/a", 0},
		{"./modules//a/", "modules/a", 0},
		{"modules/../..a", "..a", 0},
		{"..", "", abi.Invalid},
		{"modules/../..", "", abi.Invalid},
		{"/", "", abi.Invalid},
		{"/work", "", abi.Invalid},
		{"/modules", "", abi.Invalid},
		{"../" + filepath.Base(work), "", abi.Invalid},
		{"a\x00b", "", abi.Invalid},
		{"out", "", abi.Denied},
		{"out/etc", "", abi.Denied},
		{"up", "", abi.Denied},
		{"nowhere", "", abi.NotFound},
		{"gone", "", abi.NotFound},
		{"main.tf", "", abi.Invalid},
	} {
		t.Run(tt.dir, func(t *testing.T) {
			got, err := resolveDir(work, tt.dir)
			if abi.ErrnoOf(err) != tt.errno {
				t.Fatalf("got %q, %v, want %v", got, err, tt.errno)
			}
			if want := filepath.Join(work, tt.want); err == nil && cmp.Diff(want, got) != "" {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}
