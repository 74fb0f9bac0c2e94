package snippet_test

import (
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/snippet"
)

// TestMessages: what the guides say that the host or the SDK says, one of them can say.
func TestMessages(t *testing.T) {
	root := project(t)
	said := literals(t, root, "host", "sdk-guest", "abi")
	messages := column(t, "message")
	if len(messages) < 30 {
		t.Errorf("%d messages were found in all guides: that can't be all", len(messages))
	}
	for _, m := range messages {
		if missing := unsaid(m.Code, said); missing != "" {
			t.Errorf("%s: nobody says %q", m, missing)
		}
	}
}

func TestMessagesThatAreWrong(t *testing.T) {
	const said = "it lacks the export %s\nexited with code %d\n"
	for message, want := range map[string]string{
		"it lacks the export …": "", "… with code …": "", "it lacks the import …": "it lacks the import", "exited … quickly": " quickly", "": "message",
	} {
		if got := unsaid(message, said); got != want {
			t.Errorf("%q: %q is missing, want %q", message, got, want)
		}
	}
}

// unsaid is the first part of a message that is not among the texts. Between its parts, at each "…", anything may stand.
func unsaid(message, said string) string {
	if message == "" {
		return "message"
	}
	for part := range strings.SplitSeq(message, "…") {
		if strings.TrimSpace(part) != "" && !strings.Contains(said, strings.TrimRight(part, " ")) {
			return strings.TrimRight(part, " ")
		}
	}
	return ""
}

// literals are the strings in the sources below the directories, but for tests.
func literals(t *testing.T, root string, dirs ...string) string {
	t.Helper()
	var out strings.Builder
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			var s scanner.Scanner
			files := token.NewFileSet()
			s.Init(files.AddFile(path, -1, len(source)), source, nil, 0)
			for {
				_, tok, text := s.Scan()
				if tok == token.EOF {
					return nil
				}
				if value, err := strconv.Unquote(text); err == nil && tok == token.STRING {
					out.WriteString(value + "\n")
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// column are the first cells of all tables of the project's pages that begin with that heading.
func column(t *testing.T, heading string) (cells []snippet.Block) {
	t.Helper()
	forPages(t, func(page string, source []byte) { cells = append(cells, snippet.Column(page, source, heading)...) })
	return cells
}

// TestLimits: the guide lists the limits that there are, with their defaults.
func TestLimits(t *testing.T) {
	const page = "sdk-guest/guides/limits.md"
	source, err := os.ReadFile(filepath.Join(project(t), filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	for _, cell := range snippet.Column(page, source, "limit") {
		listed[cell.Code] = true
	}
	host.DefaultLimits().ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		value := fmt.Sprint(v.Uint())
		switch name := string(f.Name()); {
		case strings.HasSuffix(name, "_millis"):
			value = strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace((time.Duration(v.Uint()) * time.Millisecond).String())
		case strings.Contains(name, "bytes") && v.Uint()%(1<<30) == 0:
			value = fmt.Sprintf("%d GiB", v.Uint()>>30)
		case strings.Contains(name, "bytes"):
			value = fmt.Sprintf("%d MiB", v.Uint()>>20)
		}
		if row := fmt.Sprintf("| `%s` | %s |", f.Name(), value); !strings.Contains(string(source), row) {
			t.Errorf("%s has no row %s", page, row)
		}
		delete(listed, string(f.Name()))
		return true
	})
	for name := range listed {
		t.Errorf("%s has the limit %s, which the host does not set", page, name)
	}
}
