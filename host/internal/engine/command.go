package engine

import (
	"slices"
	"strings"
)

// commands are the engines' own.
var commands = []string{
	"apply", "console", "destroy", "fmt", "force-unlock", "get", "graph", "import", "init", "login", "logout", "metadata", "modules", "output",
	"plan", "providers", "query", "refresh", "rpcapi", "show", "stacks", "state", "taint", "test", "untaint", "validate", "version", "workspace",
}

// OtherCommand is what Command makes of arguments that are no command of an engine's.
const OtherCommand = "other"

// Command is the command in an engine's arguments: one of a list, whatever they are, so that it can be a metric's label.
func Command(args []string) string {
	for _, arg := range args {
		if arg == "-version" || arg == "--version" || arg == "-v" {
			return "version"
		}
		if strings.HasPrefix(arg, "-") {
			continue // -chdir=DIR and the like
		}
		if slices.Contains(commands, arg) {
			return arg
		}
		break
	}
	return OtherCommand
}
