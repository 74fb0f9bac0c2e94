package drawing

import "strings"

// frame is a box as it is drawn: its place, and what is in it relative to that.
type frame struct {
	rect
	title, detail string
	agents        []agentFrame
}

type agentFrame struct {
	rect
	title string
	apps  []chip
}

type chip struct {
	rect
	label string
}

// Sizes in a box, in pixels.
const (
	pad       = 12
	titleSize = 14
	smallSize = 12
	chipPad   = 8
	chipH     = 22
	chipGap   = 6
	appsWidth = 330
)

// textWidth is an estimate of the width of a text, on the wide side: the font is the reader's. Characters of East Asia take a whole em.
func textWidth(s string, size float64) float64 {
	width := 0.0
	for _, r := range s {
		switch {
		case r >= 0x1100:
			width += size
		case strings.ContainsRune("ilj.,:;'|!()[]/ ", r):
			width += size * 0.4
		case strings.ContainsRune("mwMW@%×…", r):
			width += size * 0.95
		default:
			width += size * 0.62
		}
	}
	return width
}

func (b *box) frame() frame {
	f := frame{title: oneLine(b.title()), detail: oneLine(strings.Join(b.details(), " · "))}
	f.w = max(textWidth(f.title, titleSize)*1.05, textWidth(f.detail, smallSize)) + 2*pad
	f.h = pad + titleSize + pad
	if f.detail != "" {
		f.h += smallSize + 6
	}
	for _, agent := range b.GetAgents() {
		a := agentFrame{title: oneLine("agent " + agentTitle(agent)), rect: rect{x: pad, y: f.h}}
		a.w = textWidth(a.title, smallSize) + 2*pad
		x, y := float64(pad), float64(pad+smallSize+8)
		for _, app := range agent.GetApps() {
			c := chip{label: oneLine(appTitle(app))}
			c.w, c.h = textWidth(c.label, smallSize)+2*chipPad, chipH
			if x > pad && x+c.w > appsWidth {
				x, y = pad, y+chipH+chipGap
			}
			c.x, c.y = x, y
			x += c.w + chipGap
			a.w = max(a.w, c.x+c.w+pad)
			a.apps = append(a.apps, c)
		}
		a.h = pad + smallSize + pad
		if len(a.apps) > 0 {
			a.h = y + chipH + pad
		}
		f.h += a.h + pad
		f.w = max(f.w, a.w+2*pad)
		f.agents = append(f.agents, a)
	}
	for i := range f.agents {
		f.agents[i].w = f.w - 2*pad
	}
	return f
}
