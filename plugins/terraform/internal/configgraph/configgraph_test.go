package configgraph

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/provisor/provisor/plugins/terraform/dot"
	"github.com/provisor/provisor/plugins/terraform/internal/config"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// files makes a template of file contents by name. In native syntax, a block may be written on one line.
func files(content map[string]string) fstest.MapFS {
	fsys := make(fstest.MapFS)
	for name, text := range content {
		if strings.HasSuffix(name, ".tf") {
			text = strings.ReplaceAll(strings.ReplaceAll(text, "{ ", "{\n"), " }", "\n}")
		}
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return fsys
}

func modulesAt(keysAndDirs ...string) (list []*pb.Module) {
	for i := 0; i < len(keysAndDirs); i += 2 {
		list = append(list, &pb.Module{Key: keysAndDirs[i], Dir: keysAndDirs[i+1]})
	}
	return list
}

// edges are the edges between what has a label; · stands for what has none.
func edges(g *dot.Graph) []string {
	name := func(i int32) string {
		if l := g.Nodes[i].Label; l != "" {
			return l
		}
		return "·"
	}
	var list []string
	for _, e := range g.Edges {
		list = append(list, name(e.From)+" > "+name(e.To))
	}
	slices.Sort(list)
	return list
}

// Each case is a kind of reference. What is right, real engines have said: see TestDerivedGraph of the end-to-end tests.
func TestDerive(t *testing.T) {
	for name, c := range map[string]struct {
		template string
		want     []string
	}{
		"an argument": {`resource "t" "b" { x = [t.a.id] }`, []string{"t.b > t.a"}},
		"a longer way": {`
			resource "t" "b" { x = t.a.id }
			resource "t" "c" {
				x          = t.a.id
				depends_on = [t.b]
			}`, []string{"t.b > t.a", "t.c > t.b"}},
		"itself":                      {`resource "t" "b" { x = t.b.id }`, nil},
		"what there is not":           {`resource "t" "b" { x = t.z.id }`, nil},
		"a quoted depends_on":         {`resource "t" "b" { depends_on = ["t.a"] }`, []string{"t.b > t.a"}},
		"a local":                     {"locals { l = t.a }\nresource \"t\" \"b\" { x = local.l }", []string{"t.b > ·", "· > t.a"}},
		"a block":                     {`resource "t" "b" { x { y { z = "${t.a.id}" } } }`, []string{"t.b > t.a"}},
		"an iterator":                 {`resource "u" "b" { dynamic "t" { for_each = [1]` + "\ncontent { x = t.a } } }", nil},
		"an iterator with a name":     {`resource "u" "b" { dynamic "x" { for_each = t.a` + "\niterator = t\ncontent { x = t.a } } }", []string{"u.b > t.a"}},
		"a label's iterator":          {`resource "u" "b" { dynamic "x" { for_each = [1]` + "\nlabels = [t.a]\niterator = t\ncontent {} } }", nil},
		"what is no resource":         {`resource "each" "value" {}` + "\n" + `resource "t" "b" { x = each.value }`, nil},
		"a provisioner":               {`resource "u" "b" { provisioner "x" { y = t.a } }`, []string{"u.b > t.a"}},
		"a provisioner at the end":    {`resource "u" "b" { provisioner "x" {` + "\nwhen = destroy\ny = t.a } }", nil},
		"a condition":                 {`resource "u" "b" { lifecycle { precondition { condition = t.a != self } } }`, []string{"u.b > t.a"}},
		"what triggers a replacement": {`resource "u" "b" { lifecycle { replace_triggered_by = [t.a] } }`, []string{"u.b > t.a"}},
		"what is ignored":             {`resource "u" "b" { lifecycle { ignore_changes = [t] } }`, nil},
		"a provider":                  {"provider \"u\" { x = t.a }\nresource \"u_x\" \"b\" {}\nresource \"v\" \"b\" { provider = u }", []string{"u_x.b > ·", "v.b > ·", "· > t.a"}},
		"a provider that nobody uses": {`provider "u" { x = t.a }`, []string{"· > t.a"}},
		"a provider of another name": {`
			terraform { required_providers { v = { source = "Hashicorp/U" } } }
			provider "v" {
				alias = "o"
				x     = t.a
			}
			resource "w" "b" { provider = v.o }
			resource "w" "c" { provider = v }`, []string{"w.b > ·", "· > t.a"}},
		"a data source, and one that is not managed": {"data \"t\" \"a\" {}\nresource \"u\" \"b\" { x = data.t.a }\nephemeral \"t\" \"a\" { x = u.b }", []string{"ephemeral.t.a > u.b", "u.b > data.t.a"}},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := derive(files(map[string]string{"main.tf": "resource \"t\" \"a\" {}\n" + c.template}), "terraform", nil, 1<<20, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, edges(g)); diff != "" {
				t.Errorf("edges (-want +got):\n%s", diff)
			}
		})
	}
}

