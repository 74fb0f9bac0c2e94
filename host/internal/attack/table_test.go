package attack

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of attacks and their number anew")

// mainReadme says how many attacks there are.
const mainReadme = "../../../README.md"

var numberOfAttacks = regexp.MustCompile(`\[\d+ attacks\]\(host/internal/attack/README\.md\)`)

// TestTable: the table in README.md is that of the cases. `go generate ./host/internal/attack` writes it.
func TestTable(t *testing.T) {
	table, n := table()
	same(t, "README.md", func([]byte) string { return table })
	same(t, mainReadme, func(old []byte) string {
		if !numberOfAttacks.Match(old) {
			t.Errorf("%s does not say how many attacks there are", mainReadme)
		}
		return numberOfAttacks.ReplaceAllString(string(old), fmt.Sprintf("[%d attacks](host/internal/attack/README.md)", n))
	})
}

// same compares a file with what it should be, or writes it.
func same(t *testing.T, file string, want func(old []byte) string) {
	t.Helper()
	old, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	text := want(old)
	switch {
	// Git may have given it another system's ends of lines.
	case strings.ReplaceAll(string(old), "\r\n", "\n") == strings.ReplaceAll(text, "\r\n", "\n"):
	case *update:
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not that of the cases: run go generate ./host/internal/attack", file)
	}
}

const preamble = `# The attack corpus

Made of the cases by ` + "`go generate ./host/internal/attack`" + `; a test fails where it is not up to date.

Each attack runs against a real runtime behind a real server, and beside an honest session that must be answered as it is alone. Afterwards
no directory, process, descriptor or goroutine of either is left. Those by templates run on Terraform, in a daemon that is a process of its own and has two tenants: as root,
as a user without rights, and with a user for each tenant; with and without namespaces. What needs a layer of the jail that the machine lacks is skipped by name.

` + "```sh" + `
go test -race -v -run 'TestCorpus|TestTemplates' ./host/internal/attack   # says how many were tried and contained
` + "```" + `
`

func table() (text string, attacks int) {
	var b strings.Builder
	b.WriteString(preamble)
	for _, g := range all() {
		fmt.Fprintf(&b, "\n## %s\n\n| attack | what it tries, and how | what contains it |\n| --- | --- | --- |\n", g.title)
		for _, x := range g.attacks {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(x.name), cell(x.tries), cell(x.contains))
			attacks++
		}
	}
	return b.String(), attacks
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
