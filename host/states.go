package host

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/host/internal/exec/jail"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/host/internal/workdir"
	"github.com/provisor/provisor/host/internal/workdir/recovery"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// The defaults of the options about states, in bytes: small, for a runtime that serves one session.
const (
	DefaultMinFree = 16 << 20
	DefaultBallast = 1 << 20
	DefaultMaxKept = 1 << 30
)

// SessionsDir and RecoveryDir are where a data directory has the directories of sessions, and the states that were not delivered.
func SessionsDir(dataDir string) string { return filepath.Join(dataDir, "sessions") }

// RecoveryDir: see SessionsDir.
func RecoveryDir(dataDir string) string { return filepath.Join(dataDir, "recovery") }

// openDirectories opens the stores of session directories and of states below the data directory. What dead daemons left is swept, and the
// states in it are kept.
func (r *Runtime) openDirectories() (err error) {
	o := r.options
	if r.states, err = recovery.Open(recovery.Options{
		Dir:     RecoveryDir(o.DataDir),
		MinFree: orDefault(o.MinFree, DefaultMinFree), Ballast: orDefault(o.Ballast, DefaultBallast), MaxKept: orDefault(o.MaxKept, DefaultMaxKept),
		Log: o.Log,
	}); err != nil {
		return err
	}
	r.workdir, err = workdir.Open(SessionsDir(o.DataDir), r.states, o.Log)
	return err
}

func (r *Runtime) closeDirectories() error {
	var errs []error
	if r.workdir != nil {
		errs = append(errs, r.workdir.Close())
	}
	if r.states != nil {
		errs = append(errs, r.states.Close())
	}
	return errors.Join(errs...)
}

// orDefault is a size from an option: 0 stands for the default, less for none.
func orDefault(size, def int64) int64 {
	if size == 0 {
		return def
	}
	return max(size, 0)
}

// Keep implements session.Directory.
func (d *directory) Keep(request []byte) (session.Keeper, error) {
	if err := d.unsaved(); err != nil {
		return nil, fmt.Errorf("the state of the apply before could not be saved: %w", err)
	}
	record := d.record
	record.Started = time.Now()
	describe(&record, request)
	k, err := d.runtime.states.Begin(record, d.Session.Work)
	if err != nil {
		return nil, err
	}
	d.keeper = k
	return k, nil
}

// keep is where an apply that runs a program has its states; nil = it is none.
func (d *directory) keep(c session.Command) *jail.Keep {
	if c.Request != session.Apply || d.keeper == nil {
		return nil
	}
	return &jail.Keep{Work: d.Session.Work, Dir: d.keeper.Dir(), Files: d.record.Files}
}

// newRecord is what is known of a session before its client has said anything.
func (u use) newRecord(session string, s *workdir.Session, tenant Tenant) recovery.Record {
	m := u.plugin.Manifest
	record := recovery.Record{
		Tenant: tenant.Name(), Session: session, Directory: s.ID,
		Plugin: recovery.Plugin{Name: u.plugin.Name, Version: m.GetVersion(), Digest: u.plugin.Digest},
		Engine: strings.TrimSpace(u.engine.Name + " " + u.engine.Version),
		Files:  m.GetKeepFiles(),
	}
	return record
}

// describe adds what an ApplyRequest says of its template and workspace, and nothing that is secret.
func describe(r *recovery.Record, request []byte) {
	var m pb.Metadata
	// What is not there is not described: the request has been found to decode.
	_ = proto.Unmarshal(metadataOf(request), &m)
	r.Template = recovery.Template{ID: m.GetTemplateId(), Name: m.GetTemplateName(), Version: m.GetTemplateVersion()}
	r.Workspace = recovery.Workspace{
		ID: m.GetWorkspaceId(), Name: m.GetWorkspaceName(), Owner: m.GetWorkspaceOwner(), Build: m.GetWorkspaceBuildId(),
		Transition: strings.ToLower(m.GetWorkspaceTransition().String()),
	}
}

// metadataOf is the encoded metadata of an encoded ApplyRequest in its Request: the state beside it, which may be large, is not decoded.
func metadataOf(request []byte) []byte {
	for _, number := range []protowire.Number{protowire.Number(session.Apply), 1} {
		var found []byte
		for len(request) > 0 {
			n, typ, size := protowire.ConsumeField(request)
			if size < 0 {
				return nil
			}
			if n == number && typ == protowire.BytesType {
				_, _, tag := protowire.ConsumeTag(request)
				found, _ = protowire.ConsumeBytes(request[tag:])
			}
			request = request[size:]
		}
		request = found
	}
	return request
}

// unsaved says what state is nowhere but in the session's work directory; nil = none is.
func (d *directory) unsaved() error {
	if d.keeper == nil {
		return nil
	}
	return d.keeper.Unsaved()
}
