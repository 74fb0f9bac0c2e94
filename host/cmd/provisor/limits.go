package main

import (
	"fmt"
	"math"
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
	defaults := host.DefaultLimits().ProtoReflect()
	for i := range defaults.Descriptor().Fields().Len() {
		f := defaults.Descriptor().Fields().Get(i)
		if !defaults.Has(f) {
			continue
		}
		value := fmt.Sprint(defaults.Get(f).Uint())
		if strings.HasSuffix(string(f.Name()), "_bytes") {
			value = humanize.IBytes(defaults.Get(f).Uint())
		}
		known = append(known, fmt.Sprintf("%s (%s)", f.Name(), value))
	}
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

// stateFlags say how much room there must be for states. The defaults are a daemon's, or those of a command that runs alone.
func stateFlags(minFree, ballast int64) []cli.Flag {
	size := func(name string, def int64, usage string) cli.Flag {
		return &cli.StringFlag{Name: name, Category: categoryRuntime, Usage: usage, Value: strings.ReplaceAll(humanize.IBytes(uint64(def)), " ", ""),
			Action: func(c *cli.Context, _ string) error {
				_, err := parseSize(c, name)
				return err
			}}
	}
	return []cli.Flag{
		size("min-free", minFree, "refuse an apply where less than `SIZE` is free for its state (0 = never)"),
		size("ballast", ballast, "keep a file of `SIZE` in the data directory, to be given up for states when the disk is full (0 = none)"),
		size("max-kept", host.DefaultMaxKept, "refuse the applies of a tenant that has more than `SIZE` of undelivered states (0 = never)"),
	}
}

// parseSize reads such a flag, as the runtime's options want it: negative = none, 0 = the default, where the command has no such flag.
func parseSize(c *cli.Context, name string) (int64, error) {
	text := c.String(name)
	if text == "" {
		return 0, nil
	}
	size, err := humanize.ParseBytes(text)
	if err != nil || size > math.MaxInt64 {
		return 0, usagef("--%s %s: want a number of bytes, with a unit such as MiB if you like", name, text)
	}
	if size == 0 {
		return -1, nil
	}
	return int64(size), nil
}
