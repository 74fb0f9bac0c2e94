package report

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Samples are the durations that one thing took, in milliseconds.
type Samples []float64

// Add adds a duration.
func (s *Samples) Add(d time.Duration) { *s = append(*s, float64(d)/float64(time.Millisecond)) }

// Quantile is the sample below which the share q of them lies; 0 where there are none.
func (s Samples) Quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// Median is the sample in the middle.
func (s Samples) Median() float64 { return s.Quantile(0.5) }

// Spread is the range of the middle half of the samples.
func (s Samples) Spread() string {
	return fmt.Sprintf("%s – %s", Number(s.Quantile(0.25)), Number(s.Quantile(0.75)))
}

// Cells are a table's cells for the samples, in the order of SampleHeader.
func (s Samples) Cells() []string {
	return []string{Number(s.Median()), s.Spread(), Number(s.Quantile(0.99)), fmt.Sprint(len(s))}
}

// SampleHeader names what Cells gives.
var SampleHeader = []string{"median ms", "middle half", "p99 ms", "n"}

// Number writes a number with three digits that count.
func Number(x float64) string {
	switch {
	case x >= 100 || x == 0:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// short writes a number as people do.
func short(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// Ratio writes how often b goes into a: "2.1×".
func Ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f×", a/b)
}
