package snippet

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const page = "# A page\n\nText with `code`.\n\n" +
	"```go\nfunc a() {}\n```\n\n" +
	"## The second `part`\n\n<!-- inside func(x int) -->\n\n" +
	"```go title=x\nx++\n\n```\n\n" +
	"<!--\ngo\nvar hidden int\n\nvar more int\n-->\n\n" +
	"1. In a list:\n\n   ```sh\n   ls\n   ```\n\n" +
	"| message | meaning |\n| --- | --- |\n| `a … b`, or so | `c` |\n| none | |\n\n" +
	"| other | message |\n| --- | --- |\n| `d` | `e` |\n\n" +
	"````text\n```\nnot go\n```\n````\n"

func TestFind(t *testing.T) {
	want := []Block{
		{Page: "p.md", Line: 6, Section: "A page", Number: 1, Language: "go", Code: "func a() {}\n"},
		{Page: "p.md", Line: 14, Section: "The second part", Number: 2, Language: "go", Note: "inside func(x int)", Code: "x++\n\n"},
		{Page: "p.md", Line: 20, Section: "The second part", Number: 2, Language: "go", Hidden: true, Code: "var hidden int\n\nvar more int\n"},
		{Page: "p.md", Line: 28, Section: "The second part", Number: 2, Language: "sh", Code: "ls\n"},
		{Page: "p.md", Line: 41, Section: "The second part", Number: 2, Language: "text", Code: "```\nnot go\n```\n"},
	}
	if diff := cmp.Diff(want, Find("p.md", []byte(page))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestColumn(t *testing.T) {
	want := []Block{{Page: "p.md", Line: 33, Code: "a … b"}, {Page: "p.md", Line: 34}}
	if diff := cmp.Diff(want, Column("p.md", []byte(page), "message")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSpans(t *testing.T) {
	want := []Block{{Page: "p.md", Line: 3, Code: "code"}, {Page: "p.md", Line: 33, Code: "c"}}
	if diff := cmp.Diff(want, Spans("p.md", []byte(page), "c")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPages(t *testing.T) {
	got, err := Pages("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"README.md", "abi/abi.md", "examples/plugins/inventory-c/README.md", "host/internal/scaffold/template/README.md.tmpl"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not among %q", want, got)
		}
	}
}
