package configgraph

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/provisor/provisor/plugins/terraform/internal/config"
)

// module is what the files of one directory say, as far as dependencies go.
type module struct {
	bytes     int                  // of all files
	resources map[string]*resource // by TYPE.NAME, data.TYPE.NAME, ephemeral.TYPE.NAME
	order     []string             // their names, as they are found
	variables map[string]references
	validated map[string]bool // variables that have a rule
	locals    map[string]references
	outputs   map[string]*arguments
	calls     map[string]*call
	providers map[string]*arguments // by NAME or NAME.ALIAS
	required  map[string]string     // the source of a provider, by its name here
	checks    map[string]references
}

type resource struct {
	kind      string // the name of the provider's type
	provider  string // NAME or NAME.ALIAS, or "" for that of the type
	check     string // the check that it stands in, if any
	arguments arguments
}

// call is a module block.
type call struct {
	expansion arguments         // what says how many instances there are, and when
	inputs    arguments         // the module's variables
	providers map[string]string // in this module, by the name in the called one
}

// readModule reads the module in dir.
func readModule(bodies *config.Bodies, dir, engine string) (*module, error) {
	r := &reader{engine: engine, module: &module{
		resources: make(map[string]*resource),
		variables: make(map[string]references),
		validated: make(map[string]bool),
		locals:    make(map[string]references),
		outputs:   make(map[string]*arguments),
		calls:     make(map[string]*call),
		providers: make(map[string]*arguments),
		required:  make(map[string]string),
		checks:    make(map[string]references),
	}}
	err := bodies.Each(dir, r.file)
	return r.module, err
}

// reader adds one file after the other to a module.
type reader struct {
	*module
	engine   string
	override bool // the file overrides others
}

func named(labels ...string) []string { return labels }

func attributes(names ...string) (list []hcl.AttributeSchema) {
	for _, name := range names {
		list = append(list, hcl.AttributeSchema{Name: name})
	}
	return list
}

var fileSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "terraform"},
	{Type: "locals"},
	{Type: "variable", LabelNames: named("name")},
	{Type: "output", LabelNames: named("name")},
	{Type: "provider", LabelNames: named("name")},
	{Type: "module", LabelNames: named("name")},
	{Type: "resource", LabelNames: named("type", "name")},
	{Type: "data", LabelNames: named("type", "name")},
	{Type: "ephemeral", LabelNames: named("type", "name")},
	{Type: "check", LabelNames: named("name")},
	// They are about states and plans, and have no part in the graph.
	{Type: "moved"},
	{Type: "import"},
	{Type: "removed"},
}}

func (r *reader) file(f config.Body) error {
	r.override = f.Override
	r.bytes += len(f.Text)
	if f.JSON {
		if err := checkJSON(f.Text); err != nil {
			return err
		}
	}
	if mayCallProvider(f.Text) {
		return errors.New("functions of providers")
	}
	content, err := wholeOf(f.Body, fileSchema)
	if err != nil {
		return err
	}
	for _, b := range content.blocks {
		if err := r.block(b); err != nil {
			return fmt.Errorf("%s %q: %w", b.kind, b.labels, err)
		}
	}
	return nil
}

func (r *reader) block(b block) error {
	switch b.kind {
	case "terraform":
		return r.settings(b.body)
	case "locals":
		return r.addLocals(b.body)
	case "variable":
		return r.variable(b.labels[0], b.body)
	case "output":
		return r.output(b.labels[0], b.body)
	case "provider":
		return r.provider(b.labels[0], b.body)
	case "module":
		return r.call(b.labels[0], b.body)
	case "resource":
		return r.resource("", b, "")
	case "data", "ephemeral":
		return r.resource(b.kind+".", b, "")
	case "check":
		return r.check(b.labels[0], b.body)
	}
	return nil
}

// settings are those of the terraform block.
func (r *reader) settings(body hcl.Body) error {
	content, err := partOf(body, &hcl.BodySchema{
		Attributes: attributes("experiments"),
		Blocks:     []hcl.BlockHeaderSchema{{Type: "required_providers"}},
	})
	if err != nil {
		return err
	}
	if content.attributes["experiments"] != nil {
		return errors.New("experiments")
	}
	for _, b := range content.blocks {
		required, diags := b.body.JustAttributes()
		if diags.HasErrors() {
			return diags
		}
		for name, a := range required {
			source, err := requiredSource(a.Expr)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			r.required[name] = source
		}
	}
	return nil
}

