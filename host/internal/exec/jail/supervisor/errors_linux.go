package supervisor

// stepError is an error with what was tried. Wrapping by package fmt would have a supervisor begin later, see package kernel.
type stepError struct {
	what string
	err  error
}

func during(what string, err error) error { return &stepError{what, err} }

func (e *stepError) Error() string { return e.what + ": " + e.err.Error() }

func (e *stepError) Unwrap() error { return e.err }
