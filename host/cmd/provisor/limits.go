package main

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/proto/guestpb"
)

// requestMillis is the limit that has a flag of its own.
const requestMillis = "request_millis"

func requestTimeoutFlag() cli.Flag {
	return &cli.DurationFlag{Name: "request-timeout", Category: categoryRuntime, Value: time.Duration(host.DefaultLimits().RequestMillis) * time.Millisecond,
		Usage: "cancel a request that runs longer than `DURATION` (0 = never)",
		Action: func(c *cli.Context, _ time.Duration) error {
			_, err := positive(c, "request-timeout")
			return err
		}}
}

// requestTimeout is the flag's value as the runtime's options want it: negative = never.
func requestTimeout(c *cli.Context) time.Duration { return cmp.Or(c.Duration("request-timeout"), -1) }

// limitFlag sets what host.DefaultLimits has a value for.
func limitFlag() cli.Flag {
	var known []string
	fields := host.DefaultLimits().ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		name := string(fields.Get(i).Name())
		if v := host.DefaultLimits().ProtoReflect().Get(fields.Get(i)).Uint(); v > 0 && name != requestMillis {
			known = append(known, fmt.Sprintf("%s (%s)", name, limitText(name, v)))
		}
	}
	return &cli.StringSliceFlag{Name: "limit", Category: categoryRuntime,
		Usage: "bound plugins and their requests, as `NAME=VALUE`, with a unit such as MiB or 30s; may be repeated (for time, see also --request-timeout). Names and defaults: " + strings.Join(known, ", "),
		Action: func(c *cli.Context, _ []string) error {
			_, err := parseLimits(c)
			return err
		}}
}

// isTime says whether the limit counts milliseconds.
func isTime(limit string) bool { return strings.HasSuffix(limit, "_millis") }

// limitText writes a limit as the flag takes it.
func limitText(limit string, v uint64) string {
	switch {
	case isTime(limit):
		// 10m0s is how a duration prints, 10m is how a person writes it.
		text := (time.Duration(v) * time.Millisecond).String()
		for _, zero := range []string{"m0s", "h0m"} {
			if strings.HasSuffix(text, zero) {
				text = text[:len(text)-2]
			}
		}
		return text
	case strings.Contains(limit, "bytes"):
		return strings.ReplaceAll(humanize.IBytes(v), " ", "")
	}
	return fmt.Sprint(v)
}

// parseLimits reads the flag's values.
func parseLimits(c *cli.Context) (*guestpb.Limits, error) {
	limits, defaults := &guestpb.Limits{}, host.DefaultLimits().ProtoReflect()
	for _, setting := range c.StringSlice("limit") {
		name, text, _ := strings.Cut(setting, "=")
		field := defaults.Descriptor().Fields().ByName(protoreflect.Name(name))
		if name == requestMillis {
			return nil, usagef("--limit %s: the time of a request is set by --request-timeout", setting)
		}
		if field == nil || !defaults.Has(field) {
			return nil, usagef("--limit %s: there is no limit %q; see --help", setting, name)
		}
		value, err := parseLimit(name, text)
		if err != nil {
			return nil, usagef("--limit %s: %w", setting, err)
		}
		limits.ProtoReflect().Set(field, protoreflect.ValueOfUint64(value))
	}
	return limits, nil
}

// sizeFlag is a flag that parseSize reads.
func sizeFlag(name string, def int64, usage string) cli.Flag {
	return &cli.StringFlag{Name: name, Category: categoryRuntime, Usage: usage, Value: strings.ReplaceAll(humanize.IBytes(uint64(def)), " ", ""),
		Action: func(c *cli.Context, _ string) error {
			_, err := parseSize(c, name)
			return err
		}}
}

// stateFlags say how much room there must be for states. The defaults are a daemon's, or those of a command that runs alone.
func stateFlags(minFree, ballast int64) []cli.Flag {
	return []cli.Flag{
		sizeFlag("min-free", minFree, "refuse an apply where less than `SIZE` is free for its state (0 = never)"),
		sizeFlag("ballast", ballast, "keep a file of `SIZE` in the data directory, to be given up for states when the disk is full (0 = none)"),
		sizeFlag("max-kept", host.DefaultMaxKept, "refuse the applies of a tenant that has more than `SIZE` of undelivered states (0 = never)"),
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

// parseLimit reads a number with or without a unit.
func parseLimit(name, text string) (uint64, error) {
	if isTime(name) {
		if d, err := time.ParseDuration(text); err == nil && d >= time.Millisecond {
			return uint64(d.Milliseconds()), nil
		}
		if n, err := strconv.ParseUint(text, 10, 63); err == nil && n > 0 {
			return n, nil
		}
		return 0, fmt.Errorf("want %s=DURATION above 0, such as 30s or 10m, or a number of milliseconds", name)
	}
	value, err := humanize.ParseBytes(text)
	if err != nil || value == 0 {
		return 0, fmt.Errorf("want %s=NUMBER above 0, with a unit such as MiB if you like", name)
	}
	return value, nil
}
