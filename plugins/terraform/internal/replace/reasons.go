package replace

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
)

// What stands for a value that is not shown.
const (
	sensitiveValue   = "(sensitive value)"
	knownAfterApply  = "(known after apply)"
	unavailableValue = "(unavailable)"
)

// reasonsOf are the attributes that force the change to be a replacement, by path, each one once.
func reasonsOf(c *show.Change) ([]Reason, error) {
	paths, err := pathsOf(c.Change.ReplacePaths)
	if err != nil || len(paths) == 0 {
		return nil, err
	}
	before := side{raw: c.Change.Before, rawSensitive: c.Change.BeforeSensitive}
	after := side{raw: c.Change.After, rawSensitive: c.Change.AfterSensitive, rawUnknown: c.Change.AfterUnknown}
	if err := errors.Join(before.decode(), after.decode()); err != nil {
		return nil, err
	}
	var reasons []Reason
	seen := map[string]bool{"": true} // the path of the whole resource says nothing
	for _, path := range paths {
		r := Reason{Path: strings.Join(path, ".")}
		if seen[r.Path] {
			continue
		}
		seen[r.Path] = true
		if r.Old, r.New = before.show(path), after.show(path); r.Old != "" || r.New != "" {
			r.Old, r.New = cmp.Or(r.Old, unavailableValue), cmp.Or(r.New, unavailableValue)
		}
		reasons = append(reasons, r)
	}
	slices.SortFunc(reasons, func(a, b Reason) int { return cmp.Compare(a.Path, b.Path) })
	return reasons, nil
}

// pathsOf reads replace_paths: lists of attribute names, map keys and list indices.
func pathsOf(raw json.RawMessage) ([][]string, error) {
	var decoded any
	if err := decode(raw, &decoded); err != nil {
		return nil, fmt.Errorf("replace_paths: %w", err)
	}
	list, ok := decoded.([]any)
	if !ok && decoded != nil {
		return nil, errors.New("replace_paths is not a list")
	}
	var paths [][]string
	for _, element := range list {
		steps, ok := element.([]any)
		if !ok {
			steps = []any{element}
		}
		var path []string
		for _, step := range steps {
			path = append(path, stepText(step))
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func stepText(step any) string {
	if s, ok := step.(string); ok {
		return s
	}
	return marshal(step)
}

// side is what the plan knows of a resource before or after the change: its values, and two trees of the same shape that
// say true where a value is sensitive, or unknown.
type side struct {
	raw, rawSensitive, rawUnknown json.RawMessage
	values, sensitive, unknown    any
}

func (s *side) decode() error {
	return errors.Join(decode(s.raw, &s.values), decode(s.rawSensitive, &s.sensitive), decode(s.rawUnknown, &s.unknown))
}

// show is the value at a path as text, or "" if the plan has nothing there.
func (s *side) show(path []string) string {
	switch {
	case marked(s.sensitive, path):
		return sensitiveValue
	case marked(s.unknown, path):
		return knownAfterApply
	}
	value := s.values
	for _, step := range path {
		var ok bool
		if value, ok = child(value, step); !ok {
			return ""
		}
	}
	return marshal(value)
}

// marked says whether a tree marks the path, something that it is in, or something in it.
func marked(tree any, path []string) bool {
	for _, step := range path {
		if tree == true {
			return true
		}
		var ok bool
		if tree, ok = child(tree, step); !ok {
			return false
		}
	}
	return anyMarked(tree)
}

func anyMarked(tree any) bool {
	switch tree := tree.(type) {
	case bool:
		return tree
	case []any:
		return slices.ContainsFunc(tree, anyMarked)
	case map[string]any:
		for _, branch := range tree {
			if anyMarked(branch) {
				return true
			}
		}
	}
	return false
}

// child is the element of an object or a list that a step of a path leads to.
func child(value any, step string) (any, bool) {
	switch value := value.(type) {
	case map[string]any:
		element, ok := value[step]
		return element, ok
	case []any:
		var i int
		if json.Unmarshal([]byte(step), &i) != nil || i < 0 || i >= len(value) {
			return nil, false
		}
		return value[i], true
	default:
		return nil, false
	}
}

// decode keeps numbers as they are written. No text is null.
func decode(raw json.RawMessage, into *any) error {
	if len(raw) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(into)
}

// marshal is compact JSON for people, <, > and & as they are.
func marshal(value any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return unavailableValue // what was decoded from JSON always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}
