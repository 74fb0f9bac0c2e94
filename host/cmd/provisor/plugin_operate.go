package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/admin/plugins"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/registry"
	"github.com/provisor/provisor/host/internal/plugin/store"
	"github.com/provisor/provisor/host/internal/progress"
)

// The groups of subcommands in the help.
const (
	categoryAuthors   = "For authors"
	categoryOperators = "On a running daemon"
)

// operatorCommands are those that ask a running daemon.
func operatorCommands() []*cli.Command {
	share := fmt.Sprintf("give it to `SHARE` of new sessions, 1%% to %d%%, until it is used or withdrawn", store.MaxCanary)
	commands := []*cli.Command{{
		Name:      "install",
		Usage:     "install a version of a plugin",
		ArgsUsage: "FILE",
		Description: "The daemon checks the file's SHA-256, manifest, exports and imports, and that no more is asked for than is granted; compiles it; and\n" +
			"tries it out in a session of its own. What does not pass is refused, and everything stays as it was. A version that is installed\n" +
			"is not used yet, unless --use or --canary says so. Sessions in flight keep the version that they began with.\n\n" +
			"A canary is withdrawn by itself once it is all but certain that it fails more often than the version in use. What counts is sessions\n" +
			"in which the plugin itself fails (it traps, does not answer, runs out of memory or time), not answers with an error.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "sha256", Usage: "refuse the file unless this is its SHA-256, in `HEX`"},
			&cli.BoolFlag{Name: "use", Usage: "give it to all new sessions"},
			&cli.StringFlag{Name: "canary", Usage: share},
			&cli.StringSliceFlag{Name: "grant", Usage: "let the plugin run a program or set a variable, as `program=NAME` or env=NAME, from now on; may be repeated (see provisor plugin grant --help)"},
		},
		Action: pluginInstall,
	}, {
		Name:   "list",
		Usage:  "list plugins and their versions, and who gets which",
		Action: pluginList,
	}, {
		Name:      "use",
		Usage:     "give a version to new sessions",
		ArgsUsage: "NAME@VERSION",
		Description: "New sessions get that version, of that plugin; sessions in flight keep theirs. With --tenant only new sessions of that tenant do,\n" +
			"whatever others get; \"use NAME --tenant T\", without a version, ends that. With --canary a share of new sessions does; to give it to all,\n" +
			"use it without. NAME@base is what the daemon was started with.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "tenant", Usage: "pin the tenant `NAME` to the version"},
			&cli.StringFlag{Name: "canary", Usage: share},
		},
		Action: pluginUse,
	}, {
		Name:        "rollback",
		Usage:       "go back to what was used before",
		ArgsUsage:   "NAME",
		Description: "If there is a canary, it is withdrawn. Otherwise new sessions get the version that they got before the last change.",
		Action:      pluginRollback,
	}, {
		Name:        "remove",
		Usage:       "remove a version that no new session gets",
		ArgsUsage:   "NAME@VERSION",
		Description: "Refused for the version in use, a canary, and one that a tenant is pinned to. Sessions in flight keep it to their end.",
		Action:      pluginRemove,
	}, {
		Name:      "grant",
		Usage:     "say what a plugin may use of the machine",
		ArgsUsage: "NAME program=NAME|env=NAME|none|default...",
		Description: "A plugin gets what its manifest asks for, as far as it is granted: programs by their logical names, and names of variables that it may\n" +
			"set for them, where a * at the end stands for any ending. New sessions get what is said here, and nothing else. \"default\" takes back\n" +
			"what was said: any plugin may run the engine (program=terraform) and set TF_VAR_*, TF_LOG and CODER_* for it.",
		Action: pluginGrant,
	}}
	for _, c := range commands {
		c.Category = categoryOperators
		c.Flags = append(c.Flags, adminSocketFlag(), &cli.BoolFlag{Name: "json", Usage: "print one JSON document"})
	}
	return commands
}

