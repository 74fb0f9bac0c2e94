package host

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// probeTime is how long a plugin may take for each request of its probe.
const probeTime = time.Minute

// probe tries a plugin out: in a session of its own, with directories that are thrown away, it must answer an Init with an empty archive
// and, if it takes that, a Parse. Whether it answers with an error does not matter: there is nothing in the template.
func (r *Runtime) probe(ctx context.Context, p *plugin.Plugin, g plugin.Grants) error {
	if err := r.prepared(); err != nil {
		return err
	}
	pr, err := r.setup.Load().newProfile(DefaultTenant, TenantOptions{})
	if err != nil {
		return err
	}
	u, err := r.use(ctx, pr, p, g, nil)
	if err != nil {
		return err
	}
	o := u.sessionOptions()
	// What it makes is for no later session, and it does not wait behind those of clients.
	o.Cache, o.Turn = nil, nil
	o.Log = o.Log.With("probe", true)
	limits := proto.Clone(o.Limits).(*guestpb.Limits)
	if most := uint64(probeTime.Milliseconds()); limits.GetRequestMillis() == 0 || limits.GetRequestMillis() > most {
		limits.RequestMillis = most
	}
	o.Limits = limits
	failure := ""
	o.Failed = func(reason string) { failure = reason }
	s := &probeStream{answers: make(chan *pb.Response, 1), done: make(chan struct{})}
	err = session.Run(ctx, o, s)
	close(s.done)
	switch {
	case err != nil:
		return err
	case failure != "":
		return errors.New(failure)
	}
	return nil
}

// emptyArchive is a tar without files.
func emptyArchive() []byte {
	var b bytes.Buffer
	// Writing to memory can't fail.
	_ = tar.NewWriter(&b).Close()
	return b.Bytes()
}

// probeStream is a client that asks one thing after another.
type probeStream struct {
	// sent is how many requests were sent, answers what was answered to them.
	sent    int
	answers chan *pb.Response
	// done is closed when the session has ended.
	done chan struct{}
}

// Recv implements session.Stream.
func (s *probeStream) Recv() ([]byte, error) {
	s.sent++
	switch s.sent {
	case 1:
		return proto.Marshal(&pb.Request{Type: &pb.Request_Config{Config: &pb.Config{}}})
	case 2:
		return proto.Marshal(&pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: emptyArchive(), OmitModuleFiles: true}}})
	}
	select {
	case answer := <-s.answers:
		if init := answer.GetInit(); init != nil && init.GetError() == "" {
			return proto.Marshal(&pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}})
		}
	case <-s.done:
	}
	return nil, io.EOF
}

// Send implements session.Stream.
func (s *probeStream) Send(b []byte) error {
	answer := new(pb.Response)
	if err := proto.Unmarshal(b, answer); err != nil {
		return fmt.Errorf("its answer does not decode: %w", err)
	}
	if answer.GetInit() != nil || answer.GetParse() != nil {
		s.answers <- answer
	}
	return nil
}
