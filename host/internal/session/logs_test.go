package session

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// logging is a fixture whose plugin does f and answers with its errno.
func logging(t *testing.T, f func(h *Host) error) *fixture {
	return newFixture(t, func(_ context.Context, h *Host, req *pb.Request) (*pb.Response, error) {
		if err := f(h); err != nil {
			return completeOf(req, abi.ErrnoOf(err).Error()), nil
		}
		return completeOf(req, ""), nil
	})
}

// logsOf are the logs of an init, and the error of its Complete.
func logsOf(t *testing.T, s *client.Session) (logs []*pb.Log, text string) {
	t.Helper()
	resp, err := s.Do(t.Context(), initRequest(), func(l *pb.Log) { logs = append(logs, l) })
	if err != nil {
		t.Fatal(err)
	}
	return logs, client.ErrorOf(resp)
}

func TestLongLogsAreSplit(t *testing.T) {
	for _, text := range []string{
		"", "short", strings.Repeat("x", maxLogText), strings.Repeat("x", maxLogText+1), strings.Repeat("x", 3*maxLogText),
		"x" + strings.Repeat("ä", 2*maxLogText), strings.Repeat("\U0001F600", maxLogText), "line\nline\n",
	} {
		t.Run(fmt.Sprint(len(text)), func(t *testing.T) {
			logs, _ := logsOf(t, logging(t, func(h *Host) error { return h.Log(pb.LogLevel_WARN, text) }).configured(t))
			var got strings.Builder
			for _, l := range logs {
				if l.Level != pb.LogLevel_WARN || len(l.Output) > maxLogText || !utf8.ValidString(l.Output) {
					t.Errorf("a piece of %d bytes at %s", len(l.Output), l.Level)
				}
				got.WriteString(l.Output)
			}
			if got.String() != text {
				t.Errorf("%d bytes came in %d pieces, want %d", got.Len(), len(logs), len(text))
			}
			if want := max(1, (len(text)+maxLogText-1)/maxLogText); len(logs) > want+1 {
				t.Errorf("%d pieces, want %d", len(logs), want)
			}
		})
	}
}

func TestLogsThatAreWrong(t *testing.T) {
	for _, level := range []pb.LogLevel{-1, 5, 1 << 30} {
		s := logging(t, func(h *Host) error { return h.Log(level, "x") }).configured(t)
		if logs, text := logsOf(t, s); text != "invalid argument" || len(logs) != 0 {
			t.Errorf("level %d: %q, %v", level, text, logs)
		}
	}
	s := logging(t, func(h *Host) error { return h.Log(pb.LogLevel_INFO, "a\xffb") }).configured(t)
	if logs, text := logsOf(t, s); text != "" || len(logs) != 1 || logs[0].Output != "a\uFFFDb" {
		t.Errorf("%q, %v", text, logs)
	}
}

func TestLogLimit(t *testing.T) {
	f := logging(t, func(h *Host) error {
		for range 10 {
			_ = h.Log(pb.LogLevel_INFO, "12345")
		}
		return h.Log(pb.LogLevel_INFO, "6")
	})
	f.options.Limits = &guestpb.Limits{LogBytes: 12}
	s := f.configured(t)
	logs, text := logsOf(t, s)
	if text != "limit exceeded" || len(logs) != 3 || logs[2].Level != pb.LogLevel_WARN || !contains(logs[2].Output, "12 bytes", "log_bytes") {
		t.Errorf("%q, %v; want two lines and one warning", text, logs)
	}
	// The limit is a request's.
	if logs, _ := logsOf(t, s); len(logs) != 3 {
		t.Errorf("the next request logged %v", logs)
	}
}
