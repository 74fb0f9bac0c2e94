package drawing

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/awalterschulze/gographviz"
	"github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

var update = flag.Bool("update", false, "write the golden files")

func resource(module, typ, name string, agents ...*pb.Agent) *pb.Resource {
	return &pb.Resource{ModulePath: module, Type: typ, Name: name, Agents: agents}
}

// fixed is a graph with a bit of everything, and dependencies between its resources.
func fixed() (*pb.GraphComplete, []Dependency) {
	agent := &pb.Agent{Name: "main", OperatingSystem: "linux", Architecture: "amd64", Apps: []*pb.App{
		{Slug: "code", DisplayName: "code-server"}, {Slug: "term"}, {Slug: "x", DisplayName: "\"]; evil -> r0 </script>#quot; `$(id)`\n\\"},
	}}
	vm := resource("", "aws_instance", "vm", agent, &pb.Agent{Name: "gpu"})
	vm.InstanceType, vm.DailyCost = "t3.large", 12
	disk := resource("", "aws_ebs_volume", "disk")
	disk.Hide, disk.DailyCost = true, 3
	graph := &pb.GraphComplete{Resources: []*pb.Resource{
		disk, disk, vm,
		resource(`module.net["a.b]\"x"]`, "aws_subnet", "s"),
		resource(`module.net["c"]`, "aws_subnet", "s"),
		resource(`module.net["a.b]\"x"].module.inner`, "aws_vpc", "v"),
		resource(`module.net["c"].module.inner`, "aws_vpc", "v"),
		resource("", "null_resource", "alone"),
	}}
	return graph, []Dependency{
		{"aws_instance.vm", "aws_ebs_volume.disk"},
		{"aws_instance.vm", "module.net.aws_subnet.s"},
		{"module.net.aws_subnet.s", "module.net.module.inner.aws_vpc.v"},
		{"aws_instance.vm", "module.net.module.inner.aws_vpc.v"},
		{"aws_instance.vm", "of.nothing"},
	}
}

func TestGolden(t *testing.T) {
	d := New(fixed())
	for name, got := range map[string][]byte{"fixed.dot": d.DOT(), "fixed.mmd": d.Mermaid(), "fixed.svg": d.SVG()} {
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got; -update writes it):\n%s", name, diff)
		}
	}
}

// engineGraph is what Terraform 1.11 prints for terraform_data.b → module.m (→ an output, a resource, a variable, a local) →
// terraform_data.a["k"], with a provider that depends on terraform_data.b.
const engineGraph = `digraph {
	compound = "true"
	newrank = "true"
	subgraph "root" {
		"[root] module.m.terraform_data.in (expand)" [label = "module.m.terraform_data.in", shape = "box"]
		"[root] provider[\"terraform.io/builtin/terraform\"]" [label = "provider[\"terraform.io/builtin/terraform\"]", shape = "diamond"]
		"[root] terraform_data.a (expand)" [label = "terraform_data.a", shape = "box"]
		"[root] local.l (expand)" -> "[root] terraform_data.a (expand)"
		"[root] module.m (close)" -> "[root] module.m.output.o (expand)"
		"[root] module.m.output.o (expand)" -> "[root] module.m.terraform_data.in (expand)"
		"[root] module.m.terraform_data.in (expand)" -> "[root] module.m.var.i (expand)"
		"[root] module.m.var.i (expand)" -> "[root] local.l (expand)"
		"[root] provider[\"terraform.io/builtin/terraform\"]" -> "[root] terraform_data.b (expand)"
		"[root] terraform_data.a (expand)" -> "[root] provider[\"terraform.io/builtin/terraform\"]"
		"[root] terraform_data.a (expand)" -> "[root] var.x"
		"[root] terraform_data.b (expand)" -> "[root] module.m (close)"
	}
}
`

