package dot_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/provisor/provisor/plugins/terraform/dot"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		text  string
		nodes string // ID=LABEL, in order
		edges string // FROM>TO, in order
	}{
		"as engines write it": {
			`digraph {
	compound = "true"
	newrank = "true"
	subgraph "root" {
		"[root] a.b (expand)" [label = "a.b", shape = "box"]
		"[root] provider[\"x/y\"]" [label = "provider[\"x/y\"]", shape = "diamond"]
		"[root] a.b (expand)" -> "[root] provider[\"x/y\"]"
		"[root] root" -> "[root] a.b (expand)"
	}
}
`,
			`[root] a.b (expand)=a.b [root] provider[\"x/y\"]=provider["x/y"] [root] root=`, "0>1 2>0",
		},
		"a key with a quote in it": {
			`digraph { "[root] a.b[\"say \\\"hi\\\"\"] (orphan)" [label = "a.b[\"say \\\"hi\\\"\"]"] "x" -> "[root] a.b[\"say \\\"hi\\\"\"] (orphan)" }`,
			`[root] a.b[\"say \\\"hi\\\"\"] (orphan)=a.b["say \"hi\""] x=`, "1>0",
		},
		"a key that ends in a backslash": {
			`digraph { "[root] a.b[\"x\\\\\"] (orphan)" [label = "a.b[\"x\\\\\"]"] }`,
			`[root] a.b[\"x\\\\\"] (orphan)=a.b["x\\"]`, "",
		},
		"a name that ends in a backslash": {`digraph { "x\\" -> "y" }`, `x\\= y=`, "0>1"},
		"a drawn circle":                  {`digraph { "a" -> "b" [color = "red", penwidth = "2.0"] "b" -> "a" [color = "red", penwidth = "2.0"] }`, "a= b=", "0>1 1>0"},
		"resources only":                  {"digraph G {\n  rankdir = \"RL\";\n  node [shape = rect, fontname = \"sans-serif\"];\n  \"a.b\" [label=\"a.b\"];\n  subgraph \"cluster_module.m\" {\n label = \"module.m\"\n \"module.m.c.d\" [label=\"c.d\"];\n }\n  \"a.b\" -> \"module.m.c.d\";\n}", "a.b=a.b module.m.c.d=c.d", "0>1"},
		"a chain":                         {`digraph { a -> b -> c -> a }`, "a= b= c=", "0>1 1>2 2>0"},
		"repeated edges":                  {`digraph { a -> b a -> b }`, "a= b=", "0>1 0>1"},
		"nothing":                         {`digraph { }`, "", ""},
		"a label of edges":                {`digraph { a -> b [label = "no"] }`, "a= b=", "0>1"},
		"labelled later":                  {`digraph { a -> b; b [label=x] [shape=box]; b }`, "a= b=x", "0>1"},
		"separators":                      {"digraph{a[label=\"x\";shape=box,]\r\n;b}", "a=x b=", ""},
		"nested":                          {`digraph { subgraph { subgraph x { a } { b } } }`, "a= b=", ""},
		"names of keywords":               {`digraph { "node" [label = "n"] "graph" -> "edge" }`, "node=n graph= edge=", "1>2"},
		"an empty name":                   {`digraph { "" -> "" }`, "=", "0>0"},
		"no Go string":                    {`digraph { a [label = "\q\"x"] }`, `a=\q"x`, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g, err := dot.Parse(test.text)
			if err != nil {
				t.Fatal(err)
			}
			var nodes, edges []string
			for _, n := range g.Nodes {
				nodes = append(nodes, n.ID+"="+n.Label)
			}
			for _, e := range g.Edges {
				edges = append(edges, fmt.Sprintf("%d>%d", e.From, e.To))
			}
			if diff := cmp.Diff(test.nodes, strings.Join(nodes, " ")); diff != "" {
				t.Errorf("nodes differ (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.edges, strings.Join(edges, " ")); diff != "" {
				t.Errorf("edges differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "line 1: the graph ends too early",
		"graph { a }":                    `line 1: found "graph", want "digraph"`,
		"digraph":                        "the graph ends too early",
		"digraph {\n\na":                 "line 3: the graph ends too early",
		"digraph { } }":                  "want the end",
		"digraph { a -> }":               "want the name of a node",
		"digraph { a -> -> b }":          "want the name of a node",
		"digraph { a -- b }":             `unexpected character '-'`,
		"digraph { a [label] }":          "want an attribute",
		"digraph { a [label =":           "want an attribute",
		"digraph { a [label = \"x\"":     "the graph ends too early",
		"digraph { a = }":                "want a value",
		"digraph { \"a }":                "a quoted string does not end",
		"digraph {\n \"a\n\" }":          "line 2: a quoted string does not end on its line",
		"digraph { a:port }":             `unexpected character ':'`,
		"digraph { <html> }":             `unexpected character '<'`,
		"digraph { subgraph x a }":       `want "{"`,
		"Error: no configuration files!": `want "digraph"`,
	} {
		if _, err := dot.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): got error %v, want one that says %q", text, err, want)
		}
	}
}

func TestErrorsAreShort(t *testing.T) {
	_, err := dot.Parse(`"` + strings.Repeat("x", 1<<20) + `"`)
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
}

func FuzzParse(f *testing.F) {
	f.Add("digraph {\n\tcompound = \"true\"\n\tsubgraph \"root\" {\n\t\t\"[root] a.b[\\\"k\\\"]\" [label = \"a.b\", shape = \"box\"]\n\t\t\"a\" -> \"b\"\n\t}\n}\n")
	f.Add("digraph G { rankdir = \"RL\"; node [shape = rect]; a -> b -> c; subgraph { } }")
	f.Add(`digraph { a [label = "\\\""] }`)
	f.Add(strings.Repeat("digraph { {", 50))
	f.Fuzz(func(t *testing.T, text string) {
		g, err := dot.Parse(text)
		if err != nil {
			return
		}
		if len(g.Nodes) > len(text) || len(g.Edges) > len(text) {
			t.Errorf("%d nodes and %d edges from %d bytes", len(g.Nodes), len(g.Edges), len(text))
		}
		for _, e := range g.Edges {
			if int(e.From) >= len(g.Nodes) || int(e.To) >= len(g.Nodes) {
				t.Errorf("the edge %v leads to no node", e)
			}
		}
	})
}

// engineGraph is a graph of n resources, each of which depends on up to ten before it.
func engineGraph(n int) string {
	var nodes, edges strings.Builder
	for i := range n {
		fmt.Fprintf(&nodes, "\t\t\"[root] module.cluster.docker_container.node_%d (expand)\" [label = \"module.cluster.docker_container.node_%d\", shape = \"box\"]\n", i, i)
		for j := max(0, i-10); j < i; j++ {
			fmt.Fprintf(&edges, "\t\t\"[root] module.cluster.docker_container.node_%d (expand)\" -> \"[root] module.cluster.docker_container.node_%d (expand)\"\n", i, j)
		}
	}
	return "digraph {\n\tcompound = \"true\"\n\tnewrank = \"true\"\n\tsubgraph \"root\" {\n" + nodes.String() + edges.String() + "\t}\n}\n"
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{20, 200, 2000} {
		b.Run(fmt.Sprintf("resources=%d", n), func(b *testing.B) {
			text := engineGraph(n)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := dot.Parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
