package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/engine"
)

func mirrorCommand() *cli.Command {
	dirs := []cli.Flag{
		&cli.StringFlag{Name: "mirror", EnvVars: []string{"PROVISOR_MIRROR"}, Usage: "the mirror is in `DIR` (default: one in the cache directory, which engines look into by themselves)"},
		&cli.StringFlag{Name: "cache-dir", EnvVars: []string{"PROVISOR_CACHE_DIR"}, Usage: "build in `DIR` (default: provisor in the user's cache directory)"},
	}
	return &cli.Command{
		Name:            "mirror",
		Usage:           "providers that engines take from this machine instead of a registry",
		Category:        "Engines",
		HideHelpCommand: true,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("there is no command mirror %q; see provisor mirror --help", c.Args().First())
			}
			return cli.ShowSubcommandHelp(c)
		},
		Subcommands: []*cli.Command{{
			Name:      "add",
			Usage:     "build a provider from the Go module proxy into the mirror",
			ArgsUsage: "PACKAGE@VERSION",
			Description: "For a provider that is written in Go, where no registry is reachable:\n" +
				"    provisor mirror add github.com/coder/terraform-provider-coder/v2@v2.20.0 --as coder/coder\n\n" +
				"A provider of the public registry serves Terraform and OpenTofu alike.",
			Flags: append([]cli.Flag{
				&cli.StringSliceFlag{Name: "as", Usage: "templates know the provider as `[HOST/]NAMESPACE/NAME`; may be repeated"},
			}, dirs...),
			Action: mirrorAdd,
		}, {
			Name:   "list",
			Usage:  "list what the mirror has",
			Flags:  dirs,
			Action: mirrorList,
		}},
	}
}

func mirrorAdd(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("want one PACKAGE@VERSION, got %d arguments\nsee provisor mirror add --help", c.NArg())
	}
	if len(c.StringSlice("as")) == 0 {
		return usagef("say which provider it is, with --as NAMESPACE/NAME\nsee provisor mirror add --help")
	}
	cacheDir, err := cacheDir(c)
	if err != nil {
		return err
	}
	dirs, err := engine.MirrorAdd(c.Context, engine.MirrorOptions{
		Package: c.Args().First(), As: c.StringSlice("as"), Dir: c.String("mirror"), CacheDir: cacheDir, Progress: os.Stderr,
	})
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		fmt.Println(dir)
	}
	return nil
}

// mirrorList prints a line for each HOST/NAMESPACE/NAME VERSION PLATFORM.
func mirrorList(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("mirror list takes no arguments, got %q", c.Args().First())
	}
	cacheDir, err := cacheDir(c)
	if err != nil {
		return err
	}
	dir := c.String("mirror")
	if dir == "" {
		dir = engine.MirrorDir(cacheDir)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*", "*", "*", "*", "*"))
	if err != nil {
		return err
	}
	for _, path := range found {
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		parts := strings.Split(filepath.ToSlash(relative), "/")
		fmt.Println(strings.Join(parts[:3], "/"), parts[3], parts[4])
	}
	return nil
}

func cacheDir(c *cli.Context) (string, error) {
	if dir := c.String("cache-dir"); dir != "" {
		return dir, nil
	}
	return host.DefaultCacheDir()
}