func TestDependencies(t *testing.T) {
	graph := &pb.GraphComplete{Resources: []*pb.Resource{
		resource("", "terraform_data", "a"), resource("", "terraform_data", "a"), resource("", "terraform_data", "b"),
		resource(`module.m["x"]`, "terraform_data", "in"),
	}}
	got, err := Dependencies([]byte(engineGraph), graph)
	if err != nil {
		t.Fatal(err)
	}
	want := []Dependency{{"module.m.terraform_data.in", "terraform_data.a"}, {"terraform_data.b", "module.m.terraform_data.in"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := Dependencies([]byte("digraph {"), graph); err == nil {
		t.Error("half a graph was read without an error")
	}
}

func TestModuleSteps(t *testing.T) {
	for path, want := range map[string][]step{
		"":                                nil,
		"module.a":                        {{"module.a", ""}},
		`module.a["x.y[\"]"].module.b[0]`: {{"module.a", `["x.y[\"]"]`}, {"module.b", "[0]"}},
		"module.a[":                       {{"module.a", "["}},
		"invalid terraform address":       {{"invalid terraform address", ""}},
	} {
		if diff := cmp.Diff(want, moduleSteps(path), cmp.AllowUnexported(step{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// large is a graph of some layers, each box of which depends on some of the next.
func large(layers, width int) (*pb.GraphComplete, []Dependency) {
	rng := rand.New(rand.NewPCG(1, 2))
	graph, dependencies := new(pb.GraphComplete), []Dependency(nil)
	name := func(layer, i int) string { return fmt.Sprintf("n%d_%d", layer, i) }
	for layer := range layers {
		for i := range width {
			module := []string{"", "module.network", "module.storage"}[i%3]
			r := resource(module, "example_thing", name(layer, i))
			if i == 0 {
				r.DailyCost = int32(layer + 1)
				r.Agents = []*pb.Agent{{Name: "dev", OperatingSystem: "linux", Apps: []*pb.App{{Slug: "code-server"}, {Slug: "jupyter"}, {Slug: "docs"}}}}
			}
			graph.Resources = append(graph.Resources, r)
			if i == width-1 || layer == layers-1 {
				continue
			}
			for range 2 {
				to := resource("", "example_thing", "")
				j := rng.IntN(width)
				to.ModulePath, to.Name = []string{"", "module.network", "module.storage"}[j%3], name(layer+1, j)
				dependencies = append(dependencies, Dependency{plainAddress(r), plainAddress(to)})
			}
		}
	}
	return graph, dependencies
}

// TestNothingOverlaps looks at where things stand in pictures of several sizes.
func TestNothingOverlaps(t *testing.T) {
	for _, size := range [][2]int{{0, 0}, {1, 1}, {1, 30}, {5, 6}, {30, 4}} {
		l := New(large(size[0], size[1])).layout()
		rects := []rect{}
		for _, f := range l.frames {
			rects = append(rects, f.rect)
		}
		for i, a := range rects {
			if a.x < 0 || a.y < 0 || a.x+a.w > l.width || a.y+a.h > l.height {
				t.Errorf("%v: %v stands out of %v × %v", size, a, l.width, l.height)
			}
			for _, b := range rects[:i] {
				if a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h {
					t.Errorf("%v: %v and %v overlap", size, a, b)
				}
			}
		}
	}
}

func TestCirclesAreDrawn(t *testing.T) {
	graph := &pb.GraphComplete{Resources: []*pb.Resource{resource("", "a", "b"), resource("", "a", "c")}}
	out := New(graph, []Dependency{{"a.b", "a.c"}, {"a.c", "a.b"}}).SVG()
	if n := bytes.Count(out, []byte(`class="line"`)); n != 2 {
		t.Errorf("%d lines, want 2", n)
	}
}

// FuzzNames: whatever a template calls things, the pictures stay well-formed, and hold no more elements than without.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"", "x", `"`, `\`, "\n", "</text><script>", "]]>", "\x00\xff", "end", "%s", "--", "\u202e", "#35;", "module.a[\"]"} {
		f.Add(s)
	}
	graphOf := func(s string) *Drawing {
		r := resource("module.m"+s, "t"+s, "n"+s, &pb.Agent{Name: "a" + s, Apps: []*pb.App{{DisplayName: "p" + s}}})
		r.InstanceType = "i" + s
		return New(&pb.GraphComplete{Resources: []*pb.Resource{r, resource("module.m"+s, "u", "v")}}, nil)
	}
	plain := elements(f, graphOf("").SVG())
	plainLines := bytes.Count(graphOf("").Mermaid(), []byte("\n"))
	f.Fuzz(func(t *testing.T, s string) {
		d := graphOf(s)
		if got := elements(t, d.SVG()); got != plain {
			t.Errorf("the SVG has %d elements, want %d", got, plain)
		}
		if _, err := gographviz.Parse(d.DOT()); err != nil {
			t.Errorf("DOT: %v\n%s", err, d.DOT())
		}
		if got := bytes.Count(d.Mermaid(), []byte("\n")); got != plainLines {
			t.Errorf("the Mermaid text has %d lines, want %d", got, plainLines)
		}
		for _, line := range strings.Split(string(d.Mermaid()), "\n") {
			if n := strings.Count(line, `"`); n != 0 && n != 2 {
				t.Errorf("quotes in %s", line)
			}
		}
	})
}

// FuzzDependencies: no graph makes reading it fail otherwise than with an error.
func FuzzDependencies(f *testing.F) {
	f.Add(engineGraph)
	f.Add(`digraph { a -> { b c } -> "d" }`)
	graph := &pb.GraphComplete{Resources: []*pb.Resource{resource("", "terraform_data", "a"), resource("", "terraform_data", "b")}}
	f.Fuzz(func(_ *testing.T, s string) { _, _ = Dependencies([]byte(s), graph) })
}

func elements(t testing.TB, svg []byte) (n int) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatalf("the SVG is no XML: %v\n%s", err, svg)
		}
		if _, ok := token.(xml.StartElement); ok {
			n++
		}
	}
}

func BenchmarkSVG(b *testing.B) {
	d := New(large(30, 10))
	for b.Loop() {
		d.SVG()
	}
}

// TestWritePictures writes pictures for a person to look at, into the directory DRAWING_PICTURES.
func TestWritePictures(t *testing.T) {
	dir := os.Getenv("DRAWING_PICTURES")
	if dir == "" {
		t.Skip("DRAWING_PICTURES is not set")
	}
	for name, d := range map[string]*Drawing{"fixed": New(fixed()), "thirty": New(large(5, 6)), "flat": New(large(1, 30))} {
		if err := os.WriteFile(filepath.Join(dir, name+".svg"), d.SVG(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
