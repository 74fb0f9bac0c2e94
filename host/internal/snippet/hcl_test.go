package snippet_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"

	"github.com/provisor/provisor/host/internal/config"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/snippet"
	"github.com/provisor/provisor/proto/guestpb"
)

// TestHCL reads manifests as plugins are built with them, and what has blocks in it or is noted to be a "configuration" as a daemon does.
func TestHCL(t *testing.T) {
	for _, b := range blocks(t) {
		check := checkManifest
		if b.Note == "configuration" || strings.Contains(b.Code, "{\n") || strings.Contains(b.Code, "{ ") {
			check = checkConfiguration
		}
		if b.Language == "hcl" {
			if err := check(t, b); err != nil {
				t.Error(err)
			}
		}
	}
}

// checkConfiguration takes for granted that the files are there that a configuration names.
func checkConfiguration(t *testing.T, b snippet.Block) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "provisor.hcl")
	if err := os.WriteFile(file, []byte(b.Code), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(file)
	var problems config.Problems
	if !errors.As(err, &problems) {
		return err
	}
	var wrong []error
	for _, p := range problems {
		if !strings.Contains(p.Text, "no such file") {
			wrong = append(wrong, fmt.Errorf("%s: %s", b, p))
		}
	}
	return errors.Join(wrong...)
}

// checkManifest fills in what every manifest has and a page may leave out.

func checkManifest(t *testing.T, b snippet.Block) error {
	t.Helper()
	content := b.Code
	for name, value := range map[string]string{"name": `"snippet"`, "version": `"1.0.0"`, "requests": `["init"]`} {
		if !regexp.MustCompile(`(?m)^` + name + `\s*=`).MatchString(content) {
			content += name + " = " + value + "\n"
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, plugin.SourceFile), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := plugin.SourceManifest(dir); err != nil {
		return fmt.Errorf("%s: %w", b, err)
	}
	return nil
}

func TestHCLThatIsWrong(t *testing.T) {
	for code, want := range map[string]string{
		"no_such_setting = 1":    "no_such_setting",
		"concurrency = \"many\"": "a number is required",
	} {
		if err := checkConfiguration(t, snippet.Find("page.md", []byte("```hcl\n"+code+"\n```\n"))[0]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want %q", code, err, want)
		}
	}
	for code, want := range map[string]string{
		"programs = terraform":          "Variables may not be used",
		"program = [\"terraform\"]":     "program",
		"env = [\"TF VAR\"]":            "TF VAR",
		"version = \"1\"":               "semantic version",
		"requests = [\"provision\"]":    "provision",
		"keep_files = [\"/etc/hosts\"]": "relative path",
	} {
		if err := checkManifest(t, snippet.Find("page.md", []byte("```hcl\n"+code+"\n```\n"))[0]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want %q", code, err, want)
		}
	}
}

// TestManifestTexts reads manifests in the text of protobuf, as authors in other languages write them.
func TestManifestTexts(t *testing.T) {
	for _, b := range blocks(t) {
		if b.Language == "textproto" {
			if err := prototext.Unmarshal([]byte(b.Code), new(guestpb.Manifest)); err != nil {
				t.Errorf("%s: %v", b, err)
			}
		}
	}
}
