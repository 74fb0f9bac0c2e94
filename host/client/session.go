// Package client is a typed client of the provisioner protocol's stream, over any connection: a daemon's gRPC (Dial) or a
// runtime in the same process (InProcess). It knows nothing of the runtime.
package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Conn is a stream seen from the client: serialized Requests go out, serialized Responses come in. Recv returns io.EOF after
// the session ended well. One goroutine may call Recv while another calls Send or CloseSend.
type Conn interface {
	Send([]byte) error
	Recv() ([]byte, error)
	// CloseSend says that no more Requests will follow (a half-close).
	CloseSend() error
}

// Session is one session, over a Conn.
type Session struct {
	conn Conn
	// sending serialises Send and CloseSend: a Cancel may be sent while another goroutine sends.
	sending sync.Mutex
}

// NewSession returns the session over the connection. The first message to send is the Config.
func NewSession(c Conn) *Session { return &Session{conn: c} }

// Send sends one Request. It may be called from any goroutine. When it fails because the session has ended, Recv tells why.
func (s *Session) Send(req *pb.Request) error {
	b, err := proto.Marshal(req)
	if err != nil {
		return fmt.Errorf("encode %s request: %w", requestName(req), err)
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.conn.Send(b)
}

// Recv returns the next Response, as it came: an upload is not put together (see Upload). io.EOF is the clean end.
func (s *Session) Recv() (*pb.Response, error) {
	b, err := s.conn.Recv()
	if err != nil {
		return nil, err
	}
	resp := new(pb.Response)
	if err := proto.Unmarshal(b, resp); err != nil {
		return nil, fmt.Errorf("decode a response of %d bytes: %w", len(b), err)
	}
	return resp, nil
}

// CloseSend says that no more Requests will follow. An idle session ends well; one at work is canceled, and its Complete comes still.
func (s *Session) CloseSend() error {
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.conn.CloseSend()
}

// Close hangs up and frees the connection's share of the session. Work that runs is canceled. In process it waits for the session's
// end and returns its error, if that was not brought about by Close.
func (s *Session) Close() error {
	if c, ok := s.conn.(io.Closer); ok {
		return c.Close()
	}
	return s.CloseSend()
}

// Configure sends the Config, which every session begins with.
func (s *Session) Configure(c *pb.Config) error {
	if err := s.Send(&pb.Request{Type: &pb.Request_Config{Config: c}}); err != nil {
		// A session that was refused may have ended before.
		return fmt.Errorf("send the Config: %w", s.reason(err))
	}
	return nil
}

// Cancel asks the session to cancel what runs, if anything does. The Complete of the canceled request follows.
func (s *Session) Cancel() error {
	return s.Send(&pb.Request{Type: &pb.Request_Cancel{Cancel: &pb.CancelRequest{}}})
}

// Do sends a parse, init, plan, apply or graph request and returns the Response with its Complete. Logs go to onLog (may be nil), in
// order and in Do's goroutine. An upload is put together, checked, and placed into the Complete's module_files.
//
// When ctx ends, Do sends one Cancel and goes on waiting: the Complete still comes, and with it the state of a canceled apply. To
// stop waiting, call Close from another goroutine. A Complete that carries an error is no error of Do: see ErrorOf.
func (s *Session) Do(ctx context.Context, req *pb.Request, onLog func(*pb.Log)) (*pb.Response, error) {
	name := requestName(req)
	if !answered(req) {
		return nil, fmt.Errorf("%s has no answer to wait for: use Send", name)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s request not sent: %w", name, err)
	}
	if err := s.Send(req); err != nil {
		return nil, fmt.Errorf("send %s request: %w", name, s.reason(err))
	}
	stop := s.cancelWhenDone(ctx)
	defer stop()
	resp, err := s.await(onLog)
	if err != nil {
		return nil, fmt.Errorf("wait for the answer to the %s request: %w", name, err)
	}
	if got := responseName(resp); got != name {
		return nil, fmt.Errorf("the %s request was answered by the Complete of %s", name, got)
	}
	return resp, nil
}

// await receives up to the next Complete.
func (s *Session) await(onLog func(*pb.Log)) (*pb.Response, error) {
	var upload Upload
	for {
		resp, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the session ended without it: %w", io.ErrUnexpectedEOF)
		}
		if err != nil {
			return nil, err
		}
		switch t := resp.Type.(type) {
		case *pb.Response_Log:
			if onLog != nil {
				onLog(t.Log)
			}
		case *pb.Response_DataUpload, *pb.Response_ChunkPiece:
			if err := upload.Add(resp); err != nil {
				return nil, err
			}
		case nil:
			return nil, errors.New("the server sent an empty response")
		default:
			return resp, upload.Fill(resp)
		}
	}
}

// cancelWhenDone sends a Cancel when ctx ends. The function that it returns stops that, and waits for a Cancel that is under way.
func (s *Session) cancelWhenDone(ctx context.Context) func() {
	sent := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(sent)
		// Where it can't be sent the stream is broken, and Recv says so.
		_ = s.Cancel()
	})
	return func() {
		if !stop() {
			<-sent
		}
	}
}

// reason is why the session ended, where Send could only say that it has.
func (s *Session) reason(sendErr error) error {
	if !errors.Is(sendErr, io.EOF) {
		return sendErr
	}
	for {
		if _, err := s.conn.Recv(); err != nil {
			return err
		}
	}
}
