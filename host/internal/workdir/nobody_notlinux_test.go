//go:build unix && !linux

package workdir

import "testing"

func asNobody(*testing.T) func(func()) { return func(f func()) { f() } }

func nobodysDir(t *testing.T) string { return t.TempDir() }
