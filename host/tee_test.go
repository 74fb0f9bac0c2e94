package host

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/session"
)

// speaker is a process that prints pieces.
type speaker struct {
	session.Process
	pieces []piece
}

type piece struct {
	stream abi.Stream
	text   string
}

func (s *speaker) Read(_ context.Context, buf []byte, _ time.Duration) (abi.Stream, int, error) {
	if len(s.pieces) == 0 {
		return abi.Ended, 0, nil
	}
	p := s.pieces[0]
	s.pieces = s.pieces[1:]
	return p.stream, copy(buf, p.text), nil
}

func TestTee(t *testing.T) {
	var shown []string
	p := &tee{
		Process: &speaker{pieces: []piece{{abi.Stdout, "di"}, {abi.Stderr, "warning"}, {abi.Stdout, "graph {}"}}},
		whole:   func(b []byte) { shown = append(shown, string(b)) },
	}
	var read strings.Builder
	buf := make([]byte, 100)
	for range 6 { // past the end, twice
		_, n, err := p.Read(t.Context(), buf, -1)
		if err != nil {
			t.Fatal(err)
		}
		read.Write(buf[:n])
	}
	if read.String() != "diwarninggraph {}" {
		t.Errorf("the plugin read %q", read.String())
	}
	if len(shown) != 1 || shown[0] != "digraph {}" {
		t.Errorf("shown: %q", shown)
	}
}
