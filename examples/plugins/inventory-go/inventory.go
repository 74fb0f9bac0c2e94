package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The most that an inventory may hold; README.md states them.
const (
	maxResources = 1000
	maxCost      = 1_000_000
)

// resource is one line of an inventory.
type resource struct {
	kind, name string
	cost       int32
}

func (r resource) address() string { return r.kind + "." + r.name }

var (
	wordPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)
	costPattern = regexp.MustCompile(`^[0-9]{1,7}$`)
)

// parseInventory reads an inventory. Errors name the file and the line, and quote nothing, for the line may hold any bytes.
func parseInventory(file string, content []byte) ([]resource, error) {
	var resources []resource
	lines := map[string]int{}
	number := 0
	for line := range bytes.Lines(content) {
		number++
		r, err := parseLine(string(line))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, number, err)
		}
		if r == nil {
			continue
		}
		if first, ok := lines[r.address()]; ok {
			return nil, fmt.Errorf("%s:%d: %s stands in line %d already", file, number, r.address(), first)
		}
		if len(resources) == maxResources {
			return nil, fmt.Errorf("%s:%d: more than %d resources", file, number, maxResources)
		}
		lines[r.address()] = number
		resources = append(resources, *r)
	}
	return resources, nil
}

// parseLine returns nil for a line without a resource.
func parseLine(line string) (*resource, error) {
	line, _, _ = strings.Cut(line, "#")
	words := strings.FieldsFunc(line, func(c rune) bool { return strings.ContainsRune(" \t\r\n", c) })
	if len(words) == 0 {
		return nil, nil
	}
	if len(words) == 1 || len(words) > 3 {
		return nil, fmt.Errorf("want TYPE NAME [DAILY_COST]")
	}
	for i, what := range []string{"TYPE", "NAME"} {
		if !wordPattern.MatchString(words[i]) {
			return nil, fmt.Errorf(`%s must be a letter, then letters, digits, "-" and "_", 64 at most`, what)
		}
	}
	r := &resource{kind: words[0], name: words[1]}
	if len(words) == 3 {
		// What does not match the pattern, Atoi would take: +1.
		cost, err := strconv.Atoi(words[2])
		if err != nil || !costPattern.MatchString(words[2]) || cost > maxCost {
			return nil, fmt.Errorf("DAILY_COST must be a whole number from 0 to %d", maxCost)
		}
		r.cost = int32(cost)
	}
	return r, nil
}

// format writes a state: an inventory that says what it is even where it is empty, for an empty one would be no state at all.
func format(resources []resource) []byte {
	var b bytes.Buffer
	b.WriteString("# what there is: TYPE NAME DAILY_COST\n")
	for _, r := range resources {
		fmt.Fprintf(&b, "%s %s %d\n", r.kind, r.name, r.cost)
	}
	return b.Bytes()
}
