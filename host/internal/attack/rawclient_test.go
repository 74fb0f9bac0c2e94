package attack

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/provisor/provisor/host/internal/server/raw"
)

// rawConn is a stream by which any bytes can be sent.
type rawConn struct{ grpc.ClientStream }

func (c rawConn) Send(b []byte) error { return c.SendMsg(&raw.Message{Bytes: b}) }

func (c rawConn) Recv() ([]byte, error) {
	var m raw.Message
	err := c.RecvMsg(&m)
	return m.Bytes, err
}

// dialRaw opens a stream of the daemon's on a connection of its own.
func dialRaw(t *testing.T, d *daemon) rawConn {
	t.Helper()
	return dialMethod(t, d, raw.Path)
}

func dialMethod(t *testing.T, d *daemon, method string) rawConn {
	t.Helper()
	conn, err := grpc.NewClient(d.address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw.Codec())))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(inTime(t))
	t.Cleanup(func() {
		cancel()
		conn.Close()
	})
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		t.Fatal(err)
	}
	return rawConn{stream}
}

func otherMethods(t *testing.T, a *arena) {
	for _, method := range []string{"/provisioner.Provisioner/Other", "/other.Service/Session", "/" + strings.Repeat("x", 10_000) + "/y"} {
		if _, err := dialMethod(t, a.daemon, method).Recv(); status.Code(err) != codes.Unimplemented {
			t.Errorf("%.50s: %v", method, err)
		}
	}
}
