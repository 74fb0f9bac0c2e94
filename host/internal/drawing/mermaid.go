package drawing

import (
	"fmt"
	"strings"
)

// Mermaid is the drawing as a flowchart of Mermaid, which many forges show in Markdown.
func (d *Drawing) Mermaid() []byte {
	t := new(text)
	t.line("flowchart LR")
	t.indent++
	paths, members := d.modules()
	for n, path := range paths {
		if path != "" {
			t.line("subgraph m%d[%s]", n, mermaidString(path))
			t.indent++
		}
		for _, i := range members[path] {
			d.boxes[i].mermaid(t, i)
		}
		if path != "" {
			t.end("end")
		}
	}
	for _, a := range d.arrows {
		t.line("r%d --> r%d", a.from, a.to)
	}
	return t.bytes()
}

func (b *box) mermaid(t *text, i int) {
	label := mermaidString(append([]string{b.title()}, b.details()...)...)
	if len(b.GetAgents()) == 0 {
		t.line("r%d[%s]", i, label)
		return
	}
	t.line("subgraph r%d[%s]", i, label)
	t.indent++
	for j, agent := range b.GetAgents() {
		title := mermaidString("agent " + agentTitle(agent))
		if len(agent.GetApps()) == 0 {
			t.line("r%da%d[%s]", i, j, title)
			continue
		}
		t.line("subgraph r%da%d[%s]", i, j, title)
		t.indent++
		for k, app := range agent.GetApps() {
			t.line("r%da%dp%d(%s)", i, j, k, mermaidString(appTitle(app)))
		}
		t.end("end")
	}
	t.end("end")
}

// mermaidString quotes lines. Within quotes Mermaid still reads entities (#NN;), HTML and Markdown: whatever is no letter, digit or
// harmless mark is written as an entity.
func mermaidString(lines ...string) string {
	var out strings.Builder
	for i, line := range lines {
		if i > 0 {
			out.WriteString("<br>")
		}
		for _, r := range oneLine(line) {
			if r < 0x80 && strings.ContainsRune("\"#&<>`*_~\\[]{}()|;$%'@:/", r) && r != '_' && r != '/' && r != ':' {
				fmt.Fprintf(&out, "#%d;", r)
				continue
			}
			out.WriteRune(r)
		}
	}
	return `"` + out.String() + `"`
}
