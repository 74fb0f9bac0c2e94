package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// randomTemplate makes a template up from a seed and writes it to dir, with the list of its modules that an init would write. It has all that can make
// one thing depend on another, in native syntax, in JSON and in overrides. Things refer to what was made before them, so there is no circle.
func randomTemplate(t *testing.T, seed uint64, dir string) {
	t.Helper()
	g := &templates{Rand: rand.New(rand.NewPCG(seed, 7)), files: make(map[string]string)}
	root := g.module(0)
	g.stateful = g.IntN(4) == 0
	g.install("", "", ".", root)
	type entry struct{ Key, Source, Dir string }
	listed := []entry{{"", "", "."}}
	for _, i := range g.installed {
		listed = append(listed, entry{i.key, i.source, i.dir})
	}
	list, err := json.Marshal(map[string]any{"Modules": listed})
	if err != nil {
		t.Fatal(err)
	}
	g.files[".terraform/modules/modules.json"] = string(list)
	if g.stateful {
		state, err := json.Marshal(map[string]any{"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "l", "outputs": map[string]any{}, "resources": g.state})
		if err != nil {
			t.Fatal(err)
		}
		g.files["terraform.tfstate"] = string(state)
	}
	for name, content := range g.files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

type templates struct {
	*rand.Rand
	files     map[string]string
	modules   []*randomModule // that can be called
	installed []struct{ key, source, dir string }
	names     int
	stateful  bool
	state     []any
}

// randomModule is one directory.
type randomModule struct {
	dir       string
	depth     int
	own       bool     // it has provider configurations of its own, so it can't be called with a count
	passed    string   // the provider configuration that every call has to pass, if any
	inputs    []string // variables
	outputs   []string
	calls     map[string]*randomModule
	keyed     map[string]string // how instances of what it calls are told apart
	things    []string          // expressions that refer to one thing
	resources []string          // addresses of managed resources
	depended  []string          // what depends_on takes
	agents    []string
	coder     string // its name for the provider
	aliases   []string
	blocks    []*randomBlock
	overrides []*randomBlock
}

// randomBlock is a block in either syntax. Values are expressions; those that begin with a @ are references that are written as they stand.
type randomBlock struct {
	kind   string
	labels []string
	values [][2]string
	blocks []*randomBlock
	native bool // it can't be written as JSON, or the package would not be sure
}

func block(kind string, labels ...string) *randomBlock {
	return &randomBlock{kind: kind, labels: labels}
}

func (b *randomBlock) set(name, value string) *randomBlock {
	b.values = append(b.values, [2]string{name, value})
	return b
}

func (b *randomBlock) add(inner ...*randomBlock) *randomBlock {
	b.blocks = append(b.blocks, inner...)
	return b
}

func (g *templates) name(prefix string) string {
	g.names++
	return fmt.Sprintf("%s%d", prefix, g.names)
}

func (g *templates) one(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g *templates, from []T) T { return from[g.IntN(len(from))] }

// module makes a module with all that it calls.
func (g *templates) module(depth int) *randomModule {
	m := &randomModule{depth: depth, calls: make(map[string]*randomModule), keyed: make(map[string]string), coder: "coder"}
	if depth > 0 {
		m.dir = g.name("modules/m")
	}
	if g.one(5) {
		m.coder = "other"
	}
	written := ifElse(g.one(6), "Coder/coder", "coder/coder")
	source := fmt.Sprintf(`{ source = %q }`, written)
	if depth > 0 && g.one(4) {
		m.passed = m.coder + ".inner"
		m.aliases = append(m.aliases, m.passed)
		source = fmt.Sprintf(`{
    source                = %q
    configuration_aliases = [%s]
  }`, written, m.passed)
	}
	required := block("required_providers").set(m.coder, source).set("fixture", `{ source = "provisor/fixture" }`)
	required.native = true
	m.blocks = append(m.blocks, block("terraform").add(required))
	m.blocks[0].native = true
	if depth > 0 && g.one(8) {
		if g.one(2) {
			m.blocks = append(m.blocks, block("provider", m.coder)) // one that nothing uses
		}
		g.write(m)
		g.modules = append(g.modules, m)
		return m
	}
	for range 1 + g.IntN(3) {
		g.variable(m)
	}
	g.providers(m)
	for range 4 + g.IntN(14) {
		g.thing(m)
	}
	if g.one(3) {
		g.variable(m)
	}
	if depth > 0 && g.one(6) {
		g.alias(m) // one that nothing uses
	}
	for range g.IntN(4) {
		g.output(m)
	}
	if g.one(3) {
		g.check(m)
	}
	g.write(m)
	g.modules = append(g.modules, m)
	return m
}

// text is an expression for an attribute. Most have references to what there is.
func (g *templates) text(m *randomModule) string {
	switch {
	case len(m.things) == 0 || g.one(6):
		return `"fixed"`
	case g.one(10):
		return fmt.Sprintf("<<-E\n  ${%s}\n  E\n", pick(g, m.things))
	}
	return g.part(m)
}

// part is an expression that may be a part of another, with references in one of the many ways in which there can be some.
func (g *templates) part(m *randomModule) string {
	return fmt.Sprintf(pick(g, []string{
		`%s`, `%s`, `%s`, `"x-${%s}"`, `"%%{if true}${%s}%%{endif}"`, `jsonencode([%s])`, `try(%s, "no")`, `[for k in [%s] : "${k}-x"][0]`,
		`{ for k, v in { a = %s } : k => v }["a"]`, `(true ? %s : null)`, `[[%s]][0]`, `{ (%s) = 1 }`, `"${path.module}/${%s}"`,
		`format("%%s", %s)`, `flatten([[%s], terraform.workspace])`,
	}), pick(g, m.things))
}

// condition is an expression that refers to something, or engines would not take it.
func (g *templates) condition(m *randomModule) string { return g.part(m) + ` != ""` }

func ifAny(cond bool, s string) string {
	if cond {
		return s
	}
	return ""
}

func (g *templates) variable(m *randomModule) {
	name := g.name("v")
	b := block("variable", name)
	if m.depth == 0 || g.one(2) {
		b.set("default", `"d"`)
	}
	if g.one(3) {
		condition := fmt.Sprintf(`var.%s != "" `, name)
		message := `"no"`
		if g.one(3) && len(m.things) > 0 {
			message = fmt.Sprintf(`"no ${var.%s}"`, name)
		}
		if g.one(2) && len(m.things) > 0 {
			condition += "&& " + g.condition(m)
		}
		b.add(block("validation").set("condition", condition).set("error_message", message))
	}
	m.blocks = append(m.blocks, b)
	m.inputs = append(m.inputs, name)
	m.things = append(m.things, "var."+name)
}

// providers configures some: with references, and in modules such that are passed or inherited.
func (g *templates) providers(m *randomModule) {
	if m.depth == 0 {
		if g.one(2) {
			m.blocks = append(m.blocks, block("provider", m.coder).set("url", g.text(m)))
		}
		if g.one(2) {
			g.alias(m)
		}
		return
	}
	switch g.IntN(8) {
	case 0:
		m.blocks = append(m.blocks, block("provider", m.coder).set("url", g.text(m)))
		m.own = true
	case 1:
		g.alias(m)
	case 2:
		m.blocks = append(m.blocks, block("provider", m.coder)) // it makes way for one that is passed
	}
}

// alias configures the provider once more, for what comes later.
func (g *templates) alias(m *randomModule) {
	name := g.name("alias")
	alias := func() *randomBlock { return block("provider", m.coder).set("alias", fmt.Sprintf("%q", name)) }
	m.blocks = append(m.blocks, alias().set("url", g.text(m)))
	if g.one(4) {
		m.overrides = append(m.overrides, alias().set("url", g.text(m)))
	}
	m.aliases = append(m.aliases, m.coder+"."+name)
	m.own = true
}

// thing adds something that refers to others and can be referred to.
func (g *templates) thing(m *randomModule) {
	switch g.IntN(12) {
	case 0, 1:
		name := g.name("l")
		m.blocks = append(m.blocks, block("locals").set(name, g.text(m)))
		if g.one(5) {
			m.overrides = append(m.overrides, block("locals").set(name, g.text(m)))
		}
		m.things = append(m.things, "local."+name)
	case 2, 3:
		g.call(m)
	case 4:
		if g.one(4) {
			g.alias(m)
			return
		}
		g.data(m)
	case 5:
		if g.one(2) {
			name := g.name("e")
			b := block("ephemeral", "fixture_secret", name).set("of", g.text(m))
			g.meta(m, b)
			m.blocks = append(m.blocks, b)
			m.depended = append(m.depended, "ephemeral.fixture_secret."+name)
			if g.one(2) {
				m.things = append(m.things, "ephemeral.fixture_secret."+name+".value")
			}
		}
	default:
		g.resource(m)
	}
}

func (g *templates) agent(m *randomModule) string {
	if len(m.agents) > 0 && !g.one(5) {
		return pick(g, m.agents)
	}
	return g.text(m)
}

func (g *templates) resource(m *randomModule) {
	kinds := []string{
		"terraform_data", "terraform_data", "terraform_data", "fixture_replaced", "aws_instance", "coder_agent", "coder_agent", "coder_app", "coder_app",
		"coder_script", "coder_env", "coder_devcontainer", "coder_metadata", "coder_metadata", "coder_external_agent", "coder_ai_task", "coder_agent_instance",
	}
	kind, name := pick(g, kinds), g.name("r-")
	if kind == "terraform_data" && !slices.Contains(m.depended, "terraform_data.value") {
		name = "value" // what an iterator of the type's name would be taken for
	}
	address := kind + "." + name
	b := block("resource", kind, name)
	repeated := ""
	switch g.IntN(6) {
	case 0:
		b.set("count", fmt.Sprintf("length(%s)", g.part(m)))
		repeated = "[0]"
	case 1:
		b.set("for_each", fmt.Sprintf("toset([%s])", g.part(m)))
		repeated = `["k"]`
	}
	attribute := "id"
	overridden := ""
	switch kind {
	case "terraform_data":
		b.set("input", g.text(m))
		overridden = "input"
		if g.one(4) {
			b.set("triggers_replace", "[timestamp(), "+g.part(m)+"]")
		}
		attribute = "output"
	case "fixture_replaced":
		b.set("plain", g.text(m)).set("late", g.text(m))
		overridden = "late"
	case "aws_instance":
		b.set("provider", "@fixture").set("instance_type", `"t"`).set("user_data", g.text(m))
		overridden = "user_data"
	case "coder_agent":
		b.set("os", `"linux"`).set("arch", `"amd64"`).set("env", fmt.Sprintf("{ A = %s }", g.part(m)))
		overridden = "env"
		g.inner(m, b, "metadata", "key", "display_name", "script")
		if g.one(2) {
			b.set("startup_script", g.text(m))
		}
		m.agents = append(m.agents, address+repeated+".id")
	case "coder_app":
		b.set("agent_id", g.agent(m)).set("slug", `"s"`).set("url", g.text(m))
		overridden = "url"
		g.inner(m, b, "healthcheck", "url", "interval", "threshold")
	case "coder_script":
		b.set("agent_id", g.agent(m)).set("display_name", `"S"`).set("script", g.text(m))
	case "coder_env":
		b.set("agent_id", g.agent(m)).set("name", `"N"`).set("value", g.text(m))
		overridden = "agent_id"
	case "coder_devcontainer":
		b.set("agent_id", g.agent(m)).set("workspace_folder", g.text(m))
	case "coder_metadata":
		b.set("resource_id", g.text(m))
		b.add(block("item").set("key", `"k"`).set("value", g.text(m)))
		g.inner(m, b, "item", "key", "value")
	case "coder_external_agent":
		b.set("agent_id", g.agent(m))
	case "coder_ai_task":
		b.set("app_id", g.text(m))
	case "coder_agent_instance":
		b.set("agent_id", g.agent(m)).set("instance_id", g.text(m))
		attribute = "instance_id"
	}
	g.provider(m, b, kind)
	g.meta(m, b)
	m.blocks = append(m.blocks, b)
	if overridden != "" && g.one(8) {
		o := block("resource", kind, name).set(overridden, g.text(m))
		if overridden == "env" {
			o = block("resource", kind, name).set(overridden, fmt.Sprintf("{ B = %s }", g.part(m)))
		}
		if g.one(3) {
			g.provisioner(m, o)
		}
		if g.one(2) {
			g.provider(m, o, kind)
		}
		m.overrides = append(m.overrides, o)
	}
	if g.one(10) {
		m.blocks = append(m.blocks, block("moved").set("from", "@"+kind+"."+g.name("gone")).set("to", "@"+address))
	}
	if g.one(10) && m.depth == 0 && repeated == "" && kind == "terraform_data" {
		m.blocks = append(m.blocks, block("import").set("to", "@"+address).set("id", `"i"`))
	}
	g.refer(m, address, repeated, attribute)
	m.resources = append(m.resources, address+ifAny(g.one(3), repeated))
	m.depended = append(m.depended, address)
}

// refer makes the resource something that others refer to, in one of several ways.
func (g *templates) refer(m *randomModule, address, repeated, attribute string) {
	reference := address + repeated + "." + attribute
	switch {
	case g.one(6):
		reference = fmt.Sprintf("values(%s)[*].%s", address, attribute)
	case g.one(6):
		reference = fmt.Sprintf("%s[*].%s", address, attribute)
	case g.one(8):
		reference = "resource." + reference
	case g.one(8):
		reference = address
	case g.one(8):
		reference = fmt.Sprintf("%s[length(var.%s)].%s", address, m.inputs[0], attribute)
	}
	m.things = append(m.things, reference)
}

func (g *templates) provider(m *randomModule, b *randomBlock, kind string) {
	if !strings.HasPrefix(kind, "coder_") {
		return
	}
	switch {
	case len(m.aliases) > 0 && g.one(2):
		b.set("provider", "@"+pick(g, m.aliases))
	case m.coder != "coder" || g.one(5):
		b.set("provider", "@"+m.coder)
	}
}

// inner adds a block, or a dynamic one, perhaps with another in it.
func (g *templates) inner(m *randomModule, b *randomBlock, kind string, names ...string) {
	if g.one(2) {
		return
	}
	value := func(names []string, iterator string) *randomBlock {
		inner := block(kind)
		for _, name := range names {
			inner.set(name, ifElse(g.one(2), g.text(m), iterator))
		}
		return inner
	}
	if g.one(2) {
		b.add(value(names, `"x"`))
		return
	}
	iterator := kind
	dynamic := block("dynamic", kind).set("for_each", "toset(["+g.part(m)+"])")
	switch {
	case g.one(3):
		iterator = "each_one"
		dynamic.set("iterator", "@"+iterator)
	case g.one(3): // it hides the resources of that type
		iterator = "terraform_data"
		dynamic.set("iterator", "@"+iterator)
	}
	content := value(names, iterator+".value")
	content.kind = "content"
	b.add(dynamic.add(content))
	b.native = true
}

func ifElse(cond bool, yes, no string) string {
	if cond {
		return yes
	}
	return no
}

// meta adds what every kind of resource may have.
func (g *templates) meta(m *randomModule, b *randomBlock) {
	managed := b.kind == "resource"
	if len(m.depended) > 0 && g.one(5) {
		list := []string{pick(g, m.depended)}
		if g.one(3) {
			list = append(list, pick(g, m.depended))
		}
		b.set("depends_on", "@["+strings.Join(list, ", ")+"]")
	}
	lifecycle := block("lifecycle")
	if g.one(6) {
		lifecycle.add(block("precondition").set("condition", g.condition(m)).set("error_message", `"no"`))
	}
	if g.one(8) {
		lifecycle.add(block("postcondition").set("condition", `self != null && `+g.condition(m)).set("error_message", g.text(m)))
	}
	if managed && g.one(8) && len(m.resources) > 0 {
		lifecycle.set("replace_triggered_by", "["+pick(g, m.resources)+"]")
		b.native = true
	}
	if managed && g.one(8) {
		lifecycle.set("create_before_destroy", "true")
		lifecycle.set("ignore_changes", "@"+ifElse(g.one(2), "all", "[id]"))
	}
	if len(lifecycle.values)+len(lifecycle.blocks) > 0 {
		b.add(lifecycle)
	}
	switch {
	case managed && g.one(8):
		g.provisioner(m, b)
	case managed && g.one(10): // not beside provisioners: those that run at the end can't refer to anything
		b.add(block("connection").set("host", g.text(m)).set("user", `"u"`))
	}
}

func (g *templates) provisioner(m *randomModule, b *randomBlock) {
	switch g.IntN(3) {
	case 0:
		p := block("provisioner", "local-exec").set("command", g.text(m)).set("environment", fmt.Sprintf("{ A = %s, B = self.id }", g.part(m)))
		b.add(p)
	case 1:
		b.add(block("provisioner", "local-exec").set("when", "@destroy").set("command", `"echo ${self.id}"`))
	case 2:
		p := block("provisioner", "remote-exec").set("inline", "["+g.part(m)+"]").set("on_failure", "@continue")
		if g.one(2) {
			p.add(block("connection").set("host", g.text(m)))
		}
		b.add(p)
	}
}

func (g *templates) data(m *randomModule) {
	name := g.name("d")
	var b *randomBlock
	var address, attribute string
	if g.one(2) {
		b, address, attribute = block("data", "coder_parameter", name).set("name", `"p"`).set("default", g.text(m)), "data.coder_parameter."+name, "value"
		g.inner(m, b, "option", "name", "value")
		g.provider(m, b, "coder_parameter")
	} else {
		b = block("data", "terraform_remote_state", name).set("backend", `"local"`).set("config", fmt.Sprintf("{ path = %s }", g.part(m)))
		address, attribute = "data.terraform_remote_state."+name, "outputs"
	}
	repeated := ""
	if g.one(5) {
		b.set("count", fmt.Sprintf("length(%s)", g.part(m)))
		repeated = "[0]"
	}
	g.meta(m, b)
	m.blocks = append(m.blocks, b)
	m.things = append(m.things, address+repeated+"."+attribute)
	m.depended = append(m.depended, address)
}

// call calls a module: a new one, or one that there is.
func (g *templates) call(m *randomModule) {
	var called *randomModule
	callable := slices.DeleteFunc(slices.Clone(g.modules), func(c *randomModule) bool { return c.depth <= m.depth || c.dir == "" })
	switch {
	case len(callable) > 0 && (g.one(2) || m.depth == 3):
		called = pick(g, callable)
	case m.depth < 3 && len(g.modules) < 8:
		called = g.module(m.depth + 1)
	default:
		return
	}
	passable := m.aliases
	if m.depth == 0 {
		passable = append([]string{m.coder}, passable...)
	}
	if called.passed != "" && len(passable) == 0 {
		return
	}
	name := g.name("c")
	source := "./" + called.dir
	if m.depth > 0 {
		source = "../" + path.Base(called.dir)
	}
	b := block("module", name).set("source", fmt.Sprintf("%q", source))
	for _, input := range called.inputs {
		b.set(input, g.text(m))
	}
	if len(called.inputs) > 0 && g.one(6) {
		m.overrides = append(m.overrides, block("module", name).set(called.inputs[0], g.text(m)))
	}
	key := ""
	if !g.ownProviders(called) {
		switch g.IntN(4) {
		case 0:
			b.set("count", fmt.Sprintf("length(%s)", g.part(m)))
			key = "[0]"
			if g.one(3) {
				m.overrides = append(m.overrides, block("module", name).set("count", fmt.Sprintf("length(%s)", g.part(m))))
			}
		case 1:
			b.set("for_each", fmt.Sprintf("toset([%s])", g.part(m)))
			key = `["k"]`
		}
		if len(m.depended) > 0 && g.one(5) {
			b.set("depends_on", "@["+pick(g, m.depended)+"]")
		}
	}
	var passed []string
	if called.passed != "" {
		passed = append(passed, called.passed+" = "+pick(g, passable))
	}
	if len(passable) > 0 && !called.own && g.one(2) {
		passed = append(passed, called.coder+" = "+pick(g, passable))
	}
	if len(passed) > 0 {
		b.set("providers", "@{\n"+strings.Join(passed, "\n")+"\n}")
		b.native = true
		if g.one(3) {
			for i, p := range passed {
				passed[i] = strings.SplitAfter(p, " = ")[0] + pick(g, passable)
			}
			m.overrides = append(m.overrides, block("module", name).set("providers", "@{\n"+strings.Join(passed, "\n")+"\n}"))
		}
	}
	m.blocks = append(m.blocks, b)
	m.calls[name], m.keyed[name] = called, key
	m.depended = append(m.depended, "module."+name)
	for _, output := range called.outputs {
		m.things = append(m.things, pick(g, []string{
			fmt.Sprintf("module.%s%s.%s", name, key, output), fmt.Sprintf("module.%s%s.%s", name, key, output),
			fmt.Sprintf("module.%s[*].%s", name, output), fmt.Sprintf("module.%s[length(var.%s)].%s", name, m.inputs[0], output),
			fmt.Sprintf("module.%s", name), fmt.Sprintf("module.%s%s", name, key),
		}))
	}
}

// ownProviders says whether a module or one that it calls configures providers.
func (g *templates) ownProviders(m *randomModule) bool {
	for _, c := range m.calls {
		if g.ownProviders(c) {
			return true
		}
	}
	return m.own
}

func (g *templates) output(m *randomModule) {
	name := g.name("o")
	b := block("output", name).set("value", g.text(m))
	if len(m.depended) > 0 && g.one(5) {
		b.set("depends_on", "@["+pick(g, m.depended)+"]")
	}
	if g.one(5) {
		b.add(block("precondition").set("condition", g.condition(m)).set("error_message", `"no"`))
	}
	if g.one(6) {
		m.overrides = append(m.overrides, block("output", name).set("value", g.text(m)))
	}
	m.blocks = append(m.blocks, b)
	m.outputs = append(m.outputs, name)
}

func (g *templates) check(m *randomModule) {
	b := block("check", g.name("check"))
	if g.one(2) {
		b.add(block("data", "terraform_remote_state", g.name("d")).set("backend", `"local"`).set("config", fmt.Sprintf("{ path = %s }", g.part(m))))
	}
	m.blocks = append(m.blocks, b.add(block("assert").set("condition", g.condition(m)).set("error_message", g.text(m))))
	if g.one(2) {
		m.blocks = append(m.blocks, block("removed").set("from", "@terraform_data."+g.name("gone")).add(block("lifecycle").set("destroy", "false")))
	}
}

// write spreads the module's blocks over files.
func (g *templates) write(m *randomModule) {
	file := func(name string) string { return path.Join(m.dir, name) }
	var inJSON []any
	for _, b := range m.blocks {
		switch {
		case b.native || !g.one(6):
			g.files[file(pick(g, []string{"main.tf", "more.tf"}))] += b.String() + "\n"
		default:
			inJSON = append(inJSON, map[string]any{b.kind: b.json(0)})
		}
	}
	if len(inJSON) > 0 {
		text, err := json.Marshal(inJSON)
		if err != nil {
			panic(err)
		}
		g.files[file("some.tf.json")] = string(text)
	}
	for i, b := range m.overrides {
		g.files[file(fmt.Sprintf("z%03d_override.tf", i))] = b.String() + "\n"
	}
}

func (b *randomBlock) String() string {
	var out strings.Builder
	out.WriteString(b.kind)
	for _, l := range b.labels {
		fmt.Fprintf(&out, " %q", l)
	}
	out.WriteString(" {\n")
	for _, v := range b.values {
		fmt.Fprintf(&out, "  %s = %s\n", v[0], strings.TrimPrefix(v[1], "@"))
	}
	for _, inner := range b.blocks {
		out.WriteString(inner.String() + "\n")
	}
	out.WriteString("}")
	return out.String()
}

// json is the block as JSON, from one of its labels on.
func (b *randomBlock) json(label int) any {
	if label < len(b.labels) {
		return map[string]any{b.labels[label]: b.json(label + 1)}
	}
	content := map[string]any{"//": "a comment"}
	for _, v := range b.values {
		reference, verbatim := strings.CutPrefix(v[1], "@")
		list, isList := strings.CutPrefix(reference, "[")
		switch {
		case verbatim && isList:
			content[v[0]] = strings.Split(strings.TrimSuffix(list, "]"), ", ")
		case verbatim:
			content[v[0]] = reference
		case v[1] == "true" || v[1] == "false":
			content[v[0]] = v[1] == "true"
		case strings.HasPrefix(v[1], `"`) && !strings.Contains(v[1], "${") && strings.Count(v[1], `"`) == 2:
			content[v[0]] = strings.Trim(v[1], `"`)
		default:
			content[v[0]] = "${" + strings.TrimSuffix(v[1], "\n") + "\n}"
		}
	}
	for _, inner := range b.blocks {
		list, _ := content[inner.kind].([]any)
		content[inner.kind] = append(list, inner.json(0))
	}
	return content
}

// install lists what a module calls, and what it calls in turn; and has some of its resources in the state.
func (g *templates) install(key, address, dir string, m *randomModule) {
	if g.stateful {
		for _, r := range m.resources {
			kind, name, _ := strings.Cut(r, ".")
			if name, _, _ = strings.Cut(name, "["); kind != "terraform_data" || g.one(2) {
				continue
			}
			entry := map[string]any{
				"mode": "managed", "type": kind, "name": name, "provider": `provider["terraform.io/builtin/terraform"]`,
				"instances": []any{map[string]any{"schema_version": 0, "attributes": map[string]any{"id": "x"}}},
			}
			if address != "" {
				entry["module"] = address
			}
			g.state = append(g.state, entry)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.calls)) {
		called := m.calls[name]
		inner := strings.TrimPrefix(key+"."+name, ".")
		source := "./" + called.dir
		if m.depth > 0 {
			source = "../" + path.Base(called.dir)
		}
		g.installed = append(g.installed, struct{ key, source, dir string }{inner, source, called.dir})
		g.install(inner, strings.TrimPrefix(address+".module."+name+m.keyed[name], "."), called.dir, called)
	}
}
