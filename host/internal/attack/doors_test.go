package attack

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // as the exporter of traces has it
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/access"
	"github.com/provisor/provisor/host/internal/server"
	"github.com/provisor/provisor/host/internal/server/raw"
	"github.com/provisor/provisor/host/internal/tenant"
)

func wrongTokens(t *testing.T, a *arena) {
	const right = "the right one"
	hash := access.Hash(sha256.Sum256([]byte(right)))
	list, err := access.New([]access.Credential{{Tenant: tenant.Default, Token: &hash}})
	if err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, host.Options{}, server.Options{Access: list})
	for name, tt := range map[string]struct {
		metadata []string
		want     codes.Code
	}{
		"none":               {nil, codes.Unauthenticated},
		"empty":              {[]string{"authorization", ""}, codes.Unauthenticated},
		"an empty token":     {[]string{"authorization", "Bearer "}, codes.Unauthenticated},
		"wrong":              {[]string{"authorization", "Bearer " + right + "s"}, codes.Unauthenticated},
		"its hash":           {[]string{"authorization", "Bearer " + hex.EncodeToString(hash[:])}, codes.Unauthenticated},
		"another scheme":     {[]string{"authorization", "Basic " + right}, codes.Unauthenticated},
		"a wrong and a good": {[]string{"authorization", "Bearer x", "authorization", "Bearer " + right}, codes.Unauthenticated},
		"50 kB":              {[]string{"authorization", "Bearer " + strings.Repeat("x", 50_000)}, codes.Unauthenticated},
		"a megabyte":         {[]string{"authorization", "Bearer " + strings.Repeat("x", 1<<20)}, codes.Internal},
		"the good one":       {[]string{"authorization", "Bearer " + right}, codes.FailedPrecondition}, // for the order of its requests
	} {
		ctx := metadata.AppendToOutgoingContext(inTime(t), tt.metadata...)
		stream, err := dialWith(t, d).NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, raw.Path)
		if err == nil {
			_ = stream.SendMsg(&raw.Message{Bytes: marshal(plan)}) // may fail: the stream has ended already
			_, err = rawConn{stream}.Recv()
		}
		if status.Code(err) != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	// The one who has it is answered as ever.
	c, err := client.Dial(d.address, client.Options{Token: right})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	known := *d
	known.client = c
	if _, err := known.honestSession(inTime(t)); err != nil {
		t.Error(err)
	}
	a.clean(t, d)
}

// dialWith is a connection to the daemon.
func dialWith(t *testing.T, d *daemon, more ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(d.address, append(more,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw.Codec())))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// compressed has messages sent as those bytes, and called compressed.
type compressed struct {
	encoding string
	bytes    []byte
}

func (p compressed) Type() string { return p.encoding }

func (p compressed) Do(w io.Writer, _ []byte) error {
	_, err := w.Write(p.bytes)
	return err
}

func compressedMessages(t *testing.T, a *arena) {
	const inflated = 256 << 20
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range inflated >> 20 {
		_, _ = z.Write(make([]byte, 1<<20)) // into memory
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, p := range []struct {
		compressed
		want codes.Code
	}{
		{compressed{"gzip", bomb.Bytes()}, codes.Internal},
		{compressed{"zstd", bomb.Bytes()}, codes.Unimplemented},
		{compressed{strings.Repeat("x", 10_000), []byte("x")}, codes.Unimplemented},
		{compressed{"identity", []byte("x")}, codes.Internal},
		{compressed{"", []byte("x")}, codes.Internal},
	} {
		ctx, cancel := context.WithCancel(inTime(t))
		//lint:ignore SA1019 compressors that are registered would be the server's as well
		conn := dialWith(t, a.daemon, grpc.WithCompressor(p.compressed))
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, raw.Path)
		if err == nil {
			_ = stream.SendMsg(&raw.Message{Bytes: marshal(plan)}) // may fail: the stream has ended already
			_, err = rawConn{stream}.Recv()
		}
		if status.Code(err) != p.want {
			t.Errorf("%.20q: %v, want %s", p.encoding, err, p.want)
		}
		// Health is asked by those whom nobody knows.
		if _, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "x"}); status.Code(err) != p.want {
			t.Errorf("health, %.20q: %v, want %s", p.encoding, err, p.want)
		}
		cancel()
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > inflated/2 {
		t.Errorf("%d MiB were allocated", took>>20)
	}
}
