package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/admin/plugins"
	"github.com/provisor/provisor/host/internal/admin/sessions"
	"github.com/provisor/provisor/host/internal/admin/status"
	"github.com/provisor/provisor/host/internal/config"
	"github.com/provisor/provisor/host/internal/server/endpoint"
)

// installFlags are about a daemon's plugins beside the one that it is started with.
func installFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "plugin-dir", Category: categoryRuntime, Usage: "watch `DIR`: plugins (*.wasm) that are put there are installed and used"},
		&cli.StringSliceFlag{Name: "grant", Category: categoryRuntime,
			Usage: "let a plugin use a program or a variable, as `PLUGIN:program=NAME` or PLUGIN:env=NAME, or nothing, as PLUGIN:none; may be repeated " +
				"(default: the engine, program=terraform, and env=TF_VAR_*, TF_LOG, CODER_*)",
			Action: func(_ *cli.Context, said []string) error {
				_, err := declaredGrants(said)
				if err != nil {
					return usagef("--grant %w", err)
				}
				return nil
			}},
		&cli.StringFlag{Name: "admin-socket", Category: categoryServer, EnvVars: []string{"PROVISOR_ADMIN_SOCKET"},
			Usage: "take an operator's commands (provisor plugin install and the like) on the unix socket `PATH`; none = take none (default: beside the socket for sessions)"},
	}
}

// withInstalled adds to a daemon's options what its flags say of installed plugins.
func withInstalled(c *cli.Context, o *host.Options) (err error) {
	dataDir := o.DataDir
	if dataDir == "" {
		if dataDir, err = host.DefaultDataDir(); err != nil {
			return err
		}
	}
	o.Plugins, o.Deploy = host.PluginsDir(dataDir), c.String("plugin-dir")
	// What is wrong with it, the flag's own action has said.
	o.Grants, _ = declaredGrants(c.StringSlice("grant"))
	return nil
}

// adminSocket is where an operator's commands are taken.
type adminSocket struct {
	// path is the socket's, or config.NoAdminSocket.
	path string
	// named: it was asked for. Where it was not and another daemon has it, commands are not taken.
	named bool
}

// flagAdminSocket is the one that the flags name, or that beside the first of the addresses that is a unix socket.
func flagAdminSocket(c *cli.Context, addresses ...string) (adminSocket, error) {
	if c.IsSet("admin-socket") {
		return adminSocket{c.String("admin-socket"), true}, nil
	}
	for _, address := range append(addresses, "") {
		e, err := endpoint.Parse(address)
		if err != nil {
			return adminSocket{}, usagef("%w", err)
		}
		if e.Network == "unix" {
			path, err := e.AdminSocket()
			return adminSocket{path: path}, err
		}
	}
	panic("the last address is a socket")
}

// configuredAdminSocket is the one that the configuration names, or else the flags.
func configuredAdminSocket(c *cli.Context, read *config.Config) (adminSocket, error) {
	if read.AdminSocket != "" {
		for _, f := range c.Command.Flags {
			if f.Names()[0] == "admin-socket" && c.IsSet("admin-socket") && !fromEnvironment(c, f) && c.String("admin-socket") != read.AdminSocket {
				return adminSocket{}, usagef("--admin-socket %s: %s says that it is %s", c.String("admin-socket"), read.File, read.AdminSocket)
			}
		}
		return adminSocket{read.AdminSocket, true}, nil
	}
	var addresses []string
	for _, l := range read.Listeners {
		addresses = append(addresses, l.Address)
	}
	return flagAdminSocket(c, addresses...)
}

// serveAdmin serves the runtime's plugins, its open sessions and profiles on the admin socket until stop is called.
func serveAdmin(socket adminSocket, log *slog.Logger, runtime *host.Runtime, open *sessions.Table, more ...func(*admin.Server)) (stop func() error, err error) {
	none := func() error { return nil }
	if socket.path == config.NoAdminSocket {
		return none, nil
	}
	s, err := admin.Listen(socket.path, log)
	if errors.Is(err, endpoint.ErrInUse) && !socket.named {
		log.Warn("this daemon takes no operator's commands: name a socket for that with --admin-socket", "error", err)
		return none, nil
	}
	if err != nil {
		return none, usagef("the admin socket: %w", err)
	}
	plugins.Handle(s, runtime.Plugins())
	status.Handle(s, version(), runtime.Jail())
	sessions.Handle(s, open)
	admin.HandleProfiles(s)
	for _, handle := range more {
		handle(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	log.Info("taking an operator's commands", "socket", socket.path)
	return func() error {
		cancel()
		return <-done
	}, nil
}