// An output that is named is the way into a module, and the end of all of it where none is.
func TestModules(t *testing.T) {
	module := `variable "x" {}` + "\nresource \"t\" \"c\" { x = var.x }\nresource \"t\" \"d\" {}\noutput \"o\" { value = t.c }"
	for reference, want := range map[string]string{
		"module.m.o": "t.b > · | · > module.m.t.c", "module.m[0].o": "t.b > · | · > module.m.t.c",
		"module.m": "module.m.t.d", "module.m[0]": "module.m.t.d", "module.m[*].o": "module.m.t.d", "module.m[t.a].o": "module.m.t.d",
	} {
		g, err := derive(files(map[string]string{
			"main.tf":   "resource \"t\" \"a\" {}\nmodule \"m\" {\nsource = \"./m\"\nx = t.a\n}\nresource \"t\" \"b\" { x = " + reference + " }",
			"m/main.tf": module,
		}), "terraform", modulesAt("m", "m"), 1<<20, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Join(edges(g), " | ")
		reached := strings.Join(below(g, "t.b"), " ")
		if !strings.Contains(all, want) && !strings.Contains(reached, want) || strings.HasPrefix(want, "t.b") == strings.Contains(reached, "module.m.t.d") {
			t.Errorf("%s: edges %s, want %s", reference, all, want)
		}
	}
}

// below are the labels of what can be reached.
func below(g *dot.Graph, label string) (labels []string) {
	from := slices.IndexFunc(g.Nodes, func(n dot.Node) bool { return n.Label == label })
	seen := map[int32]bool{}
	for pending := []int32{int32(from)}; len(pending) > 0; {
		v := pending[0]
		pending = pending[1:]
		for _, e := range g.Edges {
			if e.From == v && !seen[e.To] {
				seen[e.To] = true
				pending = append(pending, e.To)
				if l := g.Nodes[e.To].Label; l != "" {
					labels = append(labels, l)
				}
			}
		}
	}
	return labels
}

func TestNotSure(t *testing.T) {
	const call = "module \"m\" { source = \"./m\" }\n"
	state := func(resources string) string { return `{"version":4,"resources":[` + resources + `]}` }
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"a syntax error":                     {map[string]string{"main.tf": "resource {"}, "main.tf"},
		"an unknown block":                   {map[string]string{"main.tf": `novelty "a" {}`}, "novelty"},
		"an unknown block in JSON":           {map[string]string{"main.tf.json": `[{"novelty": {}}]`}, "novelty"},
		"a label too many in a block":        {map[string]string{"main.tf": "variable \"x\" {\n  validation \"y\" {}\n}\n"}, "Extraneous label"},
		"labels too many in a check":         {map[string]string{"main.tf": "check \"x\" {\n  data \"a\" \"b\" \"c\" \"d\" \"e\" {}\n}\n"}, "Extraneous label"},
		"an experiment":                      {map[string]string{"main.tf": `terraform { experiments = [x] }`}, "experiments"},
		"a provider's function":              {map[string]string{"main.tf": `locals { l = provider::a::b(1) }`}, "functions"},
		"a module that is not installed":     {map[string]string{"main.tf": `module "x" { source = "./m" }`}, `no module "x"`},
		"a module elsewhere":                 {map[string]string{"main.tf": `module "out" { source = "../m" }`}, `"../m"`},
		"a source that is not fixed":         {map[string]string{"main.tf": `module "m" { source = local.s }`}, "not fixed"},
		"a circle":                           {map[string]string{"main.tf": "locals {\na = local.b\nb = local.a\n}"}, "a circle"},
		"a resource twice":                   {map[string]string{"main.tf": "resource \"t\" \"a\" {}\nresource \"t\" \"a\" {}"}, "wrong number"},
		"an override of nothing":             {map[string]string{"override.tf": `resource "t" "a" {}`}, "wrong number"},
		"a lifecycle in an override":         {map[string]string{"main.tf": `resource "t" "a" {}`, "override.tf": `resource "t" "a" { lifecycle {} }`}, "override"},
		"an unknown lifecycle":               {map[string]string{"main.tf": `resource "t" "a" { lifecycle { x = 1 } }`}, `"x"`},
		"a lifecycle that is not fixed":      {map[string]string{"main.tf": `resource "t" "a" { lifecycle { prevent_destroy = var.x } }`}, "not fixed"},
		"an escaped block":                   {map[string]string{"main.tf": `resource "t" "a" { _ {} }`}, `"_"`},
		"many providers":                     {map[string]string{"main.tf": `provider "t" { for_each = {} }`}, `"for_each"`},
		"a provider by a key":                {map[string]string{"main.tf": `resource "t" "a" { provider = t.x["y"] }`}, "a key"},
		"a provider of two names":            {map[string]string{"main.tf": "terraform { required_providers {\na = { source = \"x/y\" }\nb = { source = \"x/y\" }\n} }"}, "two names"},
		"a provider of no known form":        {map[string]string{"main.tf": "terraform { required_providers { a = { source = \"ü/y\" } } }\nresource \"a\" \"b\" {}"}, "provider"},
		"dynamic blocks in JSON":             {map[string]string{"main.tf.json": `{"resource":{"t":{"a":{"dynamic":{}}}}}`}, "dynamic"},
		"names with templates in JSON":       {map[string]string{"main.tf.json": `{"locals":{"a":{"${local.b}":1}}}`}, "${local.b}"},
		"comments with templates in JSON":    {map[string]string{"main.tf.json": `{"locals":{"a":{"//":["${local.b}"]}}}`}, "comment"},
		"replacements in JSON":               {map[string]string{"main.tf.json": `{"resource":{"t":{"a":{"lifecycle":{"replace_triggered_by":["t.b"]}}}}}`}, "replace_triggered_by"},
		"a state that is no longer wanted":   {map[string]string{"main.tf": "", "terraform.tfstate": state(`{"mode":"managed","type":"t","name":"a","instances":[{}]}`)}, "t.a"},
		"a state of another module":          {map[string]string{"main.tf": `resource "t" "a" {}`, "terraform.tfstate": state(`{"module":"module.x[0]","mode":"managed","type":"t","name":"a","instances":[{}]}`)}, "module.x[0].t.a"},
		"what is to be destroyed":            {map[string]string{"main.tf": `resource "t" "a" {}`, "terraform.tfstate": state(`{"mode":"managed","type":"t","name":"a","instances":[{"deposed":"x","attributes":{}}]}`)}, "destroyed"},
		"a state of another version":         {map[string]string{"main.tf": "", "terraform.tfstate": `{"version":3}`}, "version"},
		"a state that is none":               {map[string]string{"main.tf": "", "terraform.tfstate": `[`}, "state"},
		"a state in another place":           {map[string]string{"main.tf": "", ".terraform/environment": "x"}, "environment"},
		"a called module with an error":      {map[string]string{"main.tf": call, "m/main.tf": "x"}, "m: main.tf"},
		"a lifecycle of a call":              {map[string]string{"main.tf": "module \"m\" {\nsource = \"./m\"\nlifecycle {}\n}"}, "lifecycle"},
		"a check in an override":             {map[string]string{"override.tf": `check "x" {}`}, "wrong number"},
		"a provisioner at an unknown time":   {map[string]string{"main.tf": `resource "t" "a" { provisioner "x" { when = 1 } }`}, "keyword"},
		"a dynamic block of an unknown kind": {map[string]string{"main.tf": `resource "t" "a" { dynamic "x" { novelty = 1 } }`}, "novelty"},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := derive(files(c.files), "terraform", modulesAt("m", "m", "out", "../m"), 1<<20, 1<<20)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("graph %v, error %v; want one about %s", g, err, c.want)
			}
		})
	}
}

