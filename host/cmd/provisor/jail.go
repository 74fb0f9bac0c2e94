package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/provisor/provisor/host"
)

func jailOptions(c *cli.Context) host.JailOptions {
	return host.JailOptions{Require: layers(c, "jail-require"), Disable: layers(c, "jail-disable")}
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
