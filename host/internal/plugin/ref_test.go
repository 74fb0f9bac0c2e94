package plugin

import (
	"strings"
	"testing"
)

func TestParseRef(t *testing.T) {
	for s, want := range map[string]Ref{
		"a":                                {"a", ""},
		"my-plugin@1.2.3":                  {"my-plugin", "1.2.3"},
		"a@1.2.3-rc.1+5114f85":             {"a", "1.2.3-rc.1+5114f85"},
		"terraform@base":                   {"terraform", "base"},
		strings.Repeat("a", 63) + "@0.0.0": {strings.Repeat("a", 63), "0.0.0"},
	} {
		if got, err := ParseRef(s); err != nil || got != want || got.String() != s {
			t.Errorf("%q: got %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "@", "@1.0.0", "A", "a@", "a@v1.0.0", "a@1.0", "a@1", "a@01.0.0", "a@1.0.0@2.0.0", "a b@1.0.0", "../a@1.0.0", "a@../../x", "a@latest", "-a@1.0.0",
		"a-@1.0.0", "a@1.0.0-", "a@1.0.0\n", strings.Repeat("a", 64), "a@1.0.0-ä", "a@" + strings.Repeat("1", 2000) + ".0.0",
	} {
		if got, err := ParseRef(s); err == nil {
			t.Errorf("%q was taken for %v", s, got)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"a@1.2.3", "a", "terraform@base", "a@1.0.0-rc.1+x", "@", "a@@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			return
		}
		if r.String() != s || !ValidName(r.Name) || r.Version != "" && r.Version != Base && !ValidVersion(r.Version) || strings.ContainsAny(s, "/\\ \n\x00") {
			t.Errorf("%q was taken for %v", s, r)
		}
	})
}
