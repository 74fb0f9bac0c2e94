// Package peers starts the comparison's plugin in the ways that others isolate plugins.
package peers

import (
	"context"
	"io"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/provisor/provisor/examples/bench/internal/parse"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Handshake tells a plugin's process that it was started as one.
var Handshake = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "BENCH_PLUGIN", MagicCookieValue: "parse"}

// Plugins are what the process serves.
var Plugins = map[string]plugin.Plugin{"parser": &parserPlugin{}}

// Process runs the plugin as a process per instance.
type Process struct {
	// Path is the plugin's binary.
	Path string
}

// Start starts a process and has it parse the directory. The function that it returns ends the process.
func (p Process) Start(ctx context.Context, dir string) (*pb.ParseComplete, func(), error) {
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  Handshake,
		Plugins:          Plugins,
		Cmd:              exec.Command(p.Path),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.New(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off}),
	})
	answer, err := parseIn(ctx, client, dir)
	if err != nil {
		client.Kill()
		return nil, nil, err
	}
	return answer, client.Kill, nil
}

func parseIn(ctx context.Context, client *plugin.Client, dir string) (*pb.ParseComplete, error) {
	protocol, err := client.Client()
	if err != nil {
		return nil, err
	}
	parser, err := protocol.Dispense("parser")
	if err != nil {
		return nil, err
	}
	return parser.(remoteParser).parse(ctx, dir)
}

// parserPlugin is both sides of the service Parser, whose one method takes a directory and returns a serialized ParseComplete.
type parserPlugin struct {
	plugin.NetRPCUnsupportedPlugin
}

func (*parserPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	s.RegisterService(&service, nil)
	return nil
}

func (*parserPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return remoteParser{c}, nil
}

const method = "/bench.Parser/Parse"

var service = grpc.ServiceDesc{
	ServiceName: "bench.Parser",
	Methods: []grpc.MethodDesc{{
		MethodName: "Parse",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			dir := new(wrapperspb.StringValue)
			if err := decode(dir); err != nil {
				return nil, err
			}
			answer, err := proto.Marshal(parse.Dir(dir.GetValue()))
			return wrapperspb.Bytes(answer), err
		},
	}},
}

// remoteParser is the client's side.
type remoteParser struct{ conn *grpc.ClientConn }

func (p remoteParser) parse(ctx context.Context, dir string) (*pb.ParseComplete, error) {
	reply := new(wrapperspb.BytesValue)
	if err := p.conn.Invoke(ctx, method, wrapperspb.String(dir), reply); err != nil {
		return nil, err
	}
	answer := new(pb.ParseComplete)
	return answer, proto.Unmarshal(reply.GetValue(), answer)
}
