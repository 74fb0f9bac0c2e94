package main

import (
	"context"
	"crypto/rand"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
)

// kind is a type of resource that exists in the state alone. Each has an id beside its attributes.
type kind struct {
	typeName   string
	attributes map[string]schema.Attribute
	// create completes a new resource, whose state has the planned values and an id by then; nil = nothing is to do.
	create func(context.Context, *resource.CreateResponse)
	// plan sees each plan that does not destroy; nil = nobody does.
	plan func(context.Context, *resource.ModifyPlanResponse)
}

var _ resource.ResourceWithModifyPlan = kind{}

func (k kind) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = k.typeName
}

func (k kind) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema.Attributes = map[string]schema.Attribute{"id": computed()}
	for name, a := range k.attributes {
		resp.Schema.Attributes[name] = a
	}
}

// computed is a string that the provider makes up.
func computed() schema.StringAttribute {
	return schema.StringAttribute{Computed: true, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()}}
}

func (k kind) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	resp.State.Raw = req.Plan.Raw
	set(ctx, resp, "id", rand.Text())
	if k.create != nil {
		k.create(ctx, resp)
	}
}

func set(ctx context.Context, resp *resource.CreateResponse, name string, value any) {
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(name), value)...)
}

func (kind) Read(context.Context, resource.ReadRequest, *resource.ReadResponse) {}

func (kind) Update(_ context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	resp.State.Raw = req.Plan.Raw
}

func (kind) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}

func (k kind) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if k.plan != nil && !req.Plan.Raw.IsNull() {
		k.plan(ctx, resp)
	}
}
