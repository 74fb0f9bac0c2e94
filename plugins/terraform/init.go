package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

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
		err = initialize(ctx, req, recorder)
		complete.Error = failure(stageInit, err)
	}
	if err == nil {
		addModules(complete, req.GetOmitModuleFiles())
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

// leftOut collects what an archive has and a template must not bring: a state comes from the request or not at all, and
// what an init installs comes from this init.
type leftOut struct {
	names []string
	seen  map[string]bool
}

func (l *leftOut) skip(name string) (reason string, skip bool) {
	// A whole directory is one entry here, however many files it has.
	for at := 0; at < len(name); {
		end := len(name)
		if slash := strings.IndexByte(name[at:], '/'); slash >= 0 {
			end = at + slash
		}
		if belongsToEngine(name[at:end], end < len(name)) {
			l.add(name[:end])
			return "", true
		}
		at = end + 1
	}
	return "", false
}

// belongsToEngine reports whether an entry of that base name is the engine's to make. What is below a directory is not a
// state or a plan, whatever the directory's name is.
func belongsToEngine(base string, isDir bool) bool {
	if base == dataDir {
		return true
	}
	if isDir {
		return strings.HasPrefix(base, "terraform.tfstate")
	}
	return strings.HasPrefix(base, "terraform.tfstate") || base == "errored.tfstate" || path.Ext(base) == ".tfplan"
}

func (l *leftOut) add(name string) {
	if l.seen == nil {
		l.seen = make(map[string]bool)
	}
	if !l.seen[name] {
		l.seen[name] = true
		l.names = append(l.names, name)
	}
}

func (l *leftOut) warn() {
	for _, name := range l.names {
		why := "a template can't bring a state or a plan: they come with the request"
		if path.Base(name) == dataDir {
			why = "a template can't bring installed modules and providers: they are installed for each session"
		}
		guest.Warn(fmt.Sprintf("The template archive's entry %q is left out: %s", name, why))
	}
}

// initialize runs the engine's init on the extracted template.
func initialize(ctx context.Context, req *pb.InitRequest, recorder *timings.Recorder) error {
	e, err := currentEngine()
	if err != nil {
		return err
	}
	if err := overrideBackend(); err != nil {
		return err
	}
	lock, err := readLock()
	if err != nil {
		return err
	}
	reuse := reuseFor(req.GetTemplateSourceArchive())
	reuse.restore()
	if err := e.init(ctx, recorder); err != nil {
		return err
	}
	reuse.save()
	return checkLock(lock)
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

// readLock is the lock file's content, or nil if there is none.
func readLock() ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(guest.WorkDir(), lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && b == nil {
		b = []byte{}
	}
	return b, err
}

// checkLock warns where init had to change the lock file that the template brought: the next session will have to as well.
func checkLock(brought []byte) error {
	if brought == nil {
		return nil
	}
	now, err := readLock()
	if err != nil {
		return err
	}
	if !bytes.Equal(brought, now) {
		guest.Warn(lockFile + " is a part of the template, and init had to change it: it does not lock all of the template's providers for this platform. " +
			"To lock them for every platform, run \"terraform providers lock -platform=linux_amd64 -platform=linux_arm64 -platform=darwin_amd64 -platform=darwin_arm64 -platform=windows_amd64\" " +
			"in the template's directory, and add the file it writes to the template")
	}
	return nil
}

// reuse is the cache entry of a template version. Without a key there is none.
type reuse struct {
	key      string
	restored bool
}

// reuseFor is the cache entry of this session's template version, if the client wants it kept. The archive is a part of
// the key, since a client can say any id with any archive.
func reuseFor(archive []byte) *reuse {
	c := guest.SessionInfo().GetConfig()
	if !c.GetExpReuseTerraformWorkspace() || c.GetTemplateId() == "" || c.GetTemplateVersionId() == "" {
		return &reuse{}
	}
	return &reuse{key: fmt.Sprintf("%q %q %x", c.GetTemplateId(), c.GetTemplateVersionId(), sha256.Sum256(archive))}
}

// restore brings back what an earlier init made. Without it, init makes it anew: a cache that fails costs time only.
func (r *reuse) restore() {
	if r.key == "" {
		return
	}
	restored, err := guest.CacheRestore(r.key)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	r.restored = restored && err == nil
}

// save keeps what init made, unless it was restored.
func (r *reuse) save() {
	if r.key == "" || r.restored {
		return
	}
	var made []string
	for _, name := range []string{dataDir, lockFile} {
		if _, err := os.Lstat(filepath.Join(guest.WorkDir(), name)); err == nil {
			made = append(made, name)
		}
	}
	if len(made) == 0 {
		return
	}
	if err := guest.CacheSave(r.key, made...); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