func adminSocketFlag() cli.Flag {
	return &cli.StringFlag{Name: "admin-socket", EnvVars: []string{"PROVISOR_ADMIN_SOCKET"}, Usage: "ask the daemon with the admin socket `PATH` (default: this user's own)"}
}

// askPlugins asks the daemon for something about its plugins, and prints the answer: as JSON, or as the text that is made of it.
func askPlugins[Answer any](c *cli.Context, ask func(plugins.Client) (Answer, error), text func(Answer) error) error {
	client, err := admin.Dial(c.String("admin-socket"))
	if err != nil {
		return err
	}
	defer client.Close()
	answer, err := ask(plugins.Client{Client: client})
	if err != nil {
		return interruptedBy(c, err)
	}
	if c.Bool("json") {
		return printJSON(os.Stdout, answer)
	}
	return text(answer)
}

func printDone(d plugins.Done) error {
	_, err := fmt.Println(d.Done + ".")
	return err
}

// refArgument is a command's only argument, NAME@VERSION or, if that is enough, NAME.
func refArgument(c *cli.Context, what string, versioned bool) (plugin.Ref, error) {
	arg, err := oneArgument(c, what)
	if err != nil {
		return plugin.Ref{}, err
	}
	ref, err := plugin.ParseRef(arg)
	if err == nil && versioned && ref.Version == "" {
		err = fmt.Errorf("say which version of %s, as %s@VERSION", ref.Name, ref.Name)
	}
	if err != nil {
		return ref, usagef("%w\nsee provisor plugin %s --help", err, c.Command.Name)
	}
	return ref, nil
}

// canaryFlag is the share in --canary, in percent.
func canaryFlag(c *cli.Context) (int, error) {
	s := c.String("canary")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(strings.TrimSuffix(s, "%"))
	if err != nil || n < 1 || n > store.MaxCanary {
		return 0, usagef("--canary %s: want 1%% to %d%%; to give it to all new sessions, use it without --canary", s, store.MaxCanary)
	}
	return n, nil
}

func pluginInstall(c *cli.Context) error {
	path, err := oneArgument(c, "FILE")
	if err != nil {
		return err
	}
	i, err := installation(c)
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("install the plugin: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("install the plugin: %w", err)
	case info.IsDir():
		return fmt.Errorf("install the plugin %s: %w", path, errNotAFile)
	case !info.Mode().IsRegular():
		return fmt.Errorf("install the plugin %s: it is not a regular file", path)
	}
	done := func() {}
	i.Step = func(text string) {
		done()
		done = progress.Announce(os.Stderr, text+" ...")
	}
	return askPlugins(c, func(p plugins.Client) (registry.Installed, error) {
		installed, err := p.Install(c.Context, file, info.Size(), i)
		done()
		return installed, err
	}, func(installed registry.Installed) error { return printInstalled(i, installed) })
}

// installation is what the flags say of it.
func installation(c *cli.Context) (i registry.Installation, err error) {
	i.Digest, i.Use = strings.TrimPrefix(c.String("sha256"), "sha256:"), c.Bool("use")
	if b, err := hex.DecodeString(i.Digest); i.Digest != "" && (err != nil || len(b) != 32) {
		return i, usagef("--sha256 %s: want 64 hexadecimal digits", i.Digest)
	}
	if i.Canary, err = canaryFlag(c); err != nil {
		return i, err
	}
	if i.Use && i.Canary > 0 {
		return i, usagef("--use gives it to all new sessions, --canary to a share of them: give one of the two")
	}
	if grants := c.StringSlice("grant"); len(grants) > 0 {
		if i.Grants, err = parseGrants(grants); err != nil {
			return i, usagef("--grant %w", err)
		}
	}
	return i, nil
}

