package guest_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

func TestLogLevels(t *testing.T) {
	s := guesttest.New(t)
	guest.Trace("a")
	guest.Debug("b")
	guest.Info("two\nlines")
	guest.Warn("bad \xff\xfe bytes")
	guest.Error("")
	guest.Logf(pb.LogLevel_INFO, "%d", 1)
	want := "TRACE: a\nDEBUG: b\nINFO: two\nlines\nWARN: bad \uFFFD bytes\nERROR: \nINFO: 1\n"
	if diff := cmp.Diff(want, s.LogText()); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
}

func TestLogSplitsWhatIsTooLong(t *testing.T) {
	s := guesttest.New(t)
	text := strings.Repeat("é", 512<<10) + "end"
	guest.Info("x" + text)
	var got strings.Builder
	for _, l := range s.Logs() {
		if len(l.GetOutput()) > 512<<10 {
			t.Errorf("a Log has %d bytes", len(l.GetOutput()))
		}
		got.WriteString(l.GetOutput())
	}
	if len(s.Logs()) != 3 || got.String() != "x"+text {
		t.Errorf("%d logs, %d bytes", len(s.Logs()), got.Len())
	}
}

func TestLogWriter(t *testing.T) {
	const split = 64 << 10
	for name, c := range map[string]struct {
		writes []string
		want   []string
	}{
		"lines":               {[]string{"a\nb\r\n\nc"}, []string{"a", "b", "c"}},
		"pieces":              {[]string{"a", "b", "\n", "c\n"}, []string{"ab", "c"}},
		"nothing":             {[]string{"", "\n"}, nil},
		"long":                {[]string{strings.Repeat("x", 2*split+1)}, []string{strings.Repeat("x", split), strings.Repeat("x", split), "x"}},
		"long in pieces":      {[]string{strings.Repeat("x", split), "y\nz"}, []string{strings.Repeat("x", split), "y", "z"}},
		"characters stay one": {[]string{"x" + strings.Repeat("é", split/2)}, []string{"x" + strings.Repeat("é", split/2-1), "é"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := guesttest.New(t)
			w := guest.NewLogWriter(pb.LogLevel_INFO)
			for _, text := range c.writes {
				if n, err := io.WriteString(w, text); err != nil || n != len(text) {
					t.Fatalf("Write = %d, %v", n, err)
				}
			}
			w.Close()
			var got []string
			for _, l := range s.Logs() {
				got = append(got, l.GetOutput())
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%d logs; want %d\n%.100q\n%.100q", len(got), len(c.want), got, c.want)
			}
		})
	}
}
