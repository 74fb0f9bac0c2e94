package access

import (
	"strings"
	"testing"

	"github.com/provisor/provisor/host/internal/tenant"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	const hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b" // of "secret"
	for _, tt := range []struct {
		name, file, want string
	}{
		{"one", hash, ""},
		{"as sha256sum writes it", hash + "  -\n", ""},
		{"upper case", strings.ToUpper(hash), ""},
		{"comments and blanks", "# ours\n\n  " + hash + " team  \r\n", ""},
		{"empty", "", "no token"},
		{"only comments", "# none\n", "no token"},
		{"the token itself", "secret", "line 1: want a SHA-256"},
		{"too short", hash[:62], "want a SHA-256"},
		{"too long", hash + "00", "want a SHA-256"},
		{"odd", hash + "0", "want a SHA-256"},
		{"not hexadecimal", "z" + hash[1:], "want a SHA-256"},
		{"bad tenant", "\n" + hash + " ../x", "line 2: tenant name"},
		{"too many words", hash + " a b", "3 words"},
		{"the empty token", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "empty token"},
		{"a huge file", strings.Repeat("# "+strings.Repeat("x", 1000)+"\n", 3000), "more than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tokens, err := parseTokens(strings.NewReader(tt.file), tenant.Default)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want it to say %q", err, tt.want)
				}
				if err != nil && strings.Contains(err.Error(), "secret") {
					t.Errorf("the message gives a token away: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			list, err := New(tokens)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := list.Find(Shown{Token: "secret"}); err != nil {
				t.Errorf("the token is not found: %v", err)
			}
			for _, other := range []string{"Secret", ""} {
				if _, err := list.Find(Shown{Token: other}); err == nil {
					t.Errorf("the token %q is found", other)
				}
			}
		})
	}
}

func FuzzTokens(f *testing.F) {
	f.Add("2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b team\n")
	f.Add("# comment\n\n")
	f.Fuzz(func(t *testing.T, file string) {
		tokens, err := parseTokens(strings.NewReader(file), tenant.Default)
		if (err == nil) != (len(tokens) > 0) {
			t.Errorf("%d tokens and the error %v", len(tokens), err)
		}
		list, err := New(tokens)
		if err != nil {
			return // one token of two tenants
		}
		if _, err := list.Find(Shown{}); err == nil {
			t.Error("nothing opens sessions")
		}
	})
}
