package drawing

import (
	"fmt"
	"html"
)

// style is that of GitHub's light theme, roughly: calm, and readable when printed.
const style = `text { font-family: Helvetica, Arial, "DejaVu Sans", sans-serif; fill: #1f2328; font-size: 12px; }
.page { fill: #ffffff; }
.module { fill: #f6f8fa; stroke: #d1d9e0; stroke-dasharray: 5 4; }
.resource { fill: #ffffff; stroke: #818b98; stroke-width: 1.4; }
.agent { fill: #ddf4ff; stroke: #54aeff; }
.app { fill: #ffffff; stroke: #54aeff; }
.label { text-anchor: middle; }
.title { font-size: 14px; font-weight: bold; }
.detail, .legend { fill: #59636e; }
.path { fill: #59636e; font-weight: bold; }
.line { fill: none; stroke: #59636e; stroke-width: 1.4; }
.head { fill: #59636e; }`

// SVG is the drawing as a picture of its own, which loads nothing. Its layout is our own: of the libraries that make one, the Graphviz
// in WebAssembly compiles itself whenever a program starts and runs machine code out of a directory that anybody may have made, and
// the others bring a JavaScript engine and browsers along.
func (d *Drawing) SVG() []byte {
	l := d.layout()
	legend := l.height
	l.width, l.height = max(l.width, 420), l.height+20
	t := new(text)
	t.line(`<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f">`, l.width, l.height, l.width, l.height)
	t.indent++
	t.line("<style>%s</style>", style)
	t.line(`<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path class="head" d="M0 1 L10 5 L0 9 z"/></marker></defs>`)
	t.line(`<rect class="page" width="100%%" height="100%%"/>`)
	for _, b := range l.bands {
		if b.path != "" {
			t.rect("module", b.rect, 10)
			t.words("path", b.x+bandPad, b.y+bandPad+8, oneLine(b.path))
		}
	}
	for _, line := range l.lines {
		t.line(`<path class="line" marker-end="url(#arrow)" d="%s"/>`, curve(line))
	}
	for i, f := range l.frames {
		t.frame(f, d.boxes[i].GetHide())
	}
	words := "An arrow leads from a resource to one that it depends on."
	if len(d.boxes) == 0 {
		words = "There are no resources."
	}
	t.words("legend", margin, legend, words)
	t.end("</svg>")
	return t.bytes()
}

func (t *text) frame(f frame, hidden bool) {
	opacity := ""
	if hidden {
		opacity = ` opacity="0.6"`
	}
	t.line(`<g transform="translate(%.1f %.1f)"%s>`, f.x, f.y, opacity)
	t.indent++
	t.rect("resource", rect{w: f.w, h: f.h}, 8)
	t.words("title", pad, pad+titleSize-2, f.title)
	if f.detail != "" {
		t.words("detail", pad, pad+titleSize+smallSize+6, f.detail)
	}
	for _, a := range f.agents {
		t.rect("agent", a.rect, 6)
		t.words("agent-name", a.x+pad, a.y+pad+smallSize-2, a.title)
		for _, c := range a.apps {
			t.rect("app", rect{a.x + c.x, a.y + c.y, c.w, c.h}, chipH/2)
			t.words("label", a.x+c.x+c.w/2, a.y+c.y+chipH/2+4, c.label)
		}
	}
	t.end("</g>")
}

func (t *text) rect(class string, r rect, radius float64) {
	t.line(`<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%g"/>`, class, r.x, r.y, r.w, r.h, radius)
}

func (t *text) words(class string, x, y float64, words string) {
	t.line(`<text class="%s" x="%.1f" y="%.1f">%s</text>`, class, x, y, html.EscapeString(words))
}

// curve bends from point to point, level at each.
func curve(line []point) string {
	path := fmt.Sprintf("M%.1f %.1f", line[0].x, line[0].y)
	for i, p := range line[1:] {
		last := line[i]
		bend := max((p.x-last.x)/2, 30)
		if i%2 == 0 { // to the edge of its column, or along its lane
			path += fmt.Sprintf(" L%.1f %.1f", p.x, p.y)
			continue
		}
		path += fmt.Sprintf(" C%.1f %.1f %.1f %.1f %.1f %.1f", last.x+bend, last.y, p.x-bend, p.y, p.x, p.y)
	}
	return path
}
