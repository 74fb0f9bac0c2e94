package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/provisor/provisor/host/internal/engine/providercache"
)

// Parts of a provider's address, as registries allow them; a host may have a port.
var (
	addressHost = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[0-9]{1,5})?$`)
	addressPart = regexp.MustCompile(`^[0-9a-z](?:[0-9a-z_-]*[0-9a-z])?$`)
)

// checkMirrors makes the paths absolute and sees that the directories are there.
func checkMirrors(dirs []string) ([]string, error) {
	var mirrors []string
	for _, dir := range dirs {
		dir, err := filepath.Abs(dir)
		if err != nil {
			return nil, fmt.Errorf("provider mirror: %w", err)
		}
		info, err := os.Stat(dir)
		if err != nil {
			return nil, fmt.Errorf("provider mirror: %w", err)
		}
		if !info.IsDir() {
			return nil, fmt.Errorf("provider mirror %s: it is not a directory", dir)
		}
		mirrors = append(mirrors, dir)
	}
	return mirrors, nil
}

// cliConfig is the engine's CLI configuration: providers that a mirror has come from the first one that has them, all others from
// their registries, or from the shelf if it has the version. i says what of that an init may use; nil = nothing. It is in HCL's first version,
// whose texts are quoted as Go's; hclwrite quotes for the second, and each session would wait for it twice.
func (e *Engine) cliConfig(shelf *providercache.Shelf, i *providercache.Install) ([]byte, error) {
	b := []byte("disable_checkpoint = true\nprovider_installation {\n")
	var mirrored []string
	for _, dir := range e.mirrors {
		providers, err := mirroredProviders(dir)
		if err != nil {
			return nil, fmt.Errorf("provider mirror %s: %w", dir, err)
		}
		providers = slices.DeleteFunc(providers, func(p string) bool { return slices.Contains(mirrored, p) })
		if len(providers) == 0 {
			continue
		}
		mirrored = append(mirrored, providers...)
		b = appendMirror(b, dir, providers)
	}
	elsewhere := mirrored
	if i != nil {
		inMirror := func(p string) bool { return slices.Contains(mirrored, p) }
		if offer := slices.DeleteFunc(slices.Clone(i.Offer), inMirror); len(offer) > 0 {
			b = appendMirror(b, shelf.Mirror(), offer)
		}
		elsewhere = append(elsewhere, slices.DeleteFunc(slices.Clone(i.Pinned), inMirror)...)
	}
	b = append(b, "  direct {\n"...)
	if len(elsewhere) > 0 {
		// Without this the engine asks the registry for more versions, and fails where there is no network.
		b = append(appendList(append(b, "    exclude = "...), elsewhere), '\n')
	}
	return append(b, "  }\n}\n"...), nil
}

// appendMirror appends the block of a mirror, for those of its providers.
func appendMirror(b []byte, dir string, providers []string) []byte {
	b = strconv.AppendQuote(append(b, "  filesystem_mirror {\n    path    = "...), dir)
	return append(appendList(append(b, "\n    include = "...), providers), "\n  }\n"...)
}

func appendList(b []byte, ss []string) []byte {
	b = append(b, '[')
	for i, s := range ss {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = strconv.AppendQuote(b, s)
	}
	return append(b, ']')
}

// mirroredProviders lists the addresses, HOST/NAMESPACE/NAME, of the directories of a mirror. What has no address's form is
// passed over, as the engines do.
func mirroredProviders(dir string) ([]string, error) {
	var providers []string
	err := walkMirror(dir, "", 3, func(path string, _ fs.DirEntry) {
		if checkAddress(path) == nil {
			providers = append(providers, path)
		}
	})
	if errors.Is(err, fs.ErrNotExist) { // the cache's own, to which nothing was added yet
		err = nil
	}
	return providers, err
}

// walkMirror calls f for what is in a mirror below a path, at most so many levels. It follows links, as the engines do, and passes over what it
// can't look into, but for the path itself.
func walkMirror(mirror, below string, levels int, f func(path string, e fs.DirEntry)) error {
	entries, err := os.ReadDir(filepath.Join(mirror, below))
	for _, e := range entries {
		path := path.Join(below, e.Name())
		f(path, e)
		if levels > 1 && !e.Type().IsRegular() {
			_ = walkMirror(mirror, path, levels-1, f)
		}
	}
	return err
}

// checkAddress says what is wrong with a provider's address, HOST/NAMESPACE/NAME.
func checkAddress(address string) error {
	parts := strings.Split(address, "/")
	if len(parts) != 3 || !addressHost.MatchString(parts[0]) || !addressPart.MatchString(parts[1]) || !addressPart.MatchString(parts[2]) {
		return fmt.Errorf("provider address %q: want HOST/NAMESPACE/NAME in lower case, such as registry.terraform.io/coder/coder", address)
	}
	return nil
}
