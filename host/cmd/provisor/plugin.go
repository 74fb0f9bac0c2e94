package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host/internal/plugin"
)

const categoryPlugins = "Plugins"

// pluginCommand groups what authors of plugins need, and what operators do on a running daemon.
func pluginCommand() *cli.Command {
	return &cli.Command{
		Name:            "plugin",
		Usage:           "write, build and test plugins; install, use and remove them on a running daemon",
		Category:        categoryPlugins,
		HideHelpCommand: true,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("there is no command plugin %q; see provisor plugin --help", c.Args().First())
			}
			return cli.ShowSubcommandHelp(c)
		},
		Subcommands: append([]*cli.Command{
			pluginNewCommand(),
			pluginDevCommand(),
			pluginBuildCommand(),
			pluginInspectCommand(),
			pluginTestCommand(),
		}, operatorCommands()...),
	}
}

func cacheDirFlag() cli.Flag {
	return &cli.StringFlag{Name: "cache-dir", EnvVars: []string{"PROVISOR_CACHE_DIR"}, Usage: "keep what is built and compiled in `DIR` (default: provisor in the user's cache directory)"}
}

func pluginBuildCommand() *cli.Command {
	return &cli.Command{
		Name:      "build",
		Category:  categoryAuthors,
		Usage:     "build a Go plugin with its manifest",
		ArgsUsage: "[DIR]",
		Description: "Builds the main package in DIR (default: this directory) as a WebAssembly library, with the manifest that its plugin.hcl\n" +
			"describes. Equal sources and an equal version of Go give equal bytes. Prints the file, its size and its SHA-256.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the plugin to `FILE` (default: NAME.wasm in this directory)"},
			cacheDirFlag(),
		},
		Action: pluginBuild,
	}
}

func pluginBuild(c *cli.Context) error {
	dir, err := argumentOrHere(c, "DIR")
	if err != nil {
		return err
	}
	cache, err := cacheDir(c)
	if err != nil {
		return err
	}
	manifest, err := plugin.SourceManifest(dir)
	if err != nil {
		return err
	}
	out := c.String("output")
	if out == "" {
		out = manifest.GetName() + ".wasm"
	}
	if err := plugin.Build(c.Context, dir, plugin.BuildOptions{Out: out, CacheDir: cache, Progress: os.Stderr}); err != nil {
		return err
	}
	size, digest, err := digestOf(out)
	if err != nil {
		return err
	}
	fmt.Printf("%s  %d bytes  sha256:%s\n", filepath.Clean(out), size, digest)
	return nil
}

// oneArgument is a command's only argument.
func oneArgument(c *cli.Context, what string) (string, error) {
	if c.NArg() != 1 || c.Args().First() == "" {
		return "", usagef("want one %s, got %d arguments\nsee provisor plugin %s --help", what, c.NArg(), c.Command.Name)
	}
	return c.Args().First(), nil
}

// argumentOrHere is a command's only argument, or this directory where there is none.
func argumentOrHere(c *cli.Context, what string) (string, error) {
	if c.NArg() == 0 {
		return ".", nil
	}
	return oneArgument(c, what)
}

// said ends the program with a failure that has been told.
func said() error { return &exitError{exitFailed, nil} }

var errNotAFile = errors.New("it is a directory: build it first, with provisor plugin build")

func pluginFile(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("inspect the plugin %s: %w", path, errNotAFile)
	}
	return nil
}
