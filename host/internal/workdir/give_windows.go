package workdir

import "errors"

// Share, LetThrough and Give are for systems where programs run as other users.
func (s *Session) Share(int) error { return errors.ErrUnsupported }

// LetThrough: see Share.
func LetThrough(string, int) error { return errors.ErrUnsupported }

// Give: see Share.
func (s *Session) Give(int) error { return errors.ErrUnsupported }