func TestSureStates(t *testing.T) {
	template := map[string]string{"main.tf": "resource \"t\" \"a\" {}\ndata \"t\" \"d\" {}\nmodule \"m\" { source = \"./m\" }", "m/main.tf": `resource "t" "b" {}`}
	for _, state := range []string{
		``, `{"version":4}`, `{"version":4,"resources":null}`,
		`{"version":4,"resources":[{"mode":"managed","type":"t","name":"gone","instances":[]}]}`,
		`{"version":4,"resources":[{"mode":"managed","type":"t","name":"a","instances":[{"attributes":{"deposed":1}}]},{"mode":"data","type":"t","name":"d","instances":[{}]},
			{"module":"module.m[\"k.x\"]","mode":"managed","type":"t","name":"b","instances":[{"index_key":0},{"index_key":1}]}]}`,
	} {
		template["terraform.tfstate"] = state
		if _, err := derive(files(template), "terraform", modulesAt("m", "m"), 1<<20, 1<<20); err != nil {
			t.Errorf("%s: %v", state, err)
		}
	}
}

func TestKnownEngines(t *testing.T) {
	for _, c := range []struct {
		engine, version string
		known           bool
	}{
		{"terraform", "v1.11.4", true}, {"terraform", "v1.11.0-rc1", true}, {"tofu", "v1.12.6-dev", true},
		{"terraform", "v1.12.0", false}, {"terraform", "v1.1.0", false}, {"terraform", "", false}, {"tofu", "v1.11.4", false}, {"", "v1.11.4", false},
	} {
		if _, err := Derive(t.TempDir(), c.engine, c.version, 0); (err == nil) != c.known {
			t.Errorf("%s %s: %v", c.engine, c.version, err)
		}
	}
}

