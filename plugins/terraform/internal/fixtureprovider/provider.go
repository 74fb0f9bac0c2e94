package main

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"
)

type fixture struct{}

func newProvider() provider.Provider { return fixture{} }

func (fixture) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "fixture"
}

func (fixture) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse) {}

func (fixture) Configure(context.Context, provider.ConfigureRequest, *provider.ConfigureResponse) {}

func (fixture) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{func() datasource.DataSource { return environmentData{} }}
}

func (fixture) Resources(context.Context) []func() resource.Resource {
	var all []func() resource.Resource
	for _, k := range append([]kind{slow, halfway, replaced, talkative, witnessed, environment}, clouds...) {
		all = append(all, func() resource.Resource { return k })
	}
	return all
}

func (fixture) EphemeralResources(context.Context) []func() ephemeral.EphemeralResource {
	return []func() ephemeral.EphemeralResource{func() ephemeral.EphemeralResource { return secret{} }}
}
