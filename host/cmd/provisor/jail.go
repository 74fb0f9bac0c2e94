package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host"
)

func jailOptions(c *cli.Context) host.JailOptions {
	o := host.JailOptions{
		Require: layers(c, "jail-require"), Disable: layers(c, "jail-disable"),
		Expose: c.StringSlice("jail-expose"), Offline: offline(c),
	}
	if users, ok := c.Generic("jail-uids").(*userRange); ok {
		o.Users = users.UserRange
	}
	return o
}

// userRange is the value of a flag.
type userRange struct{ host.UserRange }

func (u *userRange) Set(text string) (err error) {
	u.UserRange, err = host.ParseUserRange(text)
	return err
}

func (u *userRange) String() string {
	if u == nil || u.UserRange == (host.UserRange{}) {
		return ""
	}
	return u.UserRange.String()
}

// jailFlags say what is around engines.
func jailFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "jail-require", Category: categoryJail, Usage: "run no engine without the `LAYER` of the jail; may be repeated. Layers: " + layerNames() + "; \"provisor doctor\" says which this machine has"},
		&cli.StringSliceFlag{Name: "jail-disable", Category: categoryJail, Usage: "leave the `LAYER` out; may be repeated"},
		&cli.StringSliceFlag{Name: "jail-expose", Category: categoryJail, Usage: "let engines read and execute `PATH`, a file or a directory of this machine beside the system's own; may be repeated"},
		&cli.GenericFlag{Name: "jail-uids", Category: categoryJail, Value: new(userRange), Usage: "run each tenant's engines as a user of its own, one of `FIRST-LAST`, which no account has: for daemons that are root's"},
		&cli.StringSliceFlag{Name: "jail-offline", Category: categoryJail, Usage: "give engines no network in the `REQUEST`: init, parse, plan, apply or graph, or in none; may be repeated (default: " + strings.Join(host.DefaultOffline(), ", ") + ")"},
	}
}

// offline are the requests without a network; nil = the default.
func offline(c *cli.Context) []string {
	names := c.StringSlice("jail-offline")
	if len(names) == 1 && names[0] == "none" {
		return []string{}
	}
	return names
}

func layers(c *cli.Context, flag string) []host.JailLayer {
	var layers []host.JailLayer
	for _, name := range c.StringSlice(flag) {
		layers = append(layers, host.JailLayer(name))
	}
	return layers
}

func layerNames() string {
	var names []string
	for _, l := range host.JailLayers() {
		names = append(names, string(l))
	}
	return strings.Join(names, ", ")
}
