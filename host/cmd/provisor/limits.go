package main

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/proto/guestpb"
)

// limitFlag sets what host.DefaultLimits has a value for.
func limitFlag() cli.Flag {
	var known []string
	host.DefaultLimits().ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		known = append(known, fmt.Sprintf("%s (%d)", f.Name(), v.Uint()))
		return true
	})
	return &cli.StringSliceFlag{Name: "limit", Category: categoryRuntime,
		Usage: "bound a session, as `NAME=VALUE`, with a unit such as MiB; may be repeated. Names and defaults: " + strings.Join(known, ", "),
		Action: func(c *cli.Context, _ []string) error {
			_, err := parseLimits(c)
			return err
		}}
}

// parseLimits reads the flag's values.
func parseLimits(c *cli.Context) (*guestpb.Limits, error) {
	limits, defaults := &guestpb.Limits{}, host.DefaultLimits().ProtoReflect()
	for _, setting := range c.StringSlice("limit") {
		name, text, _ := strings.Cut(setting, "=")
		field := defaults.Descriptor().Fields().ByName(protoreflect.Name(name))
		if field == nil || !defaults.Has(field) {
			return nil, usagef("--limit %s: there is no limit %q; see --help", setting, name)
		}
		value, err := humanize.ParseBytes(text)
		if err != nil || value == 0 {
			return nil, usagef("--limit %s: want %s=NUMBER above 0, with a unit such as MiB if you like", setting, name)
		}
		limits.ProtoReflect().Set(field, protoreflect.ValueOfUint64(value))
	}
	return limits, nil
}
