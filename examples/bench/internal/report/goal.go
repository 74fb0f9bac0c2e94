package report

// Goal is a figure, and what it should be.
type Goal struct {
	What, Measured, Bound string
	Met                   bool
}

// AtMost is a figure that should not be greater.
func AtMost(what string, measured, most float64, unit string) Goal {
	return Goal{what, Number(measured) + unit, "≤ " + short(most) + unit, measured <= most}
}

// AtLeast is a figure that should not be less.
func AtLeast(what string, measured, least float64, unit string) Goal {
	return Goal{what, Number(measured) + unit, "≥ " + short(least) + unit, measured >= least}
}

// Verdict says whether the goal is met.
func (g Goal) Verdict() string {
	if g.Met {
		return "met"
	}
	return "not met"
}
