package config

import (
	"io/fs"
	"os"

	"github.com/hashicorp/hcl/v2"
)

// CallsModules reports whether the root module in dir calls others, as the named engine reads it. One that can't be read may.
func CallsModules(dir, engine string) bool {
	return callsModules(os.DirFS(dir), engine)
}

func callsModules(fsys fs.FS, engine string) bool {
	sources, err := findSources(fsys, engine)
	if err != nil {
		return true
	}
	calls := false
	err = load(fsys, sources, func(f *file) hcl.Diagnostics {
		calls = calls || len(f.content.Blocks.OfType("module")) > 0
		return nil
	})
	return calls || err != nil
}
