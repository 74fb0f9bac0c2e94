package main

import (
	"context"
	"os"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	dataschema "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// environment has the variables that the engine gave to the provider when it was created.
var environment = kind{
	typeName: "fixture_environment",
	attributes: map[string]schema.Attribute{
		"variables": schema.MapAttribute{Computed: true, ElementType: types.StringType},
	},
	create: func(ctx context.Context, resp *resource.CreateResponse) { set(ctx, resp, "variables", variables()) },
}

// environmentData is environment as data: of when it was read.
type environmentData struct{}

func (environmentData) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = environment.typeName
}

func (environmentData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema.Attributes = map[string]dataschema.Attribute{
		"variables": dataschema.MapAttribute{Computed: true, ElementType: types.StringType},
	}
}

func (environmentData) Read(ctx context.Context, _ datasource.ReadRequest, resp *datasource.ReadResponse) {
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("variables"), variables())...)
}

func variables() map[string]string {
	all := make(map[string]string)
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		all[name] = value
	}
	return all
}