// requiredSource is the source of an entry of required_providers, or "" if it has none.
func requiredSource(e hcl.Expression) (string, error) {
	pairs, diags := hcl.ExprMap(e)
	if diags.HasErrors() {
		return "", nil // of old, it may be a version
	}
	for _, p := range pairs {
		key, diags := p.Key.Value(nil)
		if diags.HasErrors() || key.IsNull() || key.Type() != cty.String {
			return "", errors.New("no name")
		}
		if key.AsString() == "source" {
			return text(p.Value)
		}
	}
	return "", nil
}

// text is a string that refers to nothing.
func text(e hcl.Expression) (string, error) {
	value, diags := e.Value(nil)
	if diags.HasErrors() || value.IsNull() || !value.IsKnown() || value.Type() != cty.String {
		return "", errors.New("no text")
	}
	return value.AsString(), nil
}

func (r *reader) addLocals(body hcl.Body) error {
	locals, diags := body.JustAttributes()
	if diags.HasErrors() {
		return diags
	}
	for name, a := range locals {
		if _, known := r.locals[name]; known != r.override {
			return fmt.Errorf("%s: %w", name, errTwice)
		}
		r.locals[name] = referencesOf(nil, a.Expr)
	}
	return nil
}

// errTwice is also that of an override that has nothing to override.
var errTwice = errors.New("the wrong number of blocks")

func (r *reader) variable(name string, body hcl.Body) error {
	content, err := partOf(body, &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "validation"}}})
	if err != nil {
		return err
	}
	if _, known := r.variables[name]; known != r.override {
		return errTwice
	}
	if r.override && len(content.blocks) > 0 {
		return errors.New("a rule in an override")
	}
	rules, err := allArguments(content.blocks)
	if err != nil {
		return err
	}
	r.variables[name] = append(r.variables[name], rules...)
	r.validated[name] = r.validated[name] || len(content.blocks) > 0
	return nil
}

// allArguments are the references in blocks.
func allArguments(blocks []block) (references, error) {
	var all references
	for _, b := range blocks {
		_, arguments, err := split(b.body, &hcl.BodySchema{})
		if err != nil {
			return nil, err
		}
		all = append(all, arguments.all()...)
	}
	return all, nil
}

func (r *reader) output(name string, body hcl.Body) error {
	content, err := partOf(body, &hcl.BodySchema{
		Attributes: attributes("value", "depends_on"),
		Blocks:     []hcl.BlockHeaderSchema{{Type: "precondition"}},
	})
	if err != nil {
		return err
	}
	found := new(arguments)
	if a := content.attributes["value"]; a != nil {
		found.addExpression("value", nil, a)
	}
	if err := r.dependsOn(&content, found); err != nil {
		return err
	}
	preconditions, err := allArguments(content.blocks)
	if err != nil {
		return err
	}
	known := r.outputs[name]
	if (known != nil) != r.override {
		return errTwice
	}
	if r.override {
		if len(content.blocks) > 0 {
			return errors.New("a precondition in an override")
		}
		known.replace(found)
		return nil
	}
	found.add("precondition", preconditions)
	r.outputs[name] = found
	return nil
}

// dependsOn adds what depends_on names.
func (r *reader) dependsOn(content *content, to *arguments) error {
	a := content.attributes["depends_on"]
	if a == nil {
		return nil
	}
	if r.override {
		return errors.New("depends_on in an override")
	}
	names, err := listed(a)
	to.add("depends_on", names)
	return err
}

func (r *reader) check(name string, body hcl.Body) error {
	content, err := partOf(body, &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "data", LabelNames: named("type", "name")}, {Type: "assert"},
	}})
	if err != nil {
		return err
	}
	if _, known := r.checks[name]; known || r.override {
		return errTwice
	}
	all, err := allArguments(content.ofKind("assert"))
	if err != nil {
		return err
	}
	for _, b := range content.ofKind("data") {
		if err := r.resource("data.", b, name); err != nil {
			return err
		}
		all = append(all, "data."+b.labels[0]+"."+b.labels[1])
	}
	r.checks[name] = all
	return nil
}
