package main

import (
	"context"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
)

// slow takes that many seconds to be created, unless it is interrupted.
var slow = kind{
	typeName:   "fixture_slow",
	attributes: map[string]schema.Attribute{"seconds": schema.Int64Attribute{Required: true}},
	create: func(ctx context.Context, resp *resource.CreateResponse) {
		var seconds int64
		resp.Diagnostics.Append(resp.State.GetAttribute(ctx, path.Root("seconds"), &seconds)...)
		select {
		case <-ctx.Done():
			resp.Diagnostics.AddError("interrupted", "it was not waited for")
			resp.State.RemoveResource(ctx)
		case <-time.After(time.Duration(seconds) * time.Second):
		}
	},
}

// halfway is there when its creation fails.
var halfway = kind{
	typeName: "fixture_halfway",
	create: func(_ context.Context, resp *resource.CreateResponse) {
		resp.Diagnostics.AddError("half-way", "it was created, and then something went wrong")
	},
}

// replaced is replaced when one of its attributes changes.
var replaced = kind{
	typeName: "fixture_replaced",
	attributes: map[string]schema.Attribute{
		"plain":  schema.StringAttribute{Optional: true, PlanModifiers: replaces},
		"secret": schema.StringAttribute{Optional: true, PlanModifiers: replaces, Sensitive: true},
		"late":   schema.StringAttribute{Optional: true, PlanModifiers: replaces},
	},
}

var replaces = []planmodifier.String{stringplanmodifier.RequiresReplace()}

// talkative warns in each plan and when it is created, in one line of that many bytes.
var talkative = kind{
	typeName:   "fixture_talkative",
	attributes: map[string]schema.Attribute{"bytes": schema.Int64Attribute{Required: true}},
	create: func(ctx context.Context, resp *resource.CreateResponse) {
		var n int64
		resp.Diagnostics.Append(resp.State.GetAttribute(ctx, path.Root("bytes"), &n)...)
		warn(&resp.Diagnostics, n)
	},
	plan: func(ctx context.Context, resp *resource.ModifyPlanResponse) {
		var n int64
		resp.Diagnostics.Append(resp.Plan.GetAttribute(ctx, path.Root("bytes"), &n)...)
		warn(&resp.Diagnostics, n)
	},
}

func warn(d *diag.Diagnostics, n int64) {
	d.AddWarning("a long story", "begin"+strings.Repeat("x", max(0, int(n)-len("begin")-len("end")))+"end")
}

// clouds are named like the instances of clouds, with the attributes that tell their size and their id.
var clouds = []kind{
	cloud("aws_instance", "instance_type", "id"),
	cloud("aws_spot_instance_request", "instance_type", "spot_instance_id"),
	cloud("google_compute_instance", "machine_type", "instance_id"),
	cloud("azurerm_linux_virtual_machine", "size", "virtual_machine_id"),
	cloud("azurerm_windows_virtual_machine", "size", "virtual_machine_id"),
}

// cloud is a type whose instances are identified by that attribute, as "i-" and their size: known to a test beforehand.
func cloud(typeName, size, id string) kind {
	k := kind{typeName: typeName, attributes: map[string]schema.Attribute{
		size:        schema.StringAttribute{Required: true},
		"user_data": schema.StringAttribute{Optional: true, Sensitive: true},
	}}
	if id != "id" {
		k.attributes[id] = computed()
	}
	k.create = func(ctx context.Context, resp *resource.CreateResponse) {
		var value string
		resp.Diagnostics.Append(resp.State.GetAttribute(ctx, path.Root(size), &value)...)
		set(ctx, resp, id, "i-"+value)
	}
	return k
}
