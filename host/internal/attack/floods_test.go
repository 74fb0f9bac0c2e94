package attack

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/internal/server"
	wt "github.com/provisor/provisor/host/internal/wasmtest"
	"github.com/provisor/provisor/proto/guestpb"
)

// limited are options with some limits lower than the defaults.
func limited(l *guestpb.Limits) host.Options { return host.Options{Limits: l} }

func floods() []attack {
	return []attack{
		{"a flood of logs", "The echo plugin logs 20,000 times 100 bytes", "`log_bytes` of a request: the client is told once, the rest is dropped", logFlood},
		{"a flood of logs that nobody reads", "The plugin logs without end to a client that does not read", "The plugin waits for the client, and the client for `send_timeout` at the most", unreadFlood},
		{"a flood of output", "Writes to standard output without end", "The first MiB of a request goes to the host's log, the rest is dropped", outputFlood},
		{"output that forges the log", "Writes lines to standard output that look like the host's, with escape sequences", "Lines are quoted in the log", forgedOutput},
		{"thousands of files", "The echo plugin makes 5,000 files", "`files`, which the error names", echoesIn(limited(&guestpb.Limits{Files: 1000}), "files a 5000", "the limit of 1000 files is reached (setting files)")},
		{"a full disk", "The echo plugin writes 8 MiB", "`disk_bytes`, which the error names", echoesIn(limited(&guestpb.Limits{DiskBytes: 1 << 20}), "fill a 8MiB", "the limit of 1048576 bytes on disk is reached (setting disk_bytes)")},
		{"files that are mostly holes", "Extends a file to 2⁶² bytes, writes a byte at 2⁶², allocates 2⁶²", "`disk_bytes` counts lengths, not blocks: no space", holes},
		{"thousands of open files", "The echo plugin opens a file 5,000 times", "`open_files`, which the error names", echoesIn(limited(&guestpb.Limits{OpenFiles: 100}), "write a x\nopen a 5000", "the limit of 100 open files is reached (setting open_files)")},
		{"directories a mile deep", "A program makes 600 directories, each in the one before: three times as long as any path may be", "The session's directories are removed step by step", echoes(
			"run terraform sh \"p=$(printf 'a-rather-long-name/%.0s' $(seq 200)); mkdir -p x/$p y/$p z/$p && mv x y/$p && mv y z/$p\"", "")},
		{"a flood of program runs", "The echo plugin runs the engine six times", "`program_runs` of a request, which the error names", echoesIn(limited(&guestpb.Limits{ProgramRuns: 5}), strings.Repeat("run terraform version\n", 6), "5 program runs for one request (setting program_runs)")},
		{"a flood from a program", "A program writes without end", "`output_bytes` of a run, which the error names: the program is killed", echoesIn(limited(&guestpb.Limits{OutputBytes: 1 << 20}), "run terraform sh \"yes "+strings.Repeat("x", 100)+"\"", "setting output_bytes")},
	}
}

func logFlood(t *testing.T, a *arena) {
	d := startDaemon(t, limited(&guestpb.Limits{LogBytes: 1 << 20}), server.Options{})
	text, logs := d.misbehave(t, "flood info 20000 "+strings.Repeat("x", 100))
	if text != "" {
		t.Errorf("the Complete says %q", text)
	}
	told := 0
	for _, l := range logs {
		if strings.Contains(l, "(setting log_bytes)") {
			told++
		}
	}
	if n := len(strings.Join(logs, "")); told != 1 || n > 1<<20+1000 {
		t.Errorf("the client was told %d times, and got %d bytes", told, n)
	}
	a.clean(t, d)
}

func unreadFlood(t *testing.T, a *arena) {
	s, err := a.open(inTime(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Do(inTime(t), initWith("on plan\nflood info 1000000 "+strings.Repeat("x", 1000)), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(plan); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // in which it logs what the stream has room for
}

// prints is a plugin that writes the text to standard output, over and over or once.
func prints(text string, forever bool) []byte {
	p := wt.NewPlugin()
	p.Data(1024, []byte(text))
	p.Data(512, binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 1024), uint32(len(text))))
	write := append(p.Host("fd_write", 1, 512, 1, 600), wt.Drop...)
	if forever {
		write = wt.Loop(write, wt.Br(0))
	}
	return p.Handled(write, p.Respond(goodInit))
}

func outputFlood(t *testing.T, a *arena) {
	o := inBrief()
	d, err := load(t, o, server.Options{}, prints(strings.Repeat("flood\n", 1000), true))
	if err != nil {
		t.Fatal(err)
	}
	if got := d.init(t, initOf(nil)); !strings.Contains(got.text, ranTooLong) {
		t.Errorf("the Complete says %q", got.text)
	}
	log := d.log.String()
	if n := strings.Count(log, "line=flood"); n > 1<<20/6 {
		t.Errorf("%d lines are in the log", n)
	}
	a.clean(t, d)
}

func forgedOutput(t *testing.T, a *arena) {
	d, err := load(t, host.Options{}, server.Options{}, prints("x\x1b[2J\rlevel=ERROR msg=forged\u2028level=ERROR\n", false))
	if err != nil {
		t.Fatal(err)
	}
	d.init(t, initOf(nil))
	if log := d.log.String(); !strings.Contains(log, "forged") || strings.ContainsAny(log, "\x1b\r\u2028") {
		t.Errorf("the log is %q", log)
	}
	a.clean(t, d)
}

const (
	eNospc = 51 // in WASI's numbers
	eInval = 28
)

func holes(t *testing.T, a *arena) {
	runs(host.Options{}, func() []byte {
		m := newModule()
		name, n := m.put("holes")
		m.wasiCall("path_open", 3, 0, int64(name), int64(n), 1, 1<<1|1<<6, 0, 0, outAt)
		vector, _ := m.put(string([]byte{0, 0, 0, 0, 1, 0, 0, 0}))
		m.wasiCall("fd_filestat_set_size", 5, 1<<62)
		m.wasiCall("fd_pwrite", 5, int64(vector), 1, 1<<62, outAt)
		m.wasiCall("fd_allocate", 5, 0, 1<<62)
		m.wasiCall("fd_filestat_set_size", 5, 4<<30+1)
		return m.report()
	}, "", func(t *testing.T, o outcome) {
		for i, r := range o.results[1:5] {
			if r != eNospc {
				t.Errorf("call %d returned %d", i+1, r)
			}
		}
		if o.results[0] != 0 || bytes.Equal(o.out()[:4], make([]byte, 4)) {
			t.Errorf("the file was not opened: %d", o.results[0])
		}
	})(t, a)
}
