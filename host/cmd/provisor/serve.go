package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/access"
	"github.com/provisor/provisor/host/internal/admin/sessions"
	"github.com/provisor/provisor/host/internal/observe"
	"github.com/provisor/provisor/host/internal/server"
	"github.com/provisor/provisor/host/internal/telemetry"
	"github.com/provisor/provisor/host/internal/tenant"
)

func serveCommand(signals *signals) *cli.Command {
	return &cli.Command{
		Name:     "serve",
		Usage:    "serve sessions over gRPC",
		Category: "Daemon",
		Description: "The daemon listens on a unix socket that only this user can open, unless told otherwise. Whoever may open a\n" +
			"session may run programs on this machine: a TCP port needs a token file, or TLS with a client CA, or --insecure.\n\n" +
			"A token file has in each line the SHA-256 of a token in hexadecimal:\n" +
			"    openssl rand -hex 32 | tee token | tr -d '\\n' | sha256sum > tokens\n\n" +
			"A service manager is told when the daemon is ready (Type=notify in a unit of systemd).\n\n" +
			"SIGTERM or an interrupt drains: no new sessions are taken, and running ones may finish within --drain-timeout. A second one ends them.",
		Flags: append(slices.Concat(runtimeFlags(), stateFlags(daemonMinFree, daemonBallast), installFlags()),
			&cli.StringFlag{Name: "config", Category: categoryServer, Usage: "take all settings from `FILE`; see provisor config check. SIGHUP reads it again"},
			&cli.StringFlag{Name: "listen", Category: categoryServer, Usage: "listen on `ADDR`, unix:PATH or HOST:PORT (default: a socket in the user's runtime directory)"},
			&cli.StringFlag{Name: "token-file", Category: categoryServer, Usage: "take the bearer tokens whose hashes are in `FILE`"},
			&cli.StringFlag{Name: "tls-cert", Category: categoryServer, Usage: "the server's certificate, in `FILE`"},
			&cli.StringFlag{Name: "tls-key", Category: categoryServer, Usage: "the certificate's key, in `FILE`"},
			&cli.StringFlag{Name: "client-ca", Category: categoryServer, Usage: "take only clients whose certificate is signed by those in `FILE`"},
			&cli.BoolFlag{Name: "insecure", Category: categoryServer, Usage: "let anybody who reaches the TCP port run programs on this machine"},
			&cli.IntFlag{Name: "max-message", Category: categoryServer, Value: server.DefaultMaxMessage, Usage: "take messages of up to `BYTES`"},
			&cli.DurationFlag{Name: "keepalive", Category: categoryServer, Value: server.DefaultKeepalive, Usage: "notice within `DURATION` that a client has vanished"},
			&cli.UintFlag{Name: "max-streams-per-connection", Category: categoryServer, Value: server.DefaultStreamsPerConnection, Usage: "`N` sessions at once on one connection"},
			&cli.IntFlag{Name: "max-streams", Category: categoryServer, Value: server.DefaultStreams, Usage: "`N` sessions at once in all"},
			&cli.IntFlag{Name: "concurrency", Category: categoryRuntime, Value: host.DefaultConcurrency(), Usage: "run `N` requests at once, each in its own session; others wait for their turn"},
			&cli.DurationFlag{Name: "drain-timeout", Category: categoryServer, Value: 5 * time.Minute, Usage: "let running sessions go on for `DURATION` after SIGTERM"},
			&cli.DurationFlag{Name: "exit-timeout", Category: categoryRuntime, Value: 3 * time.Minute, Usage: "let an engine end by itself for `DURATION` after a cancel, then kill it"},
			&cli.StringFlag{Name: "telemetry-listen", Category: categoryServer, Usage: "serve /metrics, /healthz and /readyz over HTTP on `ADDR`, unix:PATH or localhost:PORT (default: not at all)"},
			&cli.StringFlag{Name: "log-format", Category: categoryOutput, Value: "text", Usage: "write the daemon's log in `FORMAT`, text or json"},
			&cli.StringFlag{Name: "log-level", Category: categoryOutput, Value: "info", Usage: "write the daemon's log from `LEVEL` on: debug, info, warn, error"},
		),
		Action: func(c *cli.Context) error {
			defer collectSeldom()()
			return serve(c, signals)
		},
	}
}

