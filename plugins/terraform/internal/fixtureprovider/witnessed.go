package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
)

// witnessed takes that many milliseconds to be created, and tells a witness at a TCP address when it begins and when it is there:
// whatever becomes of the engine, the witness knows what was made. An interrupt keeps it from being made.
var witnessed = kind{
	typeName: "fixture_witnessed",
	attributes: map[string]schema.Attribute{
		"name":    schema.StringAttribute{Required: true},
		"address": schema.StringAttribute{Required: true},
		"millis":  schema.Int64Attribute{Required: true},
	},
	create: func(ctx context.Context, resp *resource.CreateResponse) {
		var name, address string
		var millis int64
		resp.Diagnostics.Append(resp.State.GetAttribute(ctx, path.Root("name"), &name)...)
		resp.Diagnostics.Append(resp.State.GetAttribute(ctx, path.Root("address"), &address)...)
		resp.Diagnostics.Append(resp.State.GetAttribute(ctx, path.Root("millis"), &millis)...)
		err := tell(address, "begin "+name)
		if err == nil {
			select {
			case <-ctx.Done():
				err = ctx.Err()
			case <-time.After(time.Duration(millis) * time.Millisecond):
				err = tell(address, "end "+name)
			}
		}
		if err != nil {
			resp.Diagnostics.AddError("not made", err.Error())
			resp.State.RemoveResource(ctx)
		}
	},
}

// tell tells a witness something, and waits until it has heard it.
func tell(address, what string) error {
	conn, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, what); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}
