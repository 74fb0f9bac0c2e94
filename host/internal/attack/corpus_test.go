package attack

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"

	"go.uber.org/goleak"

	_ "github.com/provisor/provisor/host/internal/sandbox/compiler/compilertest"
)

func TestMain(m *testing.M) {
	if arguments := os.Getenv(daemonVariable); arguments != "" {
		if err := beDaemon(arguments); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// attack is something hostile that is tried.
type attack struct {
	// name is the case's name, in the words of the table.
	name string
	// tries says what is tried and how, contains what keeps it from having success.
	tries, contains string
	// run attacks. What it reports to t was not contained.
	run func(t *testing.T, a *arena)
}

// group is the attacks of one kind.
type group struct {
	title   string
	attacks []attack
}

// corpus is all attacks, in the order of the table.
func corpus() []group {
	return []group{
		{"Plugins: code that does not end", loops()},
		{"Plugins: memory", memories()},
		{"Plugins: calls of the host", calls()},
		{"Plugins: answers", answers()},
		{"Plugins: floods", floods()},
		{"Plugins: files", files()},
		{"Plugins: programs", programs()},
		{"Plugins: other limits", settings()},
		{"Plugins: ends", ends()},
		{"Plugins: modules that lie", modules()},
		{"Archives", archives()},
		{"Clients", clients()},
		{"Servers, against the client", servers()},
	}
}

// all is the corpus with what templates try, for those who only read it.
func all() []group {
	g := group{title: "Templates, against the machine and other tenants"}
	for _, x := range templates() {
		g.attacks = append(g.attacks, attack{x.name, x.tries, x.contains, func(*testing.T, *arena) {}})
	}
	return append(corpus(), g)
}

// TestCorpus tries everything there is, each beside an honest session.
func TestCorpus(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	if runtime.GOOS == "windows" {
		t.Skip("the programs of the attacks are shell scripts")
	}
	a := newArena(t)
	tried, contained := 0, 0
	for _, g := range corpus() {
		for _, x := range g.attacks {
			tried++
			if t.Run(x.name, func(t *testing.T) { a.try(t, x) }) {
				contained++
			}
		}
	}
	t.Logf("%d attacks tried, %d contained; the honest session beside them was answered %d times", tried, contained, a.honest.answered)
	if !t.Failed() && tried != contained {
		t.Errorf("%d attacks were not contained", tried-contained)
	}
}

// TestNames: a name is used once.
func TestNames(t *testing.T) {
	var names []string
	for _, g := range all() {
		for _, x := range g.attacks {
			if slices.Contains(names, x.name) {
				t.Errorf("two attacks are called %q", x.name)
			}
			if x.tries == "" || x.contains == "" || x.run == nil {
				t.Errorf("%q does not say all that it must", x.name)
			}
			names = append(names, x.name)
		}
	}
	for _, x := range templates() {
		if x.script == "" && x.run == nil {
			t.Errorf("%q does nothing", x.name)
		}
	}
}
