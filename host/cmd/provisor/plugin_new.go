package main

import (
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host/internal/scaffold"
)

func pluginNewCommand() *cli.Command {
	return &cli.Command{
		Name:      "new",
		Category:  categoryAuthors,
		Usage:     "write the source of a new Go plugin",
		ArgsUsage: "NAME",
		Description: "Writes a small provisioner that builds, passes its tests and runs at once, to be changed into what is wanted. Needs Go. Nothing\n" +
			"that exists is changed.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "write to `DIR` (default: NAME)"},
			&cli.StringFlag{Name: "module", Usage: "the `PATH` of its Go module (default: example.com/NAME)"},
		},
		Action: pluginNew,
	}
}

func pluginNew(c *cli.Context) error {
	name, err := oneArgument(c, "NAME")
	if err != nil {
		return err
	}
	dir, err := scaffold.New(c.Context, scaffold.Options{Name: name, Dir: c.String("dir"), Module: c.String("module")})
	if err != nil {
		return interruptedBy(c, err)
	}
	fmt.Printf("%s is a new plugin. What next:\n\n", shown(dir))
	for _, line := range []string{"cd " + shown(dir), "go test ./...", "provisor run --plugin . example", "provisor plugin dev", "provisor plugin test"} {
		fmt.Println("  " + line)
	}
	fmt.Println("\nREADME.md in there says what is what.")
	return nil
}

// shown is the path as a person would write it in this directory.
func shown(path string) string {
	here, err := filepath.Abs(".")
	if err != nil {
		return path
	}
	if relative, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(relative) {
		return relative
	}
	return path
}
