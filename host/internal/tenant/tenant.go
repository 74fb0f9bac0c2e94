// Package tenant names on whose behalf a session runs. Every path, key, cache and limit is a tenant's.
package tenant

import (
	"errors"
	"fmt"
	"regexp"
)

// Tenant is on whose behalf a session runs. The zero value is no tenant; use Default or Parse.
type Tenant struct{ name string }

// Default is the tenant of a runtime without a configuration.
var Default = Tenant{"default"}

var valid = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)

// MaxName is the longest name of a tenant, in bytes: a DNS label's length, and short enough for any path.
const MaxName = 63

// Parse returns the tenant of that name: lower-case letters and digits, single hyphens between them.
func Parse(name string) (Tenant, error) {
	if len(name) > MaxName || !valid.MatchString(name) {
		return Tenant{}, fmt.Errorf("tenant name %q: want lower-case letters, digits and single hyphens between them, at most %d bytes", name, MaxName)
	}
	return Tenant{name}, nil
}

// Name is the tenant's name; it is safe as a path element and as a metric's label.
func (t Tenant) Name() string { return t.name }

// String is the tenant's name.
func (t Tenant) String() string { return t.name }

// ErrUnknown is why there is nothing for a tenant: it is not among those that there are, or no longer.
var ErrUnknown = errors.New("there is no such tenant (any more)")

// QuotaError says that a tenant has used up what it may have.
type QuotaError struct {
	Tenant Tenant
	// Used says what is used up: "50 sessions are open".
	Used string
	// Setting is the quota's name in the tenant's configuration.
	Setting string
}

// Error names the tenant, what it has used, and the setting to raise.
func (e *QuotaError) Error() string {
	return fmt.Sprintf("tenant %s: %s, as many as may (setting %s of the tenant)", e.Tenant, e.Used, e.Setting)
}
