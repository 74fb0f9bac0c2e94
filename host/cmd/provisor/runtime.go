package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/report"
)

// runtimeFlags say what a runtime in this process is made of.
func runtimeFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "plugin", Category: categoryRuntime, Usage: "use the plugin in `FILE.wasm|DIR`; a directory is built first (default: the terraform plugin)"},
		&cli.StringSliceFlag{Name: "plugin-setting", Category: categoryRuntime, Usage: "tell plugins that the setting `NAME=VALUE` holds; may be repeated. The terraform plugin knows terraform_graph=engine and terraform_graph=configuration: where dependencies come from (default: the configuration where that is sure to be right and quick, else the engine)", Action: checkPluginSettings},
		&cli.StringFlag{Name: "engine", Category: categoryRuntime, EnvVars: []string{"PROVISOR_ENGINE"}, Usage: "run Terraform or OpenTofu at `PATH` (default: terraform, then tofu on the PATH, then an OpenTofu built with Go)"},
		&cli.StringSliceFlag{Name: "engine-env", Category: categoryRuntime, Usage: "let the variable `NAME` through to the engine, or set NAME=VALUE there; may be repeated (default: nothing of this environment reaches it)"},
		&cli.StringFlag{Name: "mirror", Category: categoryRuntime, EnvVars: []string{"PROVISOR_MIRROR"}, Usage: "take providers from the mirror in `DIR` first (default: the one that \"provisor mirror add\" fills)"},
		&cli.StringFlag{Name: "cache-dir", Category: categoryRuntime, EnvVars: []string{"PROVISOR_CACHE_DIR"}, Usage: "keep compiled plugins, engines and providers in `DIR` (default: provisor in the user's cache directory)"},
		sizeFlag("provider-cache", host.DefaultProviderCache, "keep up to `SIZE` of the providers that a tenant's sessions have downloaded, for later ones (0 = none)"),
		limitFlag(),
		requestTimeoutFlag(),
		&cli.StringFlag{Name: "data-dir", Category: categoryRuntime, EnvVars: []string{"PROVISOR_DATA_DIR"}, Usage: "keep the directories of running sessions, and the states that could not be delivered, in `DIR` (default: provisor in the user's state directory)"},
	}, jailFlags()...)
}

func runtimeOptions(c *cli.Context) host.Options {
	// What is wrong with these, the flags' own actions have said.
	limits, _ := parseLimits(c)
	minFree, _ := parseSize(c, "min-free")
	ballast, _ := parseSize(c, "ballast")
	maxKept, _ := parseSize(c, "max-kept")
	providerCache, _ := parseSize(c, "provider-cache")
	return host.Options{
		MinFree:        minFree,
		Ballast:        ballast,
		MaxKept:        maxKept,
		ProviderCache:  providerCache,
		Limits:         limits,
		RequestTimeout: requestTimeout(c),
		Jail:           jailOptions(c),
		Plugin:         c.String("plugin"),
		PluginSettings: pluginSettings(c.StringSlice("plugin-setting")),
		Engine:         c.String("engine"),
		EngineEnv:      c.StringSlice("engine-env"),
		Mirror:         c.String("mirror"),
		CacheDir:       c.String("cache-dir"),
		DataDir:        c.String("data-dir"),
		Progress:       os.Stderr,
	}
}

func checkPluginSettings(_ *cli.Context, settings []string) error {
	for _, s := range settings {
		if name, _, ok := strings.Cut(s, "="); !ok || name == "" {
			return usagef("--plugin-setting %s: want NAME=VALUE", s)
		}
	}
	return nil
}

// pluginSettings are settings by name. The last of a name holds.
func pluginSettings(settings []string) map[string]string {
	byName := make(map[string]string, len(settings))
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		byName[name] = value
	}
	return byName
}

// serverFlags say how a daemon is reached.
func serverFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "server", Category: categoryServer, EnvVars: []string{"PROVISOR_SERVER"}, Usage: "use the daemon at `ADDR` (unix:PATH or HOST:PORT; \"default\" = this user's own) instead of a runtime of this command's own"},
		&cli.StringFlag{Name: "token-file", Category: categoryServer, Usage: "send the bearer token in `FILE`"},
		&cli.StringFlag{Name: "ca", Category: categoryServer, Usage: "trust the certificates in `FILE` to sign the daemon's"},
		&cli.StringFlag{Name: "cert", Category: categoryServer, Usage: "show the client certificate in `FILE`"},
		&cli.StringFlag{Name: "key", Category: categoryServer, Usage: "the client certificate's key, in `FILE`"},
		&cli.BoolFlag{Name: "insecure", Category: categoryServer, Usage: "speak to a TCP port without TLS"},
	}
}

// connection is a session and what has to be closed after it.
type connection struct {
	session *client.Session
	// close ends the session. A half-close confirms that the answers are where they belong: without, it hangs up, and a state is kept.
	close func(confirmed bool) error
}

