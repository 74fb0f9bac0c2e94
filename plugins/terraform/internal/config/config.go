// Package config reads a template's root module from its HCL alone, without an engine: what a ParseRequest asks for,
// and what has to be known before an engine may run on the template.
//
// Everything that it reads is hostile. The sizes, numbers and depths that the HCL parser would choke on are bounded
// before it sees them, so that no template can make a WebAssembly instance trap.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// OpenTofu is the name of the engine that reads .tofu files besides .tf files, and prefers them.
const OpenTofu = "tofu"

// readmeName is the file of the root whose content is handed out as it is.
const readmeName = "README.md"

// maxReadme bounds README.md in bytes: with everything else, the answer has to fit into one message of 4 MiB.
const maxReadme = 2 << 20

// maxAnswer bounds the text of all variables and tags in bytes, for the same reason.
const maxAnswer = 1 << 20

// Parse answers a ParseRequest from the configuration files right in dir, as the named engine would choose them. A
// directory without any is an empty answer. The README is there even if the rest is an error.
func Parse(dir, engine string) *pb.ParseComplete {
	return parse(os.DirFS(dir), engine)
}

func parse(fsys fs.FS, engine string) *pb.ParseComplete {
	answer, err := parseModule(fsys, engine)
	if err != nil {
		answer = &pb.ParseComplete{Error: printable(err.Error())}
	}
	answer.Readme, err = readReadme(fsys)
	if err != nil && answer.Error == "" {
		return &pb.ParseComplete{Error: printable(err.Error())}
	}
	return answer
}

func parseModule(fsys fs.FS, engine string) (*pb.ParseComplete, error) {
	sources, err := findSources(fsys, engine)
	if err != nil {
		return nil, fmt.Errorf("load module: %w", err)
	}
	var variables variableSet
	var tags tagSet
	err = load(fsys, sources, func(f *file) hcl.Diagnostics {
		tags.add(f)
		return variables.add(f)
	})
	if err != nil {
		return nil, err
	}
	answer := &pb.ParseComplete{TemplateVariables: variables.sorted()}
	if answer.WorkspaceTags, err = tags.merged(); err != nil {
		return nil, fmt.Errorf("load workspace tags: %w", err)
	}
	if size := textSize(answer); size > maxAnswer {
		return nil, fmt.Errorf("load module: variables and workspace tags have %d bytes of text, the limit is %d", size, maxAnswer)
	}
	return answer, nil
}

// textSize is the number of bytes in all texts of the answer.
func textSize(answer *pb.ParseComplete) int {
	size := 0
	for _, v := range answer.TemplateVariables {
		size += len(v.Name) + len(v.Description) + len(v.Type) + len(v.DefaultValue)
	}
	for key, value := range answer.WorkspaceTags {
		size += len(key) + len(value)
	}
	return size
}

// readReadme reads the README if there is one. Only one that is too big is an error: cutting it would go unnoticed.
func readReadme(fsys fs.FS) ([]byte, error) {
	content, err := readFile(fsys, readmeName, maxReadme)
	if errors.As(err, new(*tooBigError)) {
		return nil, err
	}
	if err != nil {
		return nil, nil
	}
	return content, nil
}

// printable makes a text fit for a protobuf string, which has to be UTF-8.
func printable(text string) string {
	return strings.ToValidUTF8(text, "\uFFFD")
}