func printInstalled(i registry.Installation, d registry.Installed) error {
	what := "installed"
	if d.Already {
		what = "was installed already"
	}
	fmt.Printf("%s@%s %s: %s, sha256:%s\n", d.Name, d.Version, what, humanize.IBytes(uint64(d.Size)), d.Digest)
	switch {
	case i.Use && d.Default:
		fmt.Println("New sessions get it.")
	case i.Use:
		fmt.Printf("New sessions of the tenants that get %s get it.\n", d.Name)
	case i.Canary > 0 && d.Default:
		fmt.Printf("%d%% of new sessions get it.\n", i.Canary)
	case i.Canary > 0:
		fmt.Printf("%d%% of new sessions of the tenants that get %s get it.\n", i.Canary, d.Name)
	case !d.Default || d.Active != d.Version:
		fmt.Printf("No session gets it yet: provisor plugin use %s@%s\n", d.Name, d.Version)
	}
	return nil
}

func pluginUse(c *cli.Context) error {
	ref, err := refArgument(c, "NAME@VERSION", !c.IsSet("tenant"))
	if err != nil {
		return err
	}
	canary, err := canaryFlag(c)
	if err != nil {
		return err
	}
	if canary > 0 && c.IsSet("tenant") {
		return usagef("--canary is for all tenants that are not pinned, --tenant for one: give one of the two")
	}
	return askPlugins(c, func(p plugins.Client) (plugins.Done, error) {
		return p.Use(c.Context, registry.Choice{Ref: ref, Tenant: c.String("tenant"), Canary: canary})
	}, printDone)
}

func pluginRollback(c *cli.Context) error {
	ref, err := refArgument(c, "NAME", false)
	if err != nil {
		return err
	}
	if ref.Version != "" {
		return usagef("rollback takes the plugin's NAME alone: to choose a version, provisor plugin use %s", ref)
	}
	return askPlugins(c, func(p plugins.Client) (plugins.Done, error) { return p.Rollback(c.Context, ref.Name) }, printDone)
}

func pluginRemove(c *cli.Context) error {
	ref, err := refArgument(c, "NAME@VERSION", true)
	if err != nil {
		return err
	}
	return askPlugins(c, func(p plugins.Client) (plugins.Done, error) { return p.Remove(c.Context, ref) }, printDone)
}

func pluginGrant(c *cli.Context) error {
	if c.NArg() < 2 {
		return usagef("want a NAME and what it is granted, got %d arguments\nsee provisor plugin grant --help", c.NArg())
	}
	name := c.Args().First()
	if !plugin.ValidName(name) {
		return usagef("%q is not a plugin's name\nsee provisor plugin grant --help", name)
	}
	var grants *plugin.Grants
	if said := c.Args().Tail(); len(said) != 1 || said[0] != "default" {
		var err error
		if grants, err = parseGrants(said); err != nil {
			return usagef("%w\nsee provisor plugin grant --help", err)
		}
	}
	return askPlugins(c, func(p plugins.Client) (plugins.Done, error) { return p.Grant(c.Context, name, grants) }, printDone)
}

// parseGrants reads program=NAME, env=NAME and none.
func parseGrants(said []string) (*plugin.Grants, error) {
	g := new(plugin.Grants)
	for _, s := range said {
		kind, name, _ := strings.Cut(s, "=")
		switch {
		case kind == "program" && name != "":
			g.Programs = append(g.Programs, name)
		case kind == "env" && name != "":
			g.Env = append(g.Env, name)
		case s == "none" && len(said) == 1:
		default:
			return nil, fmt.Errorf("%q: want program=NAME, env=NAME, or none alone", s)
		}
	}
	return g, plugin.CheckGrants(*g)
}

// declaredGrants reads what serve's --grant says of plugins, PLUGIN:program=NAME and the like.
func declaredGrants(said []string) (map[string]plugin.Grants, error) {
	byName := make(map[string][]string)
	for _, s := range said {
		name, grant, _ := strings.Cut(s, ":")
		if !plugin.ValidName(name) || grant == "" {
			return nil, fmt.Errorf("%q: want PLUGIN:program=NAME, PLUGIN:env=NAME or PLUGIN:none", s)
		}
		byName[name] = append(byName[name], grant)
	}
	grants := make(map[string]plugin.Grants, len(byName))
	var errs []error
	for name, said := range byName {
		g, err := parseGrants(said)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		grants[name] = *g
	}
	return grants, errors.Join(errs...)
}