// connect opens a session with the daemon that the flags name, or with a runtime in this process.
func connect(c *cli.Context, signals *signals, log *slog.Logger) (*connection, error) {
	if address := c.String("server"); address != "" {
		for _, name := range []string{"plugin", "plugin-setting", "engine", "mirror", "data-dir", "min-free", "ballast", "max-kept", "limit", "request-timeout", "verbose"} {
			if c.IsSet(name) {
				return nil, usagef("--%s is for a runtime of this command's own; with --server, the daemon has its own", name)
			}
		}
		return connectRemote(c, signals, address)
	}
	options := runtimeOptions(c)
	options.Log = log
	return connectLocal(options, signals)
}

// runtimeLog is the log of a runtime in this process, or nil.
func runtimeLog(c *cli.Context, beside *report.Printer) *slog.Logger {
	if !c.Bool("verbose") {
		return nil
	}
	return slog.New(slog.NewTextHandler(beside.Beside(os.Stderr), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func connectRemote(c *cli.Context, signals *signals, address string) (*connection, error) {
	if address == "default" {
		address = ""
	}
	options := client.Options{CA: c.String("ca"), Cert: c.String("cert"), Key: c.String("key"), Insecure: c.Bool("insecure")}
	if file := c.String("token-file"); file != "" {
		token, err := os.ReadFile(file)
		if err != nil {
			return nil, usagef("--token-file: %w", err)
		}
		options.Token = strings.TrimSpace(string(token))
		if strings.ContainsFunc(options.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, usagef("--token-file: %s holds more than a token: want one line, without blanks", file)
		}
	}
	daemon, err := client.Dial(address, options)
	if err != nil {
		return nil, usagef("--server: %w", err)
	}
	ctx, hangUp := context.WithCancel(context.Background())
	stop := onKill(signals, func(over <-chan struct{}) {
		fmt.Fprintln(os.Stderr, "provisor: the daemon is canceling; its answer brings the state. Interrupt once more to hang up: the daemon keeps the state then (provisor recover list, there).")
		select {
		case <-signals.giveUp:
			hangUp()
		case <-over:
		}
	})
	s, err := daemon.Open(ctx)
	if err != nil {
		stop()
		return nil, errors.Join(err, daemon.Close())
	}
	return &connection{session: s, close: func(confirmed bool) error {
		var err error
		if confirmed {
			err = goodbye(s, hangUp)
		}
		hangUp()
		stop()
		return errors.Join(err, daemon.Close())
	}}, nil
}

// goodbye ends a session with a daemon: it says that nothing will follow, and hangs up when the daemon has ended it too, or after a
// moment.
func goodbye(s *client.Session, hangUp context.CancelFunc) error {
	defer hangUp()
	if err := s.CloseSend(); err != nil {
		return err
	}
	defer time.AfterFunc(5*time.Second, hangUp).Stop()
	for {
		if _, err := s.Recv(); err != nil {
			return nil
		}
	}
}

// connectLocal opens a session of a runtime in this process. A second interrupt ends it at once: its programs are killed, and no
// answer is waited for.
func connectLocal(o host.Options, signals *signals) (*connection, error) {
	began := time.Now()
	runtime, err := host.New(signals.context, o)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancelCause(context.Background())
	stop := onKill(signals, func(<-chan struct{}) { end(host.ErrKill) })
	local := client.InProcess(ctx, func(ctx context.Context, s client.Stream) error {
		return runtime.Session(ctx, host.DefaultTenant, s)
	})
	session := client.NewSession(local)
	if o.Log != nil {
		o.Log.Info("ready", "took", time.Since(began).Round(time.Millisecond), "version", version())
	}
	return &connection{session: session, close: func(confirmed bool) error {
		if confirmed {
			// What it has to say, Close says too.
			_ = goodbye(session, func() { _ = local.Close() })
		}
		err := local.Close()
		stop()
		end(nil)
		if errors.Is(err, context.Canceled) || errors.Is(err, host.ErrKill) {
			err = nil
		}
		return errors.Join(err, runtime.Close())
	}}, nil
}

// onKill calls f when a second interrupt comes, with what ends when the watch does. The function that it returns ends the watch.
func onKill(signals *signals, f func(over <-chan struct{})) (stop func()) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-signals.kill:
			f(over)
		case <-over:
		}
	}()
	return func() {
		close(over)
		<-done
	}
}

const (
	categoryTemplate = "Template"
	categoryRuntime  = "Runtime"
	categoryJail     = "Jail"
	categoryServer   = "Daemon"
	categoryOutput   = "Output"
)

// positive refuses a duration below zero.
func positive(c *cli.Context, name string) (time.Duration, error) {
	d := c.Duration(name)
	if d < 0 {
		return 0, usagef("--%s %s: want a duration such as 10m, or 0", name, d)
	}
	return d, nil
}

// logLevels are the names of the protocol's levels.
var logLevels = []string{"trace", "debug", "info", "warn", "error"}

func checkLogLevel(level string) error {
	for _, known := range append([]string{""}, logLevels...) {
		if level == known {
			return nil
		}
	}
	return usagef("--log-level %s: want one of %s", level, fmt.Sprint(logLevels))
}
