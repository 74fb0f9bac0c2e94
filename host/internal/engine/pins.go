package engine

import (
	"embed"
	"io/fs"
	"path/filepath"
)

// The module files that what is built here was pinned and tidied with. They are plain files, since a nested module would not travel
// with `go install`.
//
//go:embed pins
var pinned embed.FS

// pin is a main package of another module, with the module files that fix all it is built from.
type pin struct {
	// dir is the directory below pins that holds go.mod.txt, go.sum.txt and tools.go.txt.
	dir string
	// module at version contains pkg.
	module, version, pkg string
	// packages is about how many packages are compiled when nothing is cached, for a person who waits.
	packages int
	// ldflags are the linker's flags beside those that leave out the symbols.
	ldflags string
}

// tofuPin is the OpenTofu that stands in where no engine is installed.
var tofuPin = pin{
	dir:     "tofu",
	module:  "github.com/opentofu/opentofu",
	version: "v1.12.6",
	pkg:     "github.com/opentofu/opentofu/cmd/tofu",

	packages: 1780, // go list -deps
	// Without this it calls itself 1.12.6-dev, which no version constraint takes for a release.
	ldflags: "-X github.com/opentofu/opentofu/version.dev=no",
}

// providerPins are the providers that are built from pinned modules.
var providerPins = []pin{{
	dir:     "coder",
	module:  "github.com/coder/terraform-provider-coder/v2",
	version: "v2.20.0",
	pkg:     "github.com/coder/terraform-provider-coder/v2",

	packages: 440,
}}

// digest tells this pin from any other, and from an older or newer one of the same name.
func (p pin) digest() (string, error) {
	all := p.pkg + "@" + p.version + " " + p.ldflags
	for _, name := range pinFiles {
		content, err := p.file(name)
		if err != nil {
			return "", err
		}
		all += "\n" + string(content)
	}
	return hash(all), nil
}

var pinFiles = []string{"go.mod", "go.sum", "tools.go"}

func (p pin) file(name string) ([]byte, error) {
	return fs.ReadFile(pinned, "pins/"+p.dir+"/"+name+".txt")
}

// write writes the module files into dir.
func (p pin) write(dir string) error {
	for _, name := range pinFiles {
		content, err := p.file(name)
		if err == nil {
			err = writeFile(filepath.Join(dir, name), content, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
