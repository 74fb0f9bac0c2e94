// Package modules reads what the engine installed below .terraform/modules: the list of modules, and their files as an
// archive that is the same, byte for byte, whenever the modules are.
package modules

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

const (
	// installed is where the engine puts the modules that it fetched, below the work directory.
	installed = ".terraform/modules"
	// manifestName is the engine's own list of them.
	manifestName = installed + "/modules.json"
	// maxManifest bounds that list in bytes. An entry takes about 150.
	maxManifest = 1 << 20
)

// List returns the modules that the engine's manifest names, the root aside, in its order. A manifest that is missing
// or can't be read is none.
func List(work string) []*pb.Module {
	var list []*pb.Module
	for _, m := range readManifest(work).modules {
		if m.Source == "" {
			continue
		}
		list = append(list, &pb.Module{Source: m.Source, Version: m.Version, Key: m.Key, Dir: m.Dir})
	}
	return list
}

// A manifest is the engine's list and the bytes that it was read from.
type manifest struct {
	modules []module
	bytes   []byte
}

type module struct {
	Key     string
	Source  string
	Version string
	Dir     string
}

func readManifest(work string) manifest {
	content, err := readManifestFile(work)
	if err != nil {
		return manifest{}
	}
	var read struct{ Modules []module }
	if json.Unmarshal(content, &read) != nil {
		return manifest{}
	}
	return manifest{read.Modules, content}
}

func readManifestFile(work string) ([]byte, error) {
	if !isPlainDir(work, installed) {
		return nil, os.ErrNotExist
	}
	name := filepath.Join(work, filepath.FromSlash(manifestName))
	info, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxManifest {
		return nil, os.ErrInvalid
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err == nil && len(content) > maxManifest {
		err = errors.New("the manifest is too long")
	}
	return content, err
}

// archived is the directory of a module whose files belong into the archive: one that the engine fetched. The others
// lie within the template, or wherever a made-up manifest says.
func archived(m module) (dir string, ok bool) {
	dir = path.Clean(m.Dir)
	if !strings.HasPrefix(dir, installed+"/") || !filepath.IsLocal(filepath.FromSlash(dir)) {
		return "", false
	}
	return dir, !slices.Contains(strings.Split(dir, "/"), ".git")
}

// isPlainDir tells whether dir is a directory that is reached from work through directories alone, no links.
func isPlainDir(work, dir string) bool {
	at := work
	for element := range strings.SplitSeq(dir, "/") {
		at = filepath.Join(at, element)
		info, err := os.Lstat(at)
		if err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}
