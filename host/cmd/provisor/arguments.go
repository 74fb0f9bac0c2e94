package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// flagsFirst moves a command's flags before its other arguments, as the flag package wants them; people write them in any order.
// What follows "--" stays where it is.
func flagsFirst(app *cli.App, args []string) []string {
	commands, flags := app.Commands, app.Flags
	at := 1
	for at < len(args) {
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(args[at]) })
		if i < 0 {
			break
		}
		commands, flags = commands[i].Subcommands, commands[i].Flags
		at++
	}
	if at == 1 || len(commands) > 0 {
		return args
	}
	out, rest := slices.Clone(args[:at]), args[at:]
	var others []string
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		switch {
		case arg == "--":
			return append(append(append(out, arg), others...), rest...)
		case !strings.HasPrefix(arg, "-") || arg == "-":
			others = append(others, arg)
		case takesValue(flags, arg) && len(rest) > 0:
			out = append(out, arg, rest[0])
			rest = rest[1:]
		default:
			out = append(out, arg)
		}
	}
	return append(out, others...)
}

// takesValue says whether the next argument is the flag's value.
func takesValue(flags []cli.Flag, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			_, isBool := f.(*cli.BoolFlag)
			return !isBool
		}
	}
	return false
}
