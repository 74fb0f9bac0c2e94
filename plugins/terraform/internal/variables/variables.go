// Package variables writes values of input variables as a var-file. A value is text that means what it would mean on the
// engine's command line, after -var NAME=: the text itself where a string, number or bool is expected, an expression of
// HCL for any other type.
package variables

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/provisor/provisor/plugins/terraform/internal/config"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Encode returns the values as a var-file in JSON (its name must end in .json). types are the declared types, as they
// are written in the configuration; a variable without one is taken as text. Of several values for one variable the last
// counts.
//
// An error names the variable, and never shows the value: it may be a secret. Unlike the command line, an expression may
// not have a "for".
func Encode(values []*pb.VariableValue, types map[string]string) ([]byte, error) {
	file := make(map[string]json.RawMessage, len(values))
	for _, v := range values {
		encoded, err := encode(v.GetName(), v.GetValue(), types[v.GetName()])
		if err != nil {
			return nil, err
		}
		file[v.GetName()] = encoded
	}
	return json.Marshal(file)
}

func encode(name, value, typ string) (json.RawMessage, error) {
	switch strings.Trim(typ, `"`) {
	case "", "string", "number", "bool":
		return json.Marshal(value)
	}
	v, diags := config.Expression(value)
	if diags.HasErrors() {
		return nil, invalid(name, typ, diags)
	}
	encoded, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return nil, fmt.Errorf("variable %q: its value can't be written as JSON", name)
	}
	return encoded, nil
}

func invalid(name, typ string, diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		where := ""
		if d.Subject != nil {
			where = fmt.Sprintf(" at line %d, column %d", d.Subject.Start.Line, d.Subject.Start.Column)
		}
		return fmt.Errorf("variable %q has the type %s, so its value must be an expression that refers to nothing%s: %s", name, typ, where, d.Summary)
	}
	return fmt.Errorf("variable %q has the type %s, and its value is none that can be read", name, typ)
}
