package values

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestParse(t *testing.T) {
	hcl := "z = \"last\"\nregion = \"eu\"\nports = [1, 2]\nsize = 3\nnothing = null\nmulti = <<EOT\nline\nEOT\n"
	json := `{"z": "a\nb", "tags": {"k": [1,  2]}, "n": 1.50, "null": null}`
	for name, test := range map[string]struct {
		files, assignments []string
		want               []Value
	}{
		"nothing":     {},
		"assignments": {nil, []string{"a=1", "b=x=y", " c =", "a=2"}, []Value{{"a", "2"}, {"b", "x=y"}, {"c", ""}}},
		"HCL": {[]string{file(t, "x.tfvars", hcl)}, []string{"region=us"}, []Value{
			{"z", "last"}, {"region", "us"}, {"ports", "[1, 2]"}, {"size", "3"}, {"nothing", "null"}, {"multi", "line\n"}}},
		"JSON": {[]string{file(t, "x.json", json)}, nil, []Value{{"z", "a\nb"}, {"tags", `{"k":[1,2]}`}, {"n", "1.50"}, {"null", "null"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(test.files, test.assignments)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		files, assignments []string
		want               string
	}{
		"no equals sign": {nil, []string{"abc"}, `"abc": want name=value`},
		"no name":        {nil, []string{"=abc"}, `"=abc": want name=value`},
		"no file":        {[]string{"/nowhere/x"}, nil, "values file"},
		"an array":       {[]string{file(t, "x.json", "[]")}, nil, "want one JSON object"},
		"cut short":      {[]string{file(t, "x.json", `{"a": 1`)}, nil, "x.json"},
		"two objects":    {[]string{file(t, "x.json", `{} {}`)}, nil, "something after the object"},
		"a block":        {[]string{file(t, "x.tfvars", "a {}\n")}, nil, "x.tfvars:1"},
		"a reference":    {[]string{file(t, "x.tfvars", "a = var.b\n")}, nil, "x.tfvars:1"},
		"deep":           {[]string{file(t, "x.tfvars", "a = "+strings.Repeat("[", 1<<20))}, nil, "nested"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse(test.files, test.assignments); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a = \"b\"\nc = [1]\n", false)
	f.Add(`{"a": {"b": null}}`, true)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content string, json bool) {
		name := filepath.Join(dir, "x.tfvars")
		if json {
			name = filepath.Join(dir, "x.json")
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := Parse([]string{name}, nil)
		seen := map[string]bool{}
		for _, v := range list {
			if seen[v.Name] || err != nil {
				t.Errorf("%q twice, or beside the error %v", v.Name, err)
			}
			seen[v.Name] = true
		}
	})
}
