package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/provisor/provisor/host/internal/exec/jail"
	"github.com/provisor/provisor/host/internal/userids"
	"github.com/provisor/provisor/host/internal/workdir"
)

// UserRange is a range of user ids.
type UserRange = userids.Range

// ParseUserRange reads FIRST-LAST.
func ParseUserRange(text string) (UserRange, error) { return userids.ParseRange(text) }

// openUsers opens what remembers the tenants' user ids. Without a root of their own, programs must get to their directories from the
// root of the machine.
func (r *Runtime) openUsers() (err error) {
	o := r.options
	if !r.jail.Users() {
		return nil
	}
	if r.users, err = userids.Open(filepath.Join(o.DataDir, "uids"), o.Jail.Users); err != nil {
		return err
	}
	for _, s := range r.jail.Report() {
		if s.Layer == jail.Root && s.State == jail.Enforced {
			return nil
		}
	}
	for _, dir := range []string{o.DataDir, o.CacheDir} {
		if err := checkWay(dir); err != nil {
			return fmt.Errorf("jail: there is no root of its own for programs, and the users of tenants don't get to %s: %w", dir, err)
		}
	}
	return nil
}

// checkWay says which directory on the way to a path, and at its end, lets only its owner through.
func checkWay(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	for dir := path; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil && info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("%s has mode %v: chmod o+x it, or choose another directory", dir, info.Mode().Perm())
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// user is the user that programs of the tenant run as; 0 = the daemon's.
func (u use) user() (int, error) {
	if !u.runsEngine() || !u.profile.engine.jail.Users() {
		return 0, nil
	}
	return u.runtime.users.Of(u.tenant)
}

// share makes a session's directories such that programs of the tenant's user work in them.
func (d *directory) share(cache string, user int) error {
	if user == 0 {
		return nil
	}
	d.user = user
	err := d.Session.Share(user)
	if err == nil && d.engine.Shelf != nil {
		err = workdir.LetThrough(cache, user)
	}
	return err
}
