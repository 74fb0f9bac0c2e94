package drawing

import (
	"cmp"
	"slices"
)

// Distances in the picture, in pixels.
const (
	margin    = 24
	columnGap = 90
	rowGap    = 18
	bandPad   = 16
	bandTitle = 26
	lineLane  = 14 // the height of an arrow that passes by boxes
	flowWidth = 1000
)

// layout is where everything stands. Boxes stand in columns, each to the left of what it depends on; each module is a band of its own,
// so that modules never overlap. What has no arrows flows in rows below the rest of its band.
type layout struct {
	drawing       *Drawing
	frames        []frame // of the boxes
	bands         []band
	lines         [][]point
	width, height float64
}

type point struct{ x, y float64 }

type rect struct{ x, y, w, h float64 }

type band struct {
	rect
	path string
}

// slot is a box in its column, or (box < 0) an arrow that passes through the column.
type slot struct {
	box, arrow int
	order      float64
	next       []*slot // in the next column
	previous   []*slot
	rect       rect
}

func (d *Drawing) layout() *layout {
	l := &layout{drawing: d, frames: make([]frame, len(d.boxes))}
	for i, b := range d.boxes {
		l.frames[i] = b.frame()
	}
	arrows := d.reduced()
	ranks := d.ranks(arrows)
	paths, members := d.modules()
	bandOf := make([]int, len(d.boxes))
	linked := make([]*slot, len(d.boxes))
	for n, path := range paths {
		for _, i := range members[path] {
			bandOf[i] = n
		}
	}
	// columns[rank][band]
	var columns [][][]*slot
	put := func(rank, band int, s *slot) *slot {
		for len(columns) <= rank {
			columns = append(columns, make([][]*slot, len(paths)))
		}
		s.order = float64(len(columns[rank][band]))
		columns[rank][band] = append(columns[rank][band], s)
		return s
	}
	for _, a := range arrows {
		for _, i := range []int{a.from, a.to} {
			if linked[i] == nil {
				linked[i] = put(ranks[i], bandOf[i], &slot{box: i})
			}
		}
	}
	chains := make([][]*slot, len(arrows))
	for n, a := range arrows {
		chain := []*slot{linked[a.from]}
		for rank := ranks[a.from] + 1; rank < ranks[a.to]; rank++ {
			chain = append(chain, put(rank, bandOf[a.from], &slot{box: -1, arrow: n}))
		}
		chain = append(chain, linked[a.to])
		for i, s := range chain[1:] {
			chain[i].next, s.previous = append(chain[i].next, s), append(s.previous, chain[i])
		}
		chains[n] = chain
	}
	sortColumns(columns)
	l.place(columns, paths, members, linked)
	l.route(chains)
	return l
}

