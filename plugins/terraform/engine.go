package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/mod/semver"

	"github.com/provisor/provisor/plugins/terraform/internal/enginelog"
	guest "github.com/provisor/provisor/sdk-guest"
)

// program is the engine's logical name, whichever engine it is.
const program = "terraform"

// The engines' names, as the host tells them.
const (
	terraform = "terraform"
	openTofu  = "tofu"
)

// oldest is the oldest Terraform that this plugin works with.
const oldest = "1.1.0"

// engine is the Terraform or OpenTofu that the host offers.
type engine struct {
	name string
	// version is a semantic version with a leading v; empty if the host does not know it.
	version string
}

// engineName is the name of the session's engine, or empty if the host does not know it.
func engineName() string { return guest.SessionInfo().GetEngines()[program].GetName() }

// currentEngine is the session's engine, or an error that says that it is too old.
func currentEngine() (engine, error) {
	info := guest.SessionInfo().GetEngines()[program]
	e := engine{name: info.GetName()}
	if v := "v" + strings.TrimPrefix(info.GetVersion(), "v"); semver.IsValid(v) {
		e.version = v
	}
	if e.name == terraform && e.version != "" && !e.since(oldest) {
		return e, fmt.Errorf("terraform %s is too old: version %s or later is needed", info.GetVersion(), oldest)
	}
	return e, nil
}

// since reports whether the engine has that version or a later one. A candidate for a release has what the release has.
func (e engine) since(version string) bool {
	released := strings.TrimSuffix(semver.Canonical(e.version), semver.Prerelease(e.version))
	return semver.Compare(released, "v"+version) >= 0
}

// initJSONSince has the first version of each engine whose init has -json, as their own sources and changelogs say.
var initJSONSince = map[string]string{terraform: "1.9.0", openTofu: "1.7.0"}

// initHasJSON reports whether init has -json. An engine that the versions don't tell about is asked itself.
func (e engine) initHasJSON(ctx context.Context) (bool, error) {
	if first, ok := initJSONSince[e.name]; ok && e.version != "" {
		return e.since(first), nil
	}
	help := guest.Command(ctx, program, "init", "-help")
	text, err := help.Output()
	// Old engines print their help with a status that is not 0.
	if exit := (*guest.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return false, err
	}
	for line := range bytes.Lines(text) {
		if fields := bytes.Fields(line); len(fields) > 0 && string(fields[0]) == "-json" {
			return true, nil
		}
	}
	return false, nil
}

// stream runs the engine, with its output as the session's logs. observe is shown each line of the standard output.
func (e engine) stream(ctx context.Context, observe func(*enginelog.Event, time.Time), env []string, args ...string) error {
	stdout, stderr := enginelog.Stdout(guest.Log, observe), enginelog.Stderr(guest.Log)
	cmd := guest.Command(ctx, program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, stdout, stderr
	err := cmd.Run()
	return errors.Join(err, stdout.Close(), stderr.Close())
}

// output runs the engine with its standard output as out. Its standard error becomes a part of the error.
func (e engine) output(ctx context.Context, out io.Writer, args ...string) error {
	var stderr tail
	cmd := guest.Command(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = out, &stderr
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if said := stderr.String(); said != "" {
		return fmt.Errorf("%s: %w", said, err)
	}
	return err
}

// tail keeps the end of what is written to it: where an engine that fails says why.
type tail struct{ kept []byte }

const tailBytes = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if len(t.kept) > 2*tailBytes {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-tailBytes:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	return string(bytes.TrimSpace(t.kept[max(0, len(t.kept)-tailBytes):]))
}
