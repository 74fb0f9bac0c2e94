package main

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestFlagsFirst(t *testing.T) {
	app := &cli.App{Commands: []*cli.Command{
		{Name: "run", Flags: []cli.Flag{&cli.BoolFlag{Name: "json"}, &cli.StringFlag{Name: "param", Aliases: []string{"p"}}}},
		{Name: "mirror", Subcommands: []*cli.Command{{Name: "add", Flags: []cli.Flag{&cli.StringSliceFlag{Name: "as"}}}}},
	}}
	for args, want := range map[string]string{
		"provisor run dir --json":             "provisor run --json dir",
		"provisor run dir --param a=b --json": "provisor run --param a=b --json dir",
		"provisor run dir -p a=b":             "provisor run -p a=b dir",
		"provisor run --param=a=b dir":        "provisor run --param=a=b dir",
		"provisor run a --json -- --b":        "provisor run --json -- a --b",
		"provisor run dir --param":            "provisor run --param dir",
		"provisor mirror add x@v1 --as h/n/t": "provisor mirror add --as h/n/t x@v1",
		"provisor mirror --help":              "provisor mirror --help",
		"provisor --version run":              "provisor --version run",
		"provisor":                            "provisor",
	} {
		if got := strings.Join(flagsFirst(app, strings.Fields(args)), " "); got != want {
			t.Errorf("%s: got %s, want %s", args, got, want)
		}
	}
}
