package session

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestWholeSession(t *testing.T) {
	f := newFixture(t, succeed)
	s := f.configured(t)
	succeedAll(t, s, initRequest(), parseRequest(), planRequest(), graphRequest(), planRequest(), applyRequest(), graphRequest(), planRequest())
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, s, 0, "")
	if got := f.instances(); got != 1 {
		t.Errorf("%d instances, want one for the session", got)
	}
}

func TestIdleStreamHasNothing(t *testing.T) {
	f := newFixture(t, succeed)
	s := f.configured(t)
	if err := s.Cancel(); err != nil {
		t.Fatal(err)
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, s, 0, "")
	if f.made != 0 || f.removed != 0 {
		t.Errorf("%d instances and %d directories, want none", f.made, f.removed)
	}
}

func TestLogLevel(t *testing.T) {
	handle := func(_ context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
		for level := range pb.LogLevel(5) {
			if err := h.Log(level, level.String()); err != nil {
				return nil, err
			}
		}
		return completeOf(req, ""), nil
	}
	for _, tt := range []struct {
		level string
		want  string
	}{
		{"", "TRACE DEBUG INFO WARN ERROR"},
		{"trace", "TRACE DEBUG INFO WARN ERROR"},
		{"DEBUG", "DEBUG INFO WARN ERROR"},
		{"Info", "INFO WARN ERROR"},
		{"warn", "WARN ERROR"},
		{"eRRoR", "ERROR"},
	} {
		t.Run(tt.level, func(t *testing.T) {
			s := newFixture(t, handle).open(t)
			if err := s.Configure(&pb.Config{ProvisionerLogLevel: tt.level}); err != nil {
				t.Fatal(err)
			}
			var got []string
			_, err := s.Do(t.Context(), initRequest(), func(l *pb.Log) { got = append(got, l.Output) })
			if err != nil {
				t.Fatal(err)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %v, want %s", got, tt.want)
			}
		})
	}
	for _, level := range []string{"verbose", "warning", " info", "INFO\x00"} {
		t.Run("unknown "+level, func(t *testing.T) {
			s := newFixture(t, handle).open(t)
			if err := s.Configure(&pb.Config{ProvisionerLogLevel: level}); err != nil {
				t.Fatal(err)
			}
			wantEnd(t, s, InvalidArgument, "log-level")
		})
	}
}

func TestRequestReachesThePluginAsItCame(t *testing.T) {
	f := newFixture(t, succeed)
	conn := client.InProcess(t.Context(), func(ctx context.Context, s client.Stream) error { return Run(ctx, f.options, s) })
	defer conn.Close()
	config, err := proto.Marshal(&pb.Request{Type: &pb.Request_Config{Config: &pb.Config{}}})
	if err != nil {
		t.Fatal(err)
	}
	// An Init with an unknown field inside, one outside, and the archive twice: a decoder would write it otherwise.
	raw := []byte{0x1a, 0x09, 0x0a, 0x01, 'x', 0x0a, 0x01, 'y', 0xa0, 0x06, 0x05, 0xa0, 0x06, 0x07}
	for _, b := range [][]byte{config, raw} {
		if err := conn.Send(b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Recv(); err != nil {
		t.Fatal(err)
	}
	if len(f.raw) != 1 || !bytes.Equal(f.raw[0], raw) {
		t.Errorf("the plugin got %x, want %x", f.raw, raw)
	}
}

func TestSessionInfo(t *testing.T) {
	var got []byte
	f := newFixture(t, func(_ context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
		got = h.SessionInfo()
		return completeOf(req, ""), nil
	})
	f.options.Limits = &guestpb.Limits{LogBytes: 7}
	f.options.Settings = map[string]string{"a": "b"}
	f.options.Programs = map[string]Program{
		"terraform": {Engine: &guestpb.Engine{Name: "tofu", Version: "1.10.1"}},
		"git":       {},
	}
	s := f.open(t)
	config := &pb.Config{ProvisionerLogLevel: "info", TemplateId: proto.String("t")}
	if err := s.Configure(config); err != nil {
		t.Fatal(err)
	}
	succeedAll(t, s, initRequest())
	info := new(guestpb.SessionInfo)
	if err := proto.Unmarshal(got, info); err != nil {
		t.Fatal(err)
	}
	want := &guestpb.SessionInfo{
		Config:   config,
		Engines:  map[string]*guestpb.Engine{"terraform": {Name: "tofu", Version: "1.10.1"}, "git": {}},
		Limits:   &guestpb.Limits{LogBytes: 7},
		Settings: map[string]string{"a": "b"},
	}
	if diff := cmp.Diff(want, info, protocmp.Transform()); diff != "" {
		t.Errorf("session info (-want +got):\n%s", diff)
	}
}
