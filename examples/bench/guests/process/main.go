// Command process is the comparison's plugin for hashicorp/go-plugin: a process of its own, called over gRPC.
package main

import (
	"github.com/hashicorp/go-plugin"

	"github.com/provisor/provisor/examples/bench/internal/peers"
)

func main() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: peers.Handshake,
		Plugins:         peers.Plugins,
		GRPCServer:      plugin.DefaultGRPCServer,
	})
}
