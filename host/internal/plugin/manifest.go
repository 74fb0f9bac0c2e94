package plugin

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/semver"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/host/internal/sandbox"
	"github.com/provisor/provisor/proto/guestpb"
)

// The most that a manifest may hold.
const (
	maxManifest = 64 << 10 // bytes, serialized
	maxName     = 63       // bytes, as in the manifest's definition
	maxText     = 1 << 10  // bytes of description or license
	maxEntries  = 256      // entries of a list
)

// requestKinds are the requests that plugins answer.
var requestKinds = []string{"init", "parse", "plan", "apply", "graph"}

var (
	namePattern    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	envPattern     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*\*?$`)
	licensePattern = regexp.MustCompile(`^[A-Za-z0-9.+() :-]*$`)
)

func decodeManifest(b []byte) (*guestpb.Manifest, error) {
	if len(b) > maxManifest {
		return nil, fmt.Errorf("it has %d bytes, the limit is %d", len(b), maxManifest)
	}
	m := new(guestpb.Manifest)
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("decode it: %w", err)
	}
	var errs []error
	for _, p := range problems(m) {
		errs = append(errs, p)
	}
	return m, errors.Join(errs...)
}

// problem is what is wrong with one field.
type problem struct {
	field string
	text  string
}

func (p problem) Error() string { return p.field + ": " + p.text }

// problems are all that keep a manifest from being taken.
func problems(m *guestpb.Manifest) []problem {
	var found []problem
	add := func(field, format string, args ...any) {
		found = append(found, problem{field, fmt.Sprintf(format, args...)})
	}
	if !validName(m.GetName()) {
		add("name", "%q must be 1 to %d lower-case letters, digits and hyphens, with no hyphen at either end", m.GetName(), maxName)
	}
	if !validVersion(m.GetVersion()) {
		add("version", "%q is not a semantic version like 1.2.3", m.GetVersion())
	}
	if text := m.GetDescription(); len(text) > maxText || !printable(text) {
		add("description", "must be one line of at most %d bytes", maxText)
	}
	if text := m.GetLicense(); len(text) > maxText || !licensePattern.MatchString(text) {
		add("license", "%q is not an SPDX expression like Apache-2.0", text)
	}
	if err := sandbox.CheckVersion(m.GetAbiVersion()); err != nil {
		add("abi_version", "%v", err)
	}
	if len(m.GetRequests()) == 0 {
		add("requests", "name at least one of %s", strings.Join(requestKinds, ", "))
	}
	entries := func(field, what string, list []string, valid func(string) bool) {
		if len(list) > maxEntries {
			add(field, "has %d entries, the limit is %d", len(list), maxEntries)
			return
		}
		for i, s := range list {
			if !valid(s) {
				add(field, "%q is not %s", s, what)
			} else if slices.Contains(list[:i], s) {
				add(field, "%q stands there twice", s)
			}
		}
	}
	entries("requests", "one of "+strings.Join(requestKinds, ", "), m.GetRequests(), func(s string) bool { return slices.Contains(requestKinds, s) })
	entries("programs", "a program's logical name, like terraform", m.GetPrograms(), validName)
	entries("env", "a variable's name, or the beginning of one and a *", m.GetEnv(), envPattern.MatchString)
	entries("keep_files", "the relative path of a file below /work", m.GetKeepFiles(), validFile)
	return found
}

func validName(s string) bool { return len(s) <= maxName && namePattern.MatchString(s) }

func validVersion(s string) bool {
	core, _, _ := strings.Cut(s, "+")
	core, _, _ = strings.Cut(core, "-")
	// The library takes 1.2 for 1.2.0, which a semantic version is not.
	return len(s) <= maxText && semver.IsValid("v"+s) && strings.Count(core, ".") == 2
}

func validFile(s string) bool {
	return utf8.ValidString(s) && printable(s) && filepath.IsLocal(s) && path.Clean(s) == s && s != "." && !strings.Contains(s, `\`)
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
