package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"provisor": main})
}

// TestScripts runs the command line as a person would: each file in testdata/script is a session in a shell.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	// To build it takes minutes. Other tests may do so meanwhile, and a script must get one answer.
	built, err := filepath.Glob(filepath.Join(cache, "provisor", "engines", "opentofu-*", "tofu"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("ROOT", root)
			// What takes minutes to make is shared; what a run leaves is not.
			env.Setenv("PROVISOR_CACHE_DIR", filepath.Join(cache, "provisor"))
			env.Setenv("GOCACHE", filepath.Join(cache, "go-build"))
			env.Setenv("GOMODCACHE", goEnv(t, "GOMODCACHE"))
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			return os.MkdirAll(filepath.Join(env.WorkDir, "home"), 0o700)
		},
		Condition: func(condition string) (bool, error) {
			if condition != "opentofu" {
				return false, fmt.Errorf("there is no condition %s", condition)
			}
			return len(built) > 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"json":      jsonCommand,
			"waitfile":  waitFile,
			"code":      codeCommand,
			"certs":     certsCommand,
			"listening": listeningCommand,
			"grepped":   greppedCommand,
			"record":    recordCommand,
		},
	})
}

// goEnv asks the Go command for a setting.
func goEnv(t *testing.T, name string) string {
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// codeCommand is "code N provisor ...": the program must exit with N.
func codeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND ...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// jsonCommand is "json FILE keys k1 k2 ...", or "json FILE PATH REGEXP" with PATH like plan.resources.0.name.
func jsonCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: json FILE keys K... | json FILE PATH REGEXP")
	}
	content := []byte(ts.ReadFile(args[0]))
	if args[1] == "keys" {
		if keys := keysInOrder(ts, content); slices.Equal(keys, args[2:]) == neg {
			ts.Fatalf("keys are %q, want %q", keys, args[2:])
		}
		return
	}
	var document any
	ts.Check(json.Unmarshal(content, &document))
	value := lookUp(document, strings.Split(args[1], "."))
	if regexp.MustCompile(args[2]).MatchString(value) == neg {
		ts.Fatalf("%s is %s, want %s", args[1], value, args[2])
	}
}

func keysInOrder(ts *testscript.TestScript, content []byte) []string {
	decoder := json.NewDecoder(bytes.NewReader(content))
	_, err := decoder.Token()
	ts.Check(err)
	var keys []string
	for decoder.More() {
		key, err := decoder.Token()
		ts.Check(err)
		keys = append(keys, key.(string))
		var value json.RawMessage
		ts.Check(decoder.Decode(&value))
	}
	_, err = decoder.Token()
	ts.Check(err)
	return keys
}

func lookUp(document any, path []string) string {
	for _, element := range path {
		switch v := document.(type) {
		case map[string]any:
			document = v[element]
		case []any:
			var i int
			if _, err := fmt.Sscan(element, &i); err != nil || i >= len(v) {
				return "<missing>"
			}
			document = v[i]
		default:
			return "<missing>"
		}
	}
	switch v := document.(type) {
	case nil:
		return "<missing>"
	case string:
		return v
	}
	out, err := json.Marshal(document)
	if err != nil {
		return "<missing>"
	}
	return string(out)
}

// waitFile is "waitfile PATTERN": waits until such a file is there.
func waitFile(ts *testscript.TestScript, neg bool, args []string) {
	waitFor(ts, args[0]+" did not appear", func() bool {
		found, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		return len(found) > 0
	})
}

// recordCommand is "record STATUS NAME": waits until there is one recovery record, with that status, and puts its ID into $NAME.
func recordCommand(ts *testscript.TestScript, neg bool, args []string) {
	waitFor(ts, "there is no such record", func() bool {
		ts.Check(ts.Exec("provisor", "recover", "list", "--json"))
		var records []struct{ ID, Status string }
		ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &records))
		if len(records) != 1 || records[0].Status != args[0] {
			return false
		}
		ts.Setenv(args[1], records[0].ID)
		return true
	})
}

// patience is how long a script waits for anything; a machine under load is slow, and a plugin may have to be built first.
const patience = 6 * time.Minute

// waitFor waits until it is done. Otherwise it says so, and shows the files.
func waitFor(ts *testscript.TestScript, otherwise string, done func() bool, files ...string) {
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			for _, file := range files {
				content, err := os.ReadFile(ts.MkAbs(file))
				ts.Logf("[%s] %v\n%s", file, err, content)
			}
			ts.Fatalf("%s", otherwise)
		}
	}
}

// greppedCommand is "grepped FILE TEXT": waits until the text is in the file.
func greppedCommand(ts *testscript.TestScript, neg bool, args []string) {
	waitFor(ts, args[0]+" does not come to have "+args[1], func() bool {
		content, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && bytes.Contains(content, []byte(args[1]))
	}, args[0])
}

// readyAddress finds the address in a daemon's log in JSON, or nothing.
func readyAddress(log []byte) string {
	for line := range bytes.Lines(log) {
		var entry struct{ Msg, Listen string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "ready" {
			return entry.Listen
		}
	}
	return ""
}