// However a template multiplies what it says, there is an end.
func TestBounds(t *testing.T) {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format+"\n", i)
		}
		return b.String()
	}
	triangle := func(n int) string {
		var b, before strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "l%d = [%s]\n", i, &before)
			fmt.Fprintf(&before, "local.l%d,", i)
		}
		return b.String()
	}
	var installed []*pb.Module
	for i := range 7000 {
		installed = append(installed, &pb.Module{Key: fmt.Sprint("m", i), Dir: "m"})
	}
	for name, template := range map[string]map[string]string{
		"resources":           {"a.tf": many(9000, `resource "t" "a%d" {}`), "b.tf": many(9000, `resource "t" "b%d" {}`)},
		"modules":             {"main.tf": many(7000, "module \"m%d\" {\nsource = \"./m\"\n}"), "m/main.tf": "locals {\na = 1\nb = 2\n}"},
		"references":          {"main.tf": many(20, "module \"m%d\" {\nsource = \"./m\"\n}"), "m/main.tf": "locals {\n" + triangle(240) + "}"},
		"calls":               {"main.tf": many(7000, "module \"m%d\" {\nsource = \"./m\"\n}"), "m/main.tf": "locals {\n" + many(7000, "a%d = 1") + "}"},
		"calls of references": {"main.tf": many(7000, "module \"m%d\" {\nsource = \"./m\"\n}"), "m/main.tf": "locals {\na = [" + many(7000, "t.a%d,") + "]\n}"},
		"in blocks":           {"a.tf": `resource "t" "a" {` + "\n" + many(9000, `b { x = t.b%d }`) + "}\n", "b.tf": "locals {\n" + many(17_000, `l%d = 1`) + "}"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		if _, err := derive(files(template), "terraform", installed, 1<<20, 1<<20); !errors.Is(err, errTooBig) {
			t.Errorf("%s: %v, want %v", name, err, errTooBig)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s: it took %v", name, took)
		}
		runtime.ReadMemStats(&after)
		if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 500 {
			t.Errorf("%s: it took %d MiB", name, took)
		}
	}
}

func TestSize(t *testing.T) {
	template := files(map[string]string{"main.tf": strings.Repeat("#", 100), "m/main.tf": strings.Repeat("#", 100), "n/main.tf": strings.Repeat("#", 100)})
	for bytes, want := range map[int]error{199: errTooBig, 200: nil} {
		if _, err := derive(template, "terraform", modulesAt("m", "m", "m2", "./m", "gone", "x"), bytes, 0); !errors.Is(err, want) {
			t.Errorf("up to %d bytes: %v, want %v", bytes, err, want)
		}
	}
}

