package plugin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// stampFile is in a workshop.
const stampFile = "stamp"

// stamp is what a build looked at, as it was then: as long as all of it is the same the build would make what it made. The Go command
// knows that better, but takes a fifth of a second to say so.
type stamp struct {
	// Environment is a digest of the variables that the Go command heeds.
	Environment string
	// Files are sources, the directories that they are in, what configures the Go command, and the Go command itself; of what is in the module
	// cache, which does not change, nothing.
	Files map[string]look
	// Output is what was made, by its path.
	Output     string
	OutputLook look
}

// look is a file as it was. A file that is not there is the zero look.
type look struct {
	Size    int64
	Changed int64 // nanoseconds
	ID      string
}

// settled is how old a file must be to be trusted: what is written again within a clock's tick looks the same.
const settled = 2 * time.Second

// fresh returns the output of the last build in the workshop, if there is nothing that another one would make of it.
func fresh(workshop string) (output string, ok bool) {
	b, err := os.ReadFile(filepath.Join(workshop, stampFile))
	if err != nil {
		return "", false
	}
	var s stamp
	if json.Unmarshal(b, &s) != nil || s.Environment != environment() || len(s.Files) == 0 || lookAt(s.Output) != s.OutputLook || s.OutputLook == (look{}) {
		return "", false
	}
	for path, was := range s.Files {
		if lookAt(path) != was {
			return "", false
		}
	}
	return s.Output, true
}

// leaveStamp notes what a build that began then has looked at. Where that can't be said there is no stamp, and the next build is not
// spared.
func leaveStamp(ctx context.Context, workshop, dir, output string, began time.Time) {
	path := filepath.Join(workshop, stampFile)
	_ = os.Remove(path)
	inputs, err := inputsOf(ctx, dir)
	if err != nil {
		return
	}
	s := stamp{Environment: environment(), Files: map[string]look{}, Output: output, OutputLook: lookAt(output)}
	for _, file := range inputs {
		l := lookAt(file)
		if l.Changed > began.Add(-settled).UnixNano() {
			return
		}
		s.Files[file] = l
	}
	if b, err := json.Marshal(s); err == nil {
		_ = replace(path, b)
	}
}

func lookAt(path string) look {
	info, err := os.Stat(path)
	if err != nil {
		return look{}
	}
	l := look{Size: info.Size(), Changed: info.ModTime().UnixNano(), ID: fileID(info)}
	if info.IsDir() {
		l.Size = 0
	}
	return l
}

// environment is a digest of the variables that change what the Go command does.
func environment() string {
	var heeded []string
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "GO") || slices.Contains([]string{"PATH", "HOME", "XDG_CONFIG_HOME", "AppData"}, name) {
			heeded = append(heeded, v)
		}
	}
	slices.Sort(heeded)
	digest := sha256.Sum256([]byte(strings.Join(append(heeded, runtime.Version()), "\x00")))
	return hex.EncodeToString(digest[:])
}

// inputsOf are the files and directories that a build of the package in dir depends on, whether they exist or not.
func inputsOf(ctx context.Context, dir string) ([]string, error) {
	command, err := exec.LookPath("go")
	if err != nil {
		return nil, err
	}
	found := map[string]bool{command: true}
	// A workspace or a module may appear in any directory above.
	for d := dir; ; d = filepath.Dir(d) {
		for _, name := range []string{"go.mod", "go.work"} {
			found[filepath.Join(d, name)] = true
		}
		if filepath.Dir(d) == d {
			break
		}
	}
	var env struct{ GOMODCACHE, GOENV, GOROOT, GOWORK string }
	out, err := output(goCommand(ctx, command, dir, "env", "-json", "GOMODCACHE", "GOENV", "GOROOT", "GOWORK"))
	if err == nil {
		err = json.Unmarshal(out, &env)
	}
	if err != nil {
		return nil, err
	}
	for _, file := range []string{env.GOENV, filepath.Join(env.GOROOT, "VERSION"), env.GOWORK, env.GOWORK + ".sum"} {
		if filepath.IsAbs(file) {
			found[file] = true
		}
	}
	out, err = output(goCommand(ctx, command, dir, "list", "-deps", "-json=Dir,Standard,EmbedFiles,Module", "."))
	if err != nil {
		return nil, err
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p listedPackage
		if err := d.Decode(&p); err != nil {
			return nil, err
		}
		if !p.Standard && !within(env.GOMODCACHE, p.Dir) {
			if err := p.addTo(found); err != nil {
				return nil, err
			}
		}
	}
	return slices.Collect(maps.Keys(found)), nil
}

// listedPackage is a package as the Go command lists it.
type listedPackage struct {
	Dir        string
	Standard   bool
	EmbedFiles []string
	Module     *struct{ GoMod string }
}

func (p listedPackage) addTo(found map[string]bool) error {
	entries, err := os.ReadDir(p.Dir)
	if err != nil {
		return err
	}
	found[p.Dir] = true
	for _, e := range entries {
		if e.Type().IsRegular() || e.Type()&fs.ModeSymlink != 0 {
			found[filepath.Join(p.Dir, e.Name())] = true
		}
	}
	for _, file := range p.EmbedFiles {
		for path := filepath.Join(p.Dir, file); path != p.Dir; path = filepath.Dir(path) {
			found[path] = true
		}
	}
	if p.Module != nil && p.Module.GoMod != "" {
		found[p.Module.GoMod] = true
		found[strings.TrimSuffix(p.Module.GoMod, ".mod")+".sum"] = true
	}
	return nil
}

func within(dir, path string) bool {
	return dir != "" && strings.HasPrefix(path, dir+string(filepath.Separator))
}