// reduced are the arrows without those that others already tell of: with a → b → c, a → c adds nothing to a picture.
func (d *Drawing) reduced() []arrow {
	next := make([][]int, len(d.boxes))
	for _, a := range d.arrows {
		next[a.from] = append(next[a.from], a.to)
	}
	reach := make([]map[int]bool, len(d.boxes)) // what a box leads to by two steps or more
	for from := range d.boxes {
		reach[from] = make(map[int]bool)
		var pending []int
		for _, n := range next[from] {
			pending = append(pending, next[n]...)
		}
		for len(pending) > 0 {
			n := pending[len(pending)-1]
			pending = pending[:len(pending)-1]
			if !reach[from][n] {
				reach[from][n] = true
				pending = append(pending, next[n]...)
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(d.arrows), func(a arrow) bool {
		// In a circle, which engines refuse, all arrows would go.
		return reach[a.from][a.to] && !reach[a.to][a.from] && !reach[a.from][a.from] && !reach[a.to][a.to]
	})
}

// ranks are the columns of boxes: one more than the greatest of all that depend on it. Arrows that would close a circle do not count.
func (d *Drawing) ranks(arrows []arrow) []int {
	ranks, incoming := make([]int, len(d.boxes)), make([]int, len(d.boxes))
	next := make([][]int, len(d.boxes))
	for _, a := range arrows {
		next[a.from] = append(next[a.from], a.to)
		incoming[a.to]++
	}
	var pending []int
	for i, n := range incoming {
		if n == 0 {
			pending = append(pending, i)
		}
	}
	for len(pending) > 0 {
		i := pending[0]
		pending = pending[1:]
		for _, to := range next[i] {
			ranks[to] = max(ranks[to], ranks[i]+1)
			if incoming[to]--; incoming[to] == 0 {
				pending = append(pending, to)
			}
		}
	}
	return ranks
}

// sortColumns brings what is connected to about the same height: some sweeps of the barycenter method, there and back.
func sortColumns(columns [][][]*slot) {
	sweep := func(bands [][]*slot, neighbors func(*slot) []*slot) {
		base := 0.0
		for _, slots := range bands {
			for _, s := range slots {
				if around := neighbors(s); len(around) > 0 {
					sum := 0.0
					for _, n := range around {
						sum += n.order
					}
					s.order = sum / float64(len(around))
				}
			}
			slices.SortStableFunc(slots, func(a, b *slot) int { return cmp.Compare(a.order, b.order) })
			for i, s := range slots {
				s.order = base + float64(i)
			}
			base += float64(len(slots))
		}
	}
	for range 4 {
		for _, c := range columns {
			sweep(c, func(s *slot) []*slot { return s.previous })
		}
		for _, c := range slices.Backward(columns) {
			sweep(c, func(s *slot) []*slot { return s.next })
		}
	}
}

// place gives every slot and frame its place, band by band.
func (l *layout) place(columns [][][]*slot, paths []string, members map[string][]int, linked []*slot) {
	left := make([]float64, len(columns)+1)
	widths := make([]float64, len(columns))
	left[0] = margin + bandPad
	for c, bands := range columns {
		for _, slots := range bands {
			for _, s := range slots {
				if s.box >= 0 {
					widths[c] = max(widths[c], l.frames[s.box].w)
				}
			}
		}
		left[c+1] = left[c] + widths[c] + columnGap
	}
	y := float64(margin)
	for n, path := range paths {
		b := band{path: path, rect: rect{x: margin, y: y}}
		top := y + bandPad
		if path != "" {
			top += bandTitle
		}
		right, bottom := l.placeColumns(columns, n, left, widths, top)
		flowBottom := l.flow(members[path], linked, bottom, right)
		b.x = right
		for _, i := range members[path] {
			b.x = min(b.x, l.frames[i].x-bandPad)
			right = max(right, l.frames[i].x+l.frames[i].w)
		}
		right = max(right, b.x+textWidth(oneLine(path), smallSize)+bandPad)
		b.w, b.h = right+bandPad-b.x, flowBottom-rowGap+bandPad-b.y
		l.bands = append(l.bands, b)
		y = b.y + b.h + rowGap
		l.width = max(l.width, b.x+b.w+margin)
	}
	l.height = y - rowGap + margin
}

// placeColumns places a band's slots below top, each column in the middle of the band's height.
func (l *layout) placeColumns(columns [][][]*slot, n int, left, widths []float64, top float64) (right, bottom float64) {
	heights, tallest := make([]float64, len(columns)), 0.0
	for c, bands := range columns {
		for _, s := range bands[n] {
			heights[c] += l.slotHeight(s) + rowGap
		}
		tallest = max(tallest, heights[c])
	}
	right = margin + bandPad
	for c, bands := range columns {
		y := top + (tallest-heights[c])/2
		for _, s := range bands[n] {
			s.rect = rect{left[c], y, widths[c], l.slotHeight(s)}
			if s.box >= 0 {
				l.frames[s.box].x, l.frames[s.box].y = left[c], y
				right = max(right, left[c]+l.frames[s.box].w)
			}
			y += s.rect.h + rowGap
		}
	}
	return right, top + tallest
}

func (l *layout) slotHeight(s *slot) float64 {
	if s.box < 0 {
		return lineLane
	}
	return l.frames[s.box].h
}

// flow places the boxes that have no arrows in rows.
func (l *layout) flow(boxes []int, linked []*slot, top, width float64) (bottom float64) {
	x, y, row := float64(margin+bandPad), top, 0.0
	limit := max(width, flowWidth)
	for _, i := range boxes {
		if linked[i] != nil {
			continue
		}
		f := &l.frames[i]
		if x > margin+bandPad && x+f.w > limit {
			x, y, row = margin+bandPad, y+row+rowGap, 0
		}
		f.x, f.y = x, y
		row = max(row, f.h)
		x += f.w + rowGap
	}
	if row > 0 {
		y += row + rowGap
	}
	return y
}

// route makes lines of arrows: points between which they run level and bend, by turns.
func (l *layout) route(chains [][]*slot) {
	for _, chain := range chains {
		from, to := l.frames[chain[0].box], l.frames[chain[len(chain)-1].box]
		height, column := from.y+min(from.h/2, 24), chain[0].rect
		// Level up to the column's edge: other boxes of the column may be wider.
		line := []point{{from.x + from.w, height}, {column.x + column.w, height}}
		for _, s := range chain[1 : len(chain)-1] {
			middle := s.rect.y + s.rect.h/2
			line = append(line, point{s.rect.x, middle}, point{s.rect.x + s.rect.w, middle})
		}
		l.lines = append(l.lines, append(line, point{to.x, to.y + min(to.h/2, 24)}))
	}
}