// What a daemon wants of the disk, in bytes: it serves many sessions at once.
const (
	daemonMinFree = 256 << 20
	daemonBallast = 64 << 20
)

func serve(c *cli.Context, signals *signals) (err error) {
	if c.Args().Present() {
		return usagef("serve takes no arguments, got %q", c.Args().First())
	}
	if c.IsSet("config") {
		return serveConfig(c, signals)
	}
	log, err := newLog(c.String("log-format"), c.String("log-level"))
	if err != nil {
		return err
	}
	options := runtimeOptions(c)
	options.Log = log
	if options.Concurrency = c.Int("concurrency"); options.Concurrency < 1 {
		return usagef("--concurrency %d: want at least 1", options.Concurrency)
	}
	if options.ExitTimeout, err = positive(c, "exit-timeout"); err != nil {
		return err
	}
	if err := withInstalled(c, &options); err != nil {
		return err
	}
	listening, err := serverOptions(c, log)
	if err != nil {
		return err
	}
	socket, err := flagAdminSocket(c, c.String("listen"))
	if err != nil {
		return err
	}
	open := sessions.NewTable()
	options.Observer = open
	watching, stopTelemetry, err := startTelemetry(c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopTelemetry()) }()
	if watching != nil {
		options.Observer = observe.All(open, watching.Observer())
		listening.Refused = watching.Refused
	}
	runtime, err := host.New(signals.context, options)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := runtime.Close(); err == nil {
			err = closeErr
		}
	}()
	stopAdmin, err := serveAdmin(socket, log, runtime, open)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopAdmin()) }()
	listening.Health = host.JailHealth(runtime.Jail())
	s, err := server.Listen(listening, runtime.Session)
	if err != nil {
		return usagef("%w", err)
	}
	if watching != nil {
		watching.Watch(telemetry.Of(runtime, s))
	}
	stop := onKill(signals, func(<-chan struct{}) {
		runtime.Kill()
		s.Close()
	})
	defer stop()
	announce(signals.context, log, s.Addresses())
	return s.Serve(signals.context)
}

// startTelemetry serves metrics and health where the flag says; nil = nowhere.
func startTelemetry(c *cli.Context, log *slog.Logger) (t *telemetry.Telemetry, stop func() error, err error) {
	address := c.String("telemetry-listen")
	if address == "" {
		return nil, func() error { return nil }, nil
	}
	if err := telemetry.CheckAddress(address, false); err != nil {
		return nil, nil, usagef("--telemetry-listen: %w", err)
	}
	if t, err = telemetry.Start(telemetry.Options{Listen: address, Version: version(), Log: log}); err != nil {
		return nil, nil, err
	}
	return t, t.Close, nil
}

// serverOptions are what the flags say of the one address that there is without a configuration.
func serverOptions(c *cli.Context, log *slog.Logger) (server.Options, error) {
	l := server.Listener{
		Address: c.String("listen"), TLSCert: c.String("tls-cert"), TLSKey: c.String("tls-key"), ClientCA: c.String("client-ca"),
		Insecure: c.Bool("insecure"), Anonymous: tenant.Default,
	}
	o := server.Options{
		MaxMessage: c.Int("max-message"), Keepalive: c.Duration("keepalive"),
		StreamsPerConnection: uint32(c.Uint("max-streams-per-connection")), Streams: c.Int("max-streams"),
		DrainTimeout: c.Duration("drain-timeout"), Log: log,
	}
	if file := c.String("token-file"); file != "" {
		tokens, err := access.ReadTokens(file, tenant.Default)
		if err == nil {
			o.Access, err = access.New(tokens)
		}
		if err != nil {
			return o, usagef("--token-file: %w", err)
		}
		l.Anonymous = tenant.Tenant{}
	}
	o.Listeners = []server.Listener{l}
	return o, nil
}

func newLog(format, level string) (*slog.Logger, error) {
	var options slog.HandlerOptions
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("--log-level %s: want debug, info, warn or error", level)
	}
	options.Level = l
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, &options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, &options)), nil
	}
	return nil, usagef("--log-format %s: want text or json", fmt.Sprint(format))
}
