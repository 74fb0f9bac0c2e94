package session

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// chopped is a stream of arbitrary messages: each is a length in one byte and so many bytes. Nothing waits for an answer.
type chopped struct {
	mu   sync.Mutex
	data []byte
	sent []*pb.Response
	bad  error
}

func (c *chopped) Recv() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.data) == 0 {
		return nil, io.EOF
	}
	n := min(int(c.data[0]), len(c.data)-1)
	message := c.data[1 : 1+n]
	c.data = c.data[1+n:]
	return message, nil
}

func (c *chopped) Send(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	resp := new(pb.Response)
	if err := proto.Unmarshal(b, resp); err != nil {
		c.bad = err
	}
	c.sent = append(c.sent, resp)
	return nil
}

// FuzzSession: whatever comes, the session ends, leaves nothing behind, and sends no more Completes than it got messages.
func FuzzSession(f *testing.F) {
	f.Add([]byte{2, 0x0a, 0, 2, 0x1a, 0, 2, 0x12, 0, 2, 0x22, 0, 2, 0x2a, 0, 2, 0x32, 0, 2, 0x3a, 0})
	f.Add([]byte{2, 0x0a, 0, 0})
	f.Add([]byte{2, 0x0a, 0, 4, 0x1a, 0x02, 0x0a, 0x00, 2, 0x22, 0})
	f.Add([]byte{8, 0x0a, 6, 0x0a, 4, 'i', 'n', 'f', 'o', 2, 0x1a, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		fx := newFixture(t, obliging)
		fx.options.Log = slog.New(slog.DiscardHandler)
		messages := 0
		for rest := data; len(rest) > 0; messages++ {
			rest = rest[1+min(int(rest[0]), len(rest)-1):]
		}
		stream := &chopped{data: data}
		err := Run(context.Background(), fx.options, stream)
		stream.mu.Lock()
		defer stream.mu.Unlock()
		if stream.bad != nil || len(stream.sent) > messages {
			t.Errorf("%d responses to %d messages, %v (the session ended with %v)", len(stream.sent), messages, stream.bad, err)
		}
		if fx.made != fx.closed || fx.made > 0 && fx.removed != 1 {
			t.Errorf("%d instances, %d closed, %d directories removed", fx.made, fx.closed, fx.removed)
		}
	})
}
