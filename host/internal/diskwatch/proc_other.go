//go:build !linux

package diskwatch

import "errors"

// unnamed: there is no way to tell.
func (l *look) unnamed(int) {}

func makeReadable(int, string) error { return errors.ErrUnsupported }
