package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/sandbox"
	"github.com/provisor/provisor/proto/guestpb"
)

func pluginInspectCommand() *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Category:  categoryAuthors,
		Usage:     "show what a plugin is and asks for, without running any of its code",
		ArgsUsage: "FILE",
		Description: "Shows the manifest, the version of the ABI, exports and imports with their signatures, size and SHA-256. Exits with 1 if this\n" +
			"version of provisor could not run the plugin, and says why.",
		Flags:  []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print one JSON document"}},
		Action: pluginInspect,
	}
}

func pluginInspect(c *cli.Context) error {
	file, err := oneArgument(c, "FILE")
	if err != nil {
		return err
	}
	if err := pluginFile(file); err != nil {
		return err
	}
	var options sandbox.Options
	if cache, err := host.DefaultCacheDir(); err == nil {
		options.CacheDir = host.CompiledDir(cache)
	}
	runtime, err := sandbox.New(c.Context, options)
	if err != nil {
		return err
	}
	defer runtime.Close(c.Context)
	inspection, err := plugin.Inspect(c.Context, runtime, file)
	if err != nil {
		return err
	}
	document := newInspectionDocument(file, inspection)
	if c.Bool("json") {
		err = document.writeJSON(os.Stdout)
	} else {
		err = document.writeText(os.Stdout)
	}
	if err == nil && inspection.Problem != nil {
		return said()
	}
	return err
}

// inspectionDocument is an inspection as it is printed.
type inspectionDocument struct {
	File     string            `json:"file"`
	Size     int64             `json:"size"`
	Digest   string            `json:"sha256"`
	Manifest *manifestDocument `json:"manifest,omitempty"`
	Memory   memoryDocument    `json:"memory"`
	Exports  []string          `json:"exports"`
	Imports  []string          `json:"imports"`
	Problems []string          `json:"problems,omitempty"`
}

type manifestDocument struct {
	Name        string   `json:"name"`
	Version     string   `json:"version"`
	ABI         string   `json:"abi"`
	Description string   `json:"description,omitempty"`
	License     string   `json:"license,omitempty"`
	Requests    []string `json:"requests"`
	Programs    []string `json:"programs,omitempty"`
	Env         []string `json:"env,omitempty"`
	KeepFiles   []string `json:"keep_files,omitempty"`
	Snapshot    bool     `json:"snapshot"`
}

type memoryDocument struct {
	InitialBytes uint64 `json:"initial_bytes"`
	MaximumBytes uint64 `json:"maximum_bytes,omitempty"`
}

func newInspectionDocument(file string, i *plugin.Inspection) *inspectionDocument {
	d := &inspectionDocument{
		File: file, Size: i.Size, Digest: i.Digest, Manifest: newManifestDocument(i.Manifest),
		Memory:  memoryDocument{i.Interface.MemoryBytes, i.Interface.MaxMemoryBytes},
		Exports: signatures(i.Interface.Exports), Imports: signatures(i.Interface.Imports),
	}
	if i.Problem != nil {
		d.Problems = strings.Split(i.Problem.Error(), "\n")
	}
	return d
}

func newManifestDocument(m *guestpb.Manifest) *manifestDocument {
	if m == nil {
		return nil
	}
	major, minor := abi.SplitVersion(m.GetAbiVersion())
	return &manifestDocument{
		Name: m.GetName(), Version: m.GetVersion(), ABI: fmt.Sprintf("%d.%d", major, minor), Description: m.GetDescription(),
		License: m.GetLicense(), Requests: m.GetRequests(), Programs: m.GetPrograms(), Env: m.GetEnv(), KeepFiles: m.GetKeepFiles(),
		Snapshot: m.GetSnapshot(),
	}
}

func signatures(functions []abi.Function) []string {
	out := make([]string, 0, len(functions))
	for _, f := range functions {
		out = append(out, f.String())
	}
	return out
}

func (d *inspectionDocument) writeJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(d)
}

// writeText quotes what may hold anything: names of functions come from whoever wrote the file, and control characters in them
// would reach the terminal.
func (d *inspectionDocument) writeText(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	row("file", "%s", d.File)
	row("size", "%d bytes", d.Size)
	row("sha256", "%s", d.Digest)
	if m := d.Manifest; m != nil {
		row("name", "%s", m.Name)
		row("version", "%s", m.Version)
		row("abi", "%s", m.ABI)
		row("description", "%s", m.Description)
		row("license", "%s", m.License)
		row("answers", "%s", strings.Join(m.Requests, ", "))
		row("asks for programs", "%s", orNone(m.Programs))
		row("asks for variables", "%s", orNone(m.Env))
		row("keeps files", "%s", orNone(m.KeepFiles))
		row("snapshot", "%t", m.Snapshot)
	} else {
		row("manifest", "none: it may run no programs")
	}
	row("memory", "%s", d.Memory)
	if err := w.Flush(); err != nil {
		return err
	}
	for _, list := range []struct {
		title string
		lines []string
	}{{"exports", d.Exports}, {"imports", d.Imports}, {"can't run here", d.Problems}} {
		if len(list.lines) == 0 {
			continue
		}
		fmt.Fprintf(out, "\n%s:\n", list.title)
		for _, line := range list.lines {
			fmt.Fprintf(out, "  %s\n", printable(line))
		}
	}
	return nil
}

// String is for a person.
func (m memoryDocument) String() string {
	if m.MaximumBytes == 0 {
		return fmt.Sprintf("begins with %d KiB", m.InitialBytes>>10)
	}
	return fmt.Sprintf("begins with %d KiB, at most %d KiB", m.InitialBytes>>10, m.MaximumBytes>>10)
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// printable is the text with what a terminal could take for a command escaped.
func printable(s string) string {
	quoted := fmt.Sprintf("%+q", s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

func digestOf(file string) (size int64, digest string, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, "", err
	}
	sum := sha256.Sum256(b)
	return int64(len(b)), hex.EncodeToString(sum[:]), nil
}
