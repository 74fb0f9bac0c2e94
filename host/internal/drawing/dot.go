package drawing

import (
	"fmt"
	"strings"
)

// DOT is the drawing in the language of Graphviz: a cluster for each module, in it one for each resource, in that one for each agent.
func (d *Drawing) DOT() []byte {
	t := new(text)
	t.line("digraph {")
	t.indent++
	t.line("rankdir = LR; compound = true; newrank = true;")
	t.line(`graph [fontname = "Helvetica,Arial,sans-serif", style = "rounded", color = "#8c959f"];`)
	t.line(`node [fontname = "Helvetica,Arial,sans-serif", shape = box, style = "rounded,filled", fillcolor = white, color = "#8c959f"];`)
	t.line(`edge [color = "#57606a"];`)
	paths, members := d.modules()
	for n, path := range paths {
		if path != "" {
			t.line("subgraph cluster_m%d {", n)
			t.indent++
			t.line("label = %s; style = \"rounded,filled\"; fillcolor = \"#f6f8fa\";", dotString(path))
		}
		for _, i := range members[path] {
			d.boxes[i].dot(t, i)
		}
		if path != "" {
			t.end("}")
		}
	}
	for _, a := range d.arrows {
		t.line("r%d -> r%d [%s];", a.from, a.to, strings.Join(append(d.dotEnd("ltail", a.from), d.dotEnd("lhead", a.to)...), ", "))
	}
	t.end("}")
	return t.bytes()
}

// dotEnd has an arrow end at the border of a cluster.
func (d *Drawing) dotEnd(attribute string, i int) []string {
	if len(d.boxes[i].GetAgents()) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s = cluster_r%d", attribute, i)}
}

func (b *box) dot(t *text, i int) {
	label := strings.Join(append([]string{b.title()}, b.details()...), "\n")
	if len(b.GetAgents()) == 0 {
		t.line("r%d [label = %s];", i, dotString(label))
		return
	}
	t.line("subgraph cluster_r%d {", i)
	t.indent++
	t.line("label = %s; style = \"rounded,filled\"; fillcolor = white;", dotString(label))
	// Arrows need a node to end at.
	t.line(`r%d [label = "", shape = point, width = 0, style = invis];`, i)
	for j, agent := range b.GetAgents() {
		t.line("subgraph cluster_r%da%d {", i, j)
		t.indent++
		t.line("label = %s; style = \"rounded,filled\"; fillcolor = \"#ddf4ff\";", dotString("agent "+agentTitle(agent)))
		if len(agent.GetApps()) == 0 {
			t.line(`r%da%d [label = "no apps", shape = plaintext, style = ""];`, i, j)
		}
		for k, app := range agent.GetApps() {
			t.line("r%da%dp%d [label = %s];", i, j, k, dotString(appTitle(app)))
		}
		t.end("}")
	}
	t.end("}")
}

// dotString quotes a string. A backslash is doubled, since DOT gives meaning to what follows one; a line feed breaks the line.
func dotString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(visible(s)) + `"`
}
