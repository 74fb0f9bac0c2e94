// Package drawing turns the answer to a Graph request, and what the engine says of dependencies, into pictures: DOT and Mermaid as
// text, and SVG. Every name and label in them comes from a template, and is escaped for where it stands.
package drawing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Drawing is what there is to draw.
type Drawing struct {
	boxes []*box
	// arrows go from a box to one that it depends on, by their index.
	arrows []arrow
}

type arrow struct{ from, to int }

// box is a resource. Its instances are one box: they have the same agents, and differ in nothing that is drawn.
type box struct {
	*pb.Resource
	// address is the resource's, without instance keys.
	address string
	// instances is how many there are.
	instances int
}

// title is what a person calls the resource, within its module.
func (b *box) title() string {
	title := b.GetType() + "." + b.GetName()
	if b.instances > 1 {
		title += fmt.Sprintf(" × %d", b.instances)
	}
	return title
}

// details are what is to be known about the resource itself, each in a few words.
func (b *box) details() []string {
	var details []string
	if t := b.GetInstanceType(); t != "" {
		details = append(details, "type "+t)
	}
	if cost := b.GetDailyCost(); cost != 0 {
		text := fmt.Sprintf("daily cost %d", cost)
		if b.instances > 1 {
			text += " each"
		}
		details = append(details, text)
	}
	if b.GetHide() {
		details = append(details, "hidden")
	}
	return details
}

// agentTitle is an agent's name, and what it runs on.
func agentTitle(a *pb.Agent) string {
	platform := strings.Trim(a.GetOperatingSystem()+"/"+a.GetArchitecture(), "/")
	if platform == "" {
		return a.GetName()
	}
	return a.GetName() + " (" + platform + ")"
}

func appTitle(a *pb.App) string { return cmp.Or(a.GetDisplayName(), a.GetSlug()) }

// New is the drawing of a graph's resources with the dependencies between them.
func New(graph *pb.GraphComplete, dependencies []Dependency) *Drawing {
	d := new(Drawing)
	known := make(map[string]int)
	byAddress := make(map[string][]int)
	for _, r := range graph.GetResources() {
		address := plainAddress(r)
		key := r.GetModulePath() + "\x00" + address
		if i, ok := known[key]; ok {
			d.boxes[i].instances++
			continue
		}
		known[key] = len(d.boxes)
		byAddress[address] = append(byAddress[address], len(d.boxes))
		d.boxes = append(d.boxes, &box{Resource: r, address: address, instances: 1})
	}
	arrows := make(map[arrow]bool)
	for _, dep := range dependencies {
		for _, from := range byAddress[dep.From] {
			for _, to := range byAddress[dep.To] {
				if from != to && sameInstances(d.boxes[from].GetModulePath(), d.boxes[to].GetModulePath()) {
					arrows[arrow{from, to}] = true
				}
			}
		}
	}
	d.arrows = slices.SortedFunc(maps.Keys(arrows), func(a, b arrow) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	})
	return d
}

// modules are the paths of the modules that have resources, in order of first mention, and what is in each.
func (d *Drawing) modules() (paths []string, members map[string][]int) {
	members = make(map[string][]int)
	for i, b := range d.boxes {
		path := b.GetModulePath()
		if members[path] == nil {
			paths = append(paths, path)
		}
		members[path] = append(members[path], i)
	}
	return paths, members
}
