//go:build unix

package copies

import (
	"errors"
	"syscall"
)

// IsFull says whether an error means that the disk, or this user's share of it, is full.
func IsFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
