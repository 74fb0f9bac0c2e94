package host

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/provisor/provisor/host/internal/engine"
	"github.com/provisor/provisor/host/internal/exec/jail"
	"github.com/provisor/provisor/host/internal/workdir"
	"github.com/provisor/provisor/host/internal/workdir/recovery"
)

// Examination is what a runtime with certain options would find on this machine.
type Examination struct {
	// Jail is what can be enforced around programs, layer by layer.
	Jail []JailTrial
	// Findings are about the surroundings: engines, directories, room.
	Findings []Finding
}

// JailTrial is a layer of the jail, as it was really tried.
type JailTrial struct {
	JailStatus
	// Required says that a runtime would not start without the layer.
	Required bool
	// Refused are the attempts that the layer, alone, kept a program from; Allowed those that it should have and did not. Neither has what
	// fails on this machine without a jail as well.
	Refused, Allowed []string
}

// Lacks reports whether a runtime would not start for the layer, or whether the layer does not do what it says.
func (t JailTrial) Lacks() bool { return t.Required && t.State != jail.Enforced || len(t.Allowed) > 0 }

// FindingState says how grave a finding is.
type FindingState string

// The states.
const (
	FindingOK      FindingState = "ok"
	FindingNote    FindingState = "note" // worth knowing
	FindingProblem FindingState = "problem"
)

// Finding is something about a machine.
type Finding struct {
	// Name is what was looked at.
	Name  string       `json:"name"`
	State FindingState `json:"state"`
	// Text is what was found, Fix what to do about it.
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"`
}

// Examine looks at this machine as New would find it, and makes nothing. The error is about the options.
func Examine(ctx context.Context, o Options) (*Examination, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	for _, dir := range []*string{&o.CacheDir, &o.DataDir} {
		var err error
		if *dir, err = filepath.Abs(*dir); err != nil {
			return nil, err
		}
	}
	e := &Examination{}
	// That a layer is required and missing is said of the layer.
	wanted := o.Jail.options()
	wanted.Require = nil
	j, err := jail.New(wanted)
	if err == nil {
		e.Jail, err = tryJail(j, o.Jail.Require)
	}
	if err != nil {
		e.Findings = append(e.Findings, Finding{Name: "jail", State: FindingProblem, Text: err.Error()})
	}
	for _, options := range o.engines() {
		for _, f := range examineEngine(ctx, &o, options, j) {
			if !slices.Contains(e.Findings, f) { // engines may have a mirror in common
				e.Findings = append(e.Findings, f)
			}
		}
	}
	e.Findings = append(e.Findings, examineCache(o.CacheDir), examineData(o))
	return e, nil
}

// tryJail tries each layer. With an error, the layers were put up, but not tried.
func tryJail(j *jail.Jail, required []JailLayer) ([]JailTrial, error) {
	tried, err := j.Trial()
	var trials []JailTrial
	for _, s := range j.Report() {
		t := tried[s.Layer]
		trials = append(trials, JailTrial{JailStatus: s, Required: slices.Contains(required, s.Layer), Refused: t.Refused, Allowed: t.Allowed})
	}
	return trials, err
}

func examineEngine(ctx context.Context, o *Options, e EngineOptions, j *jail.Jail) []Finding {
	f := Finding{Name: "engine", State: FindingOK}
	if e.Name != "" {
		f.Name += " " + e.Name
	}
	slot := &engineSlot{EngineOptions: e, options: o.engineOptions(e)}
	slot.options.NoBuild = true
	found, err := slot.find(ctx)
	if j != nil && (err == nil || errors.Is(err, engine.ErrBuild)) {
		if _, own := newEngineSlot(o, e, j); own != nil { // its own jail can't be had
			err = own
		}
	}
	switch {
	case errors.Is(err, engine.ErrBuild):
		f.State, f.Text = FindingNote, fmt.Sprintf("no engine on the PATH will do, so the first daemon will %v", err)
		f.Fix = "install Terraform or OpenTofu, or name a binary (--engine, path)"
	case err != nil:
		f.State, f.Text = FindingProblem, err.Error()
	default:
		f.Text = fmt.Sprintf("%s %s, %s", found.Name, found.Version, found.Path)
	}
	findings := []Finding{f}
	for _, dir := range engine.Mirrors(slot.options) {
		m := Finding{Name: "mirror", State: FindingOK, Text: dir + ": what it has is not downloaded"}
		if n, err := countProviders(dir); err != nil || n == 0 {
			m.State, m.Text = FindingNote, dir+" has no providers: all are downloaded"
			m.Fix = "to have some without a registry: provisor mirror add, or terraform providers mirror"
		}
		findings = append(findings, m)
	}
	return findings
}

// countProviders counts the providers of a mirror: HOST/NAMESPACE/TYPE.
func countProviders(dir string) (int, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*", "*", "*"))
	return len(found), err
}

func examineCache(dir string) Finding {
	f := Finding{Name: "cache", State: FindingOK}
	there, err := workdir.CheckWritable(dir)
	if err != nil {
		f.State, f.Text = FindingProblem, fmt.Sprintf("%s: %v", dir, err)
		f.Fix = "make it a directory of the daemon's own, or name another one (--cache-dir, cache_dir)"
		return f
	}
	f.Text = dir + room(there)
	return f
}

func examineData(o Options) Finding {
	f := Finding{Name: "data", State: FindingOK}
	there, err := workdir.Check(SessionsDir(o.DataDir))
	if err != nil {
		f.State, f.Text = FindingProblem, fmt.Sprintf("%s: %v", o.DataDir, err)
		f.Fix = "make it a directory of the daemon's own, or name another one (--data-dir, data_dir)"
		return f
	}
	f.Text = o.DataDir + room(there)
	floor := orDefault(o.MinFree, DefaultMinFree)
	free, err := recovery.FreeBytes(there)
	if err != nil || floor == 0 {
		return f
	}
	f.Text += fmt.Sprintf("; an apply begins with %s", humanize.IBytes(uint64(floor)))
	if wanted := floor + orDefault(o.Ballast, DefaultBallast); free < wanted {
		f.State, f.Fix = FindingNote, fmt.Sprintf("make room: with the ballast beside it, %s are wanted (min_free and ballast)", humanize.IBytes(uint64(wanted)))
		if free < floor {
			f.State = FindingProblem
			f.Fix = "make room, or lower the floor (--min-free, min_free): applies are refused"
		}
	}
	return f
}

// room says how much is free in the directory.
func room(dir string) string {
	free, err := recovery.FreeBytes(dir)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(", %s free", humanize.IBytes(uint64(free)))
}
