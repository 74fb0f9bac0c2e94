package drawing

import (
	"strings"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// plainAddress is a resource's address without instance keys: that is how the engine's graph knows it.
func plainAddress(r *pb.Resource) string {
	address := r.GetType() + "." + r.GetName()
	var steps []string
	for _, s := range moduleSteps(r.GetModulePath()) {
		steps = append(steps, s.name)
	}
	if len(steps) > 0 {
		address = strings.Join(steps, ".") + "." + address
	}
	return address
}

// step is one step of a module's path: module.NAME, and the instance's key with its brackets.
type step struct{ name, key string }

// moduleSteps takes apart a path such as module.a["x"].module.b. Keys may hold whatever a string may.
func moduleSteps(path string) []step {
	var steps []step
	for path != "" {
		end := len("module.")
		if !strings.HasPrefix(path, "module.") {
			return append(steps, step{name: path})
		}
		for end < len(path) && path[end] != '.' && path[end] != '[' {
			end++
		}
		s := step{name: path[:end]}
		path = path[end:]
		end = keyEnd(path)
		s.key, path = path[:end], strings.TrimPrefix(path[end:], ".")
		steps = append(steps, s)
	}
	return steps
}

// keyEnd is where the instance key ends that the text begins with, if it does.
func keyEnd(text string) int {
	if !strings.HasPrefix(text, "[") {
		return 0
	}
	quoted := false
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ']' && !quoted:
			return i + 1
		}
	}
	return len(text)
}

// sameInstances reports whether resources in two modules can mean each other: where they are in the same modules, they are in the same
// instances of them.
func sameInstances(a, b string) bool {
	x, y := moduleSteps(a), moduleSteps(b)
	for i := range min(len(x), len(y)) {
		if x[i].name != y[i].name {
			return true
		}
		if x[i].key != y[i].key {
			return false
		}
	}
	return true
}
