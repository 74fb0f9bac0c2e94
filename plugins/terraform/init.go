package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/provisor/provisor/plugins/terraform/internal/config"
	"github.com/provisor/provisor/plugins/terraform/internal/modules"
	"github.com/provisor/provisor/plugins/terraform/internal/timings"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	guest "github.com/provisor/provisor/sdk-guest"
)

// What an init of the engine makes below the work directory.
const (
	dataDir  = ".terraform"
	lockFile = ".terraform.lock.hcl"
)

// Init extracts the template and has the engine install what it needs.
func (provisioner) Init(ctx context.Context, req *pb.InitRequest) *pb.InitComplete {
	recorder := timings.New("init")
	complete := new(pb.InitComplete)
	err := extract(ctx, req.GetTemplateSourceArchive())
	complete.Error = failure("", err)
	if err == nil {
		err = initialize(ctx, req, recorder, complete)
		complete.Error = failure(stageInit, err)
	}
	complete.Timings = recorder.Finish(err != nil)
	return complete
}

// extract makes the archive's content that of the work directory. An init that failed may have left another's there.
func extract(ctx context.Context, archive []byte) error {
	entries, err := os.ReadDir(guest.WorkDir())
	if err != nil {
		return fmt.Errorf("extract template archive: %w", err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(guest.WorkDir(), e.Name())); err != nil {
			return fmt.Errorf("extract template archive: clear the work directory: %w", err)
		}
	}
	var left leftOut
	err = guest.ExtractArchive(ctx, archive, guest.ArchiveOptions{Skip: left.skip})
	left.warn()
	return err
}

// leftOut collects what a template must not bring.
type leftOut struct {
	reasons map[string]string
	names   []string
}

// skip leaves out an entry and everything below it; a directory counts once, however many files it has.
func (l *leftOut) skip(name string) (reason string, skip bool) {
	for end := range len(name) + 1 {
		if end < len(name) && name[end] != '/' {
			continue
		}
		reason, skip := config.LeftOut(name[:end])
		if !skip {
			continue
		}
		if l.reasons == nil {
			l.reasons = make(map[string]string)
		}
		if _, known := l.reasons[name[:end]]; !known {
			l.reasons[name[:end]] = reason
			l.names = append(l.names, name[:end])
		}
		return "", true
	}
	return "", false
}

func (l *leftOut) warn() {
	for _, name := range l.names {
		guest.Warn(fmt.Sprintf("The template archive's entry %q is left out: %s", name, l.reasons[name]))
	}
}

// initialize runs the engine's init on the extracted template.
func initialize(ctx context.Context, req *pb.InitRequest, recorder *timings.Recorder, complete *pb.InitComplete) error {
	e, err := currentEngine()
	if err != nil {
		return err
	}
	if err := keepStateLocal(e.name); err != nil {
		return err
	}
	lock, err := readLock()
	if err != nil {
		return err
	}
	reuse := reuseFor(req.GetTemplateSourceArchive())
	if !reuse.restore() {
		if err := e.init(ctx, recorder); err != nil {
			return err
		}
		reuse.save()
	}
	if err := checkLock(lock); err != nil {
		return err
	}
	return addModules(complete, req.GetOmitModuleFiles())
}

// keepStateLocal makes the engine keep its state where this plugin looks for it, whatever backend the template has.
func keepStateLocal(engine string) error {
	override, err := config.LocalState(guest.WorkDir(), engine)
	if err != nil || override == nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(guest.WorkDir(), override.Name), override.Content, 0o600); err != nil {
		return fmt.Errorf("override the template's backend: %w", err)
	}
	guest.Warn(override.Warning)
	return nil
}

func (e engine) init(ctx context.Context, recorder *timings.Recorder) error {
	args := []string{"init", "-no-color", "-input=false"}
	hasJSON, err := e.initHasJSON(ctx)
	if err != nil {
		return err
	}
	if hasJSON {
		args = append(args, "-json")
	}
	return e.stream(ctx, recorder.Observe, nil, args...)
}

// addModules tells which modules the engine installed, and packs them.
func addModules(complete *pb.InitComplete, omitFiles bool) (err error) {
	complete.Modules = modules.List(guest.WorkDir())
	if !omitFiles {
		complete.ModuleFiles, err = modules.Archive(guest.WorkDir(), modules.Options{Mode: guest.Mode, Warn: guest.Warn})
	}
	return err
}
