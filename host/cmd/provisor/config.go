package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/admin/sessions"
	"github.com/provisor/provisor/host/internal/config"
	"github.com/provisor/provisor/host/internal/daemon"
)

func configCommand() *cli.Command {
	return &cli.Command{
		Name:            "config",
		Usage:           "work with a daemon's configuration",
		Category:        "Daemon",
		HideHelpCommand: true,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("there is no command config %q; see provisor config --help", c.Args().First())
			}
			return cli.ShowSubcommandHelp(c)
		},
		Subcommands: []*cli.Command{{
			Name:      "check",
			Usage:     "say what is wrong with a configuration, with file, line and advice",
			ArgsUsage: "FILE",
			Description: "Reads the configuration and what it names: token files, certificates, whether paths are there. All problems are\n" +
				"told at once. Exit codes: 0 it is good, 1 it is not, 2 wrong usage.",
			Action: configCheck,
		}},
	}
}

func configCheck(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("config check takes one FILE, got %d arguments\nsee provisor config check --help", c.NArg())
	}
	read, err := config.Load(c.Args().First())
	if problems := (config.Problems)(nil); errors.As(err, &problems) {
		fmt.Fprintln(os.Stderr, problems)
		return said()
	}
	if err != nil {
		return err
	}
	fmt.Printf("%s is good: listeners %d, tenants %d, engines %d\n", read.File, len(read.Listeners), max(1, len(read.Tenants)), max(1, len(read.Engines)))
	return nil
}

// serveConfig is serve with a configuration. Flags that say the same as the file could are refused, so that there is one truth.
func serveConfig(c *cli.Context, signals *signals) (err error) {
	if err := onlyConfig(c); err != nil {
		return err
	}
	read, err := config.Load(c.String("config"))
	if err != nil {
		return usagef("%w", err)
	}
	socket, err := configuredAdminSocket(c, read)
	if err != nil {
		return err
	}
	options := configuredOptions(c)
	if read.DataDir != "" {
		options.DataDir = read.DataDir
	}
	if err := withInstalled(c, &options); err != nil {
		return err
	}
	open := sessions.NewTable()
	options.Observer = open
	d, err := daemon.Open(signals.context, read, daemon.Options{Runtime: options, Output: os.Stderr, Version: version()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	stopAdmin, err := serveAdmin(socket, d.Log(), d.Runtime(), open, func(s *admin.Server) { handleReload(s, d) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopAdmin()) }()
	stop := onKill(signals, func(<-chan struct{}) { d.Kill() })
	defer stop()
	stopReloading := reloadOnHangup(signals.context, d)
	defer stopReloading()
	announce(signals.context, d.Log(), d.Addresses())
	return d.Serve(signals.context)
}

// configuredOptions are what holds where a configuration says nothing.
func configuredOptions(c *cli.Context) host.Options {
	return host.Options{
		Engine: c.String("engine"), Mirror: c.String("mirror"), CacheDir: c.String("cache-dir"), DataDir: c.String("data-dir"),
		MinFree: daemonMinFree, Ballast: daemonBallast, Progress: os.Stderr,
	}
}

// besideConfig are the flags about what the file has no words for.
var besideConfig = []string{"config", "help", "plugin-dir", "admin-socket", "json"}

// onlyConfig refuses flags beside --config. What the environment says holds where the file says nothing.
func onlyConfig(c *cli.Context) error {
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if slices.Contains(besideConfig, name) || !c.IsSet(name) || fromEnvironment(c, f) {
			continue
		}
		return usagef("--%s can't be given beside --config: say it in %s", name, c.String("config"))
	}
	return nil
}

// fromEnvironment says whether the environment has set the flag.
func fromEnvironment(c *cli.Context, f cli.Flag) bool {
	e, ok := f.(cli.DocGenerationFlag)
	if !ok || len(e.GetEnvVars()) == 0 {
		return false
	}
	value, set := os.LookupEnv(e.GetEnvVars()[0])
	return set && value == c.String(f.Names()[0])
}

// handleReload has the daemon reload its configuration when an operator asks for that.
func handleReload(s *admin.Server, d *daemon.Daemon) {
	s.Handle("POST /reload", admin.Handler(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		if err := d.Reload(r.Context()); err != nil {
			return nil, admin.Errorf(http.StatusUnprocessableEntity, "%v", err)
		}
		return struct{}{}, nil
	}))
}

func reloadCommand() *cli.Command {
	return &cli.Command{
		Name:        "reload",
		Usage:       "have the daemon read its configuration again",
		Category:    "Daemon",
		Description: "What is wrong with the configuration is told, and the old one stays. Sessions that are open keep what they began with.",
		Flags:       []cli.Flag{&cli.StringFlag{Name: "admin-socket", EnvVars: []string{"PROVISOR_ADMIN_SOCKET"}, Usage: "the daemon's admin socket is at `PATH` (default: that of this user's daemon)"}},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("reload takes no arguments, got %q", c.Args().First())
			}
			client, err := admin.Dial(c.String("admin-socket"))
			if err != nil {
				return err
			}
			defer client.Close()
			return client.Do(c.Context, admin.Request{Method: http.MethodPost, Path: "/reload"}, nil)
		},
	}
}

// reloadOnHangup reloads the daemon's configuration whenever SIGHUP comes. How that went is in the daemon's log.
func reloadOnHangup(ctx context.Context, d *daemon.Daemon) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	var reloading sync.WaitGroup
	reloading.Go(func() {
		for range hangups {
			_ = d.Reload(ctx)
		}
	})
	return func() {
		signal.Stop(hangups)
		close(hangups)
		reloading.Wait()
	}
}
