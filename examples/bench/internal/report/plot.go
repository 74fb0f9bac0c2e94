package report

import (
	"fmt"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// Plot is a picture with one line per series.
type Plot struct {
	// File is its name, ending in .svg.
	File, Title, X, Y string
	Series            []Series
}

// Series is one line.
type Series struct {
	Name string
	X, Y []float64
}

func (p Plot) write(dir string) error {
	canvas := plot.New()
	canvas.Title.Text, canvas.X.Label.Text, canvas.Y.Label.Text = p.Title, p.X, p.Y
	canvas.Y.Min, canvas.Legend.Top, canvas.Legend.Left = 0, true, true
	canvas.Add(plotter.NewGrid())
	var lines []any
	for _, s := range p.Series {
		points := make(plotter.XYs, len(s.X))
		for i := range s.X {
			points[i] = plotter.XY{X: s.X[i], Y: s.Y[i]}
		}
		lines = append(lines, s.Name, points)
	}
	if err := plotutil.AddLinePoints(canvas, lines...); err != nil {
		return fmt.Errorf("plot %s: %w", p.File, err)
	}
	if err := canvas.Save(16*vg.Centimeter, 9*vg.Centimeter, filepath.Join(dir, p.File)); err != nil {
		return fmt.Errorf("plot %s: %w", p.File, err)
	}
	return nil
}
