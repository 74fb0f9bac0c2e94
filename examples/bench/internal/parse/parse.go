// Package parse is the work that all plugins of the comparison do when they start: it reads a small template's variables. It is one
// package, so that what differs is how a plugin is isolated and called.
package parse

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Template is what there is to parse.
const Template = `variable "region" {
  description = "Where the machine stands"
  default     = "eu"
}

variable "cores" {
  description = "How many cores it has"
  default     = "4"
}
`

// FileName is the template's file.
const FileName = "main.tf"

var fileSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "variable", LabelNames: []string{"name"}}}}

// Dir reads the variables of the template in the directory.
func Dir(dir string) *pb.ParseComplete {
	source, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		return &pb.ParseComplete{Error: err.Error()}
	}
	return Source(source)
}

// Source reads the variables of the template's file.
func Source(source []byte) *pb.ParseComplete {
	answer, err := parse(source)
	if err != nil {
		return &pb.ParseComplete{Error: err.Error()}
	}
	return answer
}

func parse(source []byte) (*pb.ParseComplete, error) {
	file, diagnostics := hclparse.NewParser().ParseHCL(source, FileName)
	if diagnostics.HasErrors() {
		return nil, diagnostics
	}
	content, _, diagnostics := file.Body.PartialContent(fileSchema)
	if diagnostics.HasErrors() {
		return nil, diagnostics
	}
	answer := new(pb.ParseComplete)
	for _, block := range content.Blocks {
		v, err := variable(block)
		if err != nil {
			return nil, err
		}
		answer.TemplateVariables = append(answer.TemplateVariables, v)
	}
	return answer, nil
}

func variable(block *hcl.Block) (*pb.TemplateVariable, error) {
	attributes, diagnostics := block.Body.JustAttributes()
	if diagnostics.HasErrors() {
		return nil, diagnostics
	}
	v := &pb.TemplateVariable{Name: block.Labels[0]}
	for name, to := range map[string]*string{"description": &v.Description, "default": &v.DefaultValue} {
		attribute, ok := attributes[name]
		if !ok {
			continue
		}
		value, diagnostics := attribute.Expr.Value(nil)
		if diagnostics.HasErrors() {
			return nil, diagnostics
		}
		*to = value.AsString()
	}
	return v, nil
}

// Check returns an error if the answer is not the right one for Template.
func Check(answer *pb.ParseComplete) error {
	vs := answer.GetTemplateVariables()
	if answer.GetError() != "" || len(vs) != 2 || vs[0].GetDefaultValue() != "eu" || vs[1].GetName() != "cores" {
		return fmt.Errorf("wrong answer: %v", answer)
	}
	return nil
}
