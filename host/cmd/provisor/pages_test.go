package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/provisor/provisor/host/internal/snippet"
)

// TestPages parses the commands that the project's pages show as the program itself would, and runs none of them.
func TestPages(t *testing.T) {
	root := filepath.FromSlash("../../..")
	pages, err := snippet.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, page := range pages {
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
		if err != nil {
			t.Fatal(err)
		}
		n, err := checkCommands(page, source)
		commands += n
		if err != nil {
			t.Error(err)
		}
	}
	if commands < 30 {
		t.Errorf("%d commands were found on all pages: that can't be all", commands)
	}
}

func TestCommandsThatAreWrong(t *testing.T) {
	for code, want := range map[string]string{
		"provisor plugin made hello":                     `no command plugin "made"`,
		"provisor bulid .":                               `no command "bulid"`,
		"cd x && provisor plan --plugn . example":        "-plugn",
		"true | provisor run --limit":                    "-limit",
		"provisor run --limit nonsense=1 t":              `no limit "nonsense"`,
		"provisor plugin build a b":                      "[DIR]",
		"provisor plugin inspect":                        "FILE",
		"go run ./host/cmd/provisor plugin test . extra": "FILE.wasm|DIR",
		"provisor 'plan":                                 "quote",
	} {
		pages := []string{"```sh\n" + code + "\n```\n"}
		if strings.HasPrefix(code, "provisor ") && want != "FILE" {
			pages = append(pages, "As `"+code+"` does.\n")
		}
		for _, page := range pages {
			if _, err := checkCommands("page.md", []byte(page)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error is %v, want %q", page, err, want)
			}
		}
	}
}

// checkCommands parses the program's commands in a page's shell blocks and code spans, and counts them.
func checkCommands(page string, source []byte) (n int, err error) {
	var errs []error
	for _, b := range append(snippet.Find(page, source), snippet.Spans(page, source, "provisor ")...) {
		if b.Language != "sh" && b.Language != "" {
			continue
		}
		commands, err := commandsIn(b)
		if err != nil {
			errs = append(errs, err)
		}
		for _, args := range commands {
			n++
			if err := parseCommand(args, b.Language == ""); err != nil {
				errs = append(errs, fmt.Errorf("%s: %s: %w", b, strings.Join(args, " "), err))
			}
		}
	}
	return n, errors.Join(errs...)
}

// commandsIn are the arguments of the program wherever a shell would run it.
func commandsIn(b snippet.Block) (commands [][]string, err error) {
	file, err := syntax.NewParser().Parse(strings.NewReader(b.Code), b.String())
	if err != nil {
		return nil, err
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok {
			return true
		}
		args, expandErr := expand.Fields(&expand.Config{}, call.Args...)
		if expandErr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", b, expandErr))
			return false
		}
		if at := slices.IndexFunc(args, func(s string) bool { return s == "provisor" || s == "./host/cmd/provisor" }); at == 0 || at == 2 && args[1] == "run" {
			commands = append(commands, append([]string{"provisor"}, args[at+1:]...))
		}
		return true
	})
	return commands, err
}

// parseCommand has the program parse its arguments, and do nothing. In a text a command may be named without any.
func parseCommand(args []string, inText bool) error {
	app := newApp(&signals{})
	app.Writer = io.Discard
	app.Commands = idle(app.Commands, inText)
	return app.Run(flagsFirst(app, args))
}

// idle makes commands that only look at their arguments.
func idle(commands []*cli.Command, inText bool) []*cli.Command {
	for _, c := range commands {
		if len(c.Subcommands) > 0 {
			c.Subcommands = idle(c.Subcommands, inText)
			if len(c.Flags) == 0 {
				continue // it does nothing of its own
			}
		}
		c.Action = func(c *cli.Context) error {
			// The help says how many arguments there may be: "NAME [DIR]".
			least, most := 0, 0
			for _, word := range strings.Fields(c.Command.ArgsUsage) {
				most++
				if strings.HasSuffix(word, "...") {
					most = math.MaxInt
				}
				if !strings.HasPrefix(word, "[") {
					least++
				}
			}
			if named := inText && c.NArg() == 0; !named && (c.NArg() < least || c.NArg() > most) {
				return fmt.Errorf("want %s, got %d arguments", c.Command.ArgsUsage, c.NArg())
			}
			return nil
		}
	}
	return commands
}
