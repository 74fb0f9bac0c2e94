package session

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

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

// What is written by hand is what any decoder reads.
func TestLogResponse(t *testing.T) {
	for level := range pb.LogLevel_name {
		for _, text := range []string{"", "ä line", strings.Repeat("x", maxLogText)} {
			var got pb.Response
			if err := proto.Unmarshal(logResponse(pb.LogLevel(level), text), &got); err != nil {
				t.Fatal(err)
			}
			want := &pb.Response{Type: &pb.Response_Log{Log: &pb.Log{Level: pb.LogLevel(level), Output: text}}}
			if !proto.Equal(&got, want) {
				t.Errorf("got %v, want %v", &got, want)
			}
		}
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
	f.options.Limits = &guestpb.Limits{LogBytes: 2*(5+logOverhead) + 2}
	s := f.configured(t)
	logs, text := logsOf(t, s)
	if text != "limit exceeded" || len(logs) != 3 || logs[2].Level != pb.LogLevel_WARN || logs[2].Output != "the init request has logged 76 bytes, the limit (setting log_bytes): what it still logs is dropped" {
		t.Errorf("%q, %v; want two lines and one warning", text, logs)
	}
	// The limit is a request's.
	if logs, _ := logsOf(t, s); len(logs) != 3 {
		t.Errorf("the next request logged %v", logs)
	}
}

// What comes too fast waits, and is not lost.
func TestLogRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := strings.Repeat("x", 1000-logOverhead)
		f := logging(t, func(h *Host) error {
			for range 30 {
				if err := h.Log(pb.LogLevel_INFO, line); err != nil {
					return err
				}
			}
			return h.Log(pb.LogLevel_INFO, strings.Repeat("x", 25_000-logOverhead)) // more than the burst
		})
		f.options.Limits = &guestpb.Limits{LogBytesPerSecond: 1000, LogBurstBytes: 10_000}
		s := f.configured(t)
		began := time.Now()
		logs, text := logsOf(t, s)
		if took := time.Since(began).Round(time.Second); text != "" || took != 45*time.Second {
			t.Errorf("it took %v, with %q", took, text)
		}
		want := "the init request logs faster than 1000 bytes a second after the first 10000 (settings log_bytes_per_second, log_burst_bytes): it is slowed down, nothing is lost"
		if len(logs) != 32 || logs[10].Level != pb.LogLevel_WARN || logs[10].Output != want {
			t.Errorf("%d logs, with %v", len(logs), logs[10])
		}
	})
}

// A request that waits in log ends when it is canceled, after the grace period.
func TestCancelWhileLoggingIsSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := logging(t, func(h *Host) error {
			for {
				if err := h.Log(pb.LogLevel_INFO, "1234567890"); err != nil {
					return err
				}
			}
		})
		f.options.Limits = &guestpb.Limits{LogBytesPerSecond: 1}
		f.options.GracePeriod, f.options.SendTimeout = 2*time.Second, 10*time.Second
		s := f.configured(t)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		began := time.Now()
		resp, err := s.Do(ctx, initRequest(), nil)
		if took := time.Since(began); err != nil || took > 80*time.Second {
			t.Errorf("after %v: %v, %v", took, resp, err)
		}
		if text := client.ErrorOf(resp); !strings.Contains(text, "grace_period") && text != "canceled" {
			t.Errorf("it ended with %q", text)
		}
	})
}
