package host

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/provisor/provisor/host/internal/exec/jail"
	"github.com/provisor/provisor/host/internal/session"
)

// JailOptions say what the sandbox around each program is made of. The zero value takes what the machine offers.
type JailOptions struct {
	// Require are layers without which nothing is run: New fails where one can't be enforced.
	Require []JailLayer
	// Disable are layers that are left out.
	Disable []JailLayer
	// NoNamespaces does without them, as on a machine whose kernel allows none.
	NoNamespaces bool
	// Expose are files and directories of the host, beside the system's own, that programs may read and execute: absolute paths.
	Expose []string
	// Offline are the requests whose programs get no network, by name. nil = DefaultOffline.
	Offline []string
	// Users are user ids that no account has: each tenant's programs run as one of their own, for good. This process must be root's. The zero
	// value leaves programs to the daemon's user.
	Users UserRange
}

// JailLayer is a part of the jail that can be required or left out on its own.
type JailLayer = jail.Layer

// JailStatus is what this machine makes of a layer.
type JailStatus = jail.Status

// JailLayers are the names of all layers.
func JailLayers() []JailLayer { return jail.Layers() }

// DefaultOffline are the requests whose programs get no network unless the options say otherwise: those that need none.
func DefaultOffline() []string { return []string{session.Parse.String(), session.Graph.String()} }

// supervisorLinger is how long a supervisor is kept for a session's next program. Clients that go on at once ask within milliseconds.
const supervisorLinger = time.Second

// offlineCommands are the engine's own that need no network in any request.
var offlineCommands = []string{"graph", "show", "validate", "version"}

// Jail says what is enforced around programs, layer by layer.
func (r *Runtime) Jail() []JailStatus { return r.jail.Report() }

// JailHealth is a report as health checks tell of it: of each layer, under the name provisor.jail.LAYER, whether it is enforced; and under
// provisor.jail, whether all are that are not disabled.
func JailHealth(report []JailStatus) map[string]bool {
	const name = "provisor.jail"
	health := map[string]bool{name: true}
	for _, s := range report {
		enforced := s.State == jail.Enforced
		health[name+"."+string(s.Layer)] = enforced
		health[name] = health[name] && (enforced || s.State == jail.Disabled)
	}
	return health
}

// fill checks the options and puts defaults in.
func (o *JailOptions) fill() error {
	if err := o.options().Check(); err != nil {
		return err
	}
	for _, path := range o.Expose {
		if !filepath.IsAbs(path) || filepath.Clean(path) == "/" {
			return fmt.Errorf("jail: can't expose %q: want the absolute path of a file or a directory, not the root of all", path)
		}
	}
	if o.Offline == nil {
		o.Offline = DefaultOffline()
	}
	var known []string
	for _, kind := range session.Requests() {
		known = append(known, kind.String())
	}
	for _, name := range o.Offline {
		if !slices.Contains(known, name) {
			return fmt.Errorf("jail: there is no request %q to deny the network to; there are: %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// of are the options for an engine that has some of its own: what these require, disable and expose holds for it as well.
func (o JailOptions) of(e JailOptions) (JailOptions, error) {
	if e.NoNamespaces {
		return o, errors.New("jail: namespaces are switched off for all engines, or for none")
	}
	if e.Users != (UserRange{}) {
		return o, errors.New("jail: users are given to the tenants of all engines, or to none")
	}
	e.Users = o.Users
	if e.Offline == nil {
		e.Offline = o.Offline
	}
	e.Require, e.Disable, e.Expose = slices.Concat(o.Require, e.Require), slices.Concat(o.Disable, e.Disable), slices.Concat(o.Expose, e.Expose)
	return e, e.fill()
}

// options are those that decide what can be enforced.
func (o JailOptions) options() jail.Options {
	return jail.Options{Require: o.Require, Disable: o.Disable, NoNamespaces: o.NoNamespaces, User: int(o.Users.First)}
}

// newJail finds out what can be enforced, and logs what can't.
func newJail(o Options) (*jail.Jail, error) {
	j, err := jail.New(o.Jail.options())
	if err != nil {
		return nil, err
	}
	var enforced []string
	for _, s := range j.Report() {
		switch s.State {
		case jail.Enforced:
			enforced = append(enforced, string(s.Layer))
		case jail.Missing, jail.Partial:
			o.Log.Warn("the jail around engines is incomplete", "layer", s.Layer, "state", s.State, "why", s.How, "fix", s.Fix)
		}
	}
	o.Log.Info("jail", "enforced", enforced)
	return j, nil
}

// programJail is the jail for the session's programs, or nil where nothing is enforced.
func (u use) programJail() *jail.Jail {
	if j := u.profile.engine.jail; j.Active() {
		return j
	}
	return nil
}

// cell is what a program of the session may reach of the host.
func (u use) cell(d *directory, c session.Command) jail.Cell {
	options := u.profile.engine.Jail
	cell := jail.Cell{
		Execute: slices.Concat(d.reach.Execute, options.Expose),
		Read:    append([]string{d.engine.CLIConfig}, d.reach.Read...),
		Write:   []string{d.Session.Work, d.engine.Home, d.engine.Tmp},
		Tmp:     d.engine.Tmp,
		Offline: slices.Contains(options.Offline, c.Request.String()) || len(c.Args) > 0 && slices.Contains(offlineCommands, c.Args[0]),
		User:    d.user,
		// The session's files are bounded together as well, but not as quickly.
		FileSize:  u.limits.GetDiskBytes(),
		Memory:    u.limits.GetProgramMemoryBytes(),
		Processes: u.limits.GetProgramProcesses(),
	}
	if d.engine.Shelf != nil {
		cell.Execute = append(cell.Execute, d.engine.Shelf.Mirror())
	}
	return cell
}