func TestNotPlain(t *testing.T) {
	const exponent = "locals {\na = 1e3\n}\n"
	template := files(map[string]string{"main.tf": exponent + "module \"m\" {\nsource = \"./m\"\n}", "m/main.tf": exponent, "m/plain.tf": "#"})
	bytes := len(template["main.tf"].Data) + len(exponent)
	for bytes, want := range map[int]error{bytes - 1: config.ErrNotPlain, bytes: nil} {
		if _, err := derive(template, "terraform", modulesAt("m", "m"), 1<<20, bytes); !errors.Is(err, want) {
			t.Errorf("up to %d bytes: %v, want %v", bytes, err, want)
		}
	}
}

func FuzzDerive(f *testing.F) {
	f.Add("resource \"t\" \"a\" { x = module.m.o }\nmodule \"m\" {\nsource = \"./m\"\nx = 1\n}\nmodule \"n\" { source = \"./m\" }", `{"locals": {"l": "${t.a.x}"}}`, `variable "x" {}`, `{"version": 4, "resources": []}`)
	f.Add("provider \"t\" { x = local.l }\ncheck \"c\" {\ndata \"t\" \"d\" {}\nassert { condition = t.a }\n}", `[{"resource": {"t": {"a": [{"//": 1, "provisioner": {"x": {"when": "destroy"}}}]}}}]`, `output "o" { value = t.a }`, ``)
	f.Add("resource \"t\" \"a\" {\ndynamic \"x\" {\nfor_each = [1]\niterator = y\nlabels = [2]\ncontent { z = y.value }\n}\nlifecycle {\nprecondition { condition = self }\nreplace_triggered_by = [t.b[0]]\n}\n}", `{"resource": {"t": {"b": {"depends_on": ["t.a"], "provider": "t.x"}}}}`, "module \"m\" {\nsource = \".\"\nproviders = { t = t.x }\n}", `{"version":4,"resources":[{"module":"module.m","type":"t","name":"a","instances":[{"deposed":"d"}]}]}`)
	f.Fuzz(func(t *testing.T, native, json, module, state string) {
		fsys := files(map[string]string{
			"main.tf": native, "more.tf.json": json, "x_override.tf": module, "m/main.tf": module, "m/more.tf.json": json, "m/y_override.tf": native, "terraform.tfstate": state,
		})
		installed := modulesAt("m", "m", "n", "m", "m.m", "m", "m.m.m", ".", "n.m", "../x")
		for _, engine := range []string{"terraform", config.OpenTofu} {
			g, err := derive(fsys, engine, installed, 1<<20, 1<<20)
			if err != nil {
				continue
			}
			again, err := derive(fsys, engine, installed, 1<<20, 1<<20)
			if err != nil || !cmp.Equal(edges(g), edges(again)) {
				t.Errorf("the same template gives another graph, %v", err)
			}
			for _, e := range g.Edges {
				if int(e.From) >= len(g.Nodes) || int(e.To) >= len(g.Nodes) || e.From == e.To {
					t.Errorf("the edge %v leads to no other node", e)
				}
			}
		}
	})
}

// FuzzVariables: the short walk finds what the long one does.
func FuzzVariables(f *testing.F) {
	f.Add(`[a.b[c], { d = e, (f) = g, "${h}" : "i ${j} k", l.m = n }, o(p, q...)[*].r, !s + (t ? u : v)]`)
	f.Add(`{ for a, b in c : a => [for d in b : e(d, f)] if g }`)
	f.Fuzz(func(t *testing.T, text string) {
		e, diags := hclsyntax.ParseExpression([]byte(text), "", hcl.InitialPos)
		if diags.HasErrors() {
			return
		}
		var got []hcl.Traversal
		variables(e, func(t hcl.Traversal) { got = append(got, t) })
		if want := e.Variables(); !reflect.DeepEqual(want, got) {
			t.Errorf("%q refers to %v, want %v", text, got, want)
		}
	})
}
