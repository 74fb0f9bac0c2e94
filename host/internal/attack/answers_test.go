package attack

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/server"
	wt "github.com/provisor/provisor/host/internal/wasmtest"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

const byAnswer = "The host looks at the answer before it passes it on, and answers in the plugin's place"

func answers() []attack {
	answer := func(name, tries string, response []byte, want string) attack {
		return attack{name, tries, byAnswer, runs(host.Options{}, func() []byte {
			p := wt.NewPlugin()
			return p.Handled(p.Respond(string(response)))
		}, want, nil)}
	}
	other := &pb.Response{Type: &pb.Response_Plan{Plan: &pb.PlanComplete{}}}
	return []attack{
		{"no answer", "Returns 0 without having called `respond`", byAnswer, runs(host.Options{}, handling(), "returned without an answer", nil)},
		{"a status", "Answers well, and then returns -7", byAnswer, runs(host.Options{}, afterAnswer(wt.I32Const(-7)), "provisor_handle returned -7", nil)},
		{"a trap after the answer", "Answers well, and then traps", byAnswer, runs(host.Options{}, afterAnswer(wt.Unreachable), "trapped: unreachable", nil)},
		{"two answers", "Answers well, and then again with an error", "`respond` counts once: the second call gets errno 7", runs(host.Options{}, func() []byte {
			p := wt.NewPlugin()
			second := marshal(&pb.Response{Type: &pb.Response_Init{Init: &pb.InitComplete{Error: "second"}}})
			p.Data(2048, second)
			// The status is 0 if the second call gets the errno.
			return p.Handled(p.Respond(goodInit), wt.Drop, p.Host(abi.FuncRespond, 2048, int32(len(second))), wt.I32Const(int32(abi.WrongState)), wt.I32Add)
		}, "", nil)},
		{"an answer before the request", "Answers in `_initialize`", "There is nobody to answer to: errno 7", runs(host.Options{}, func() []byte {
			p := wt.NewPlugin()
			// Traps unless it gets the errno.
			p.Define(abi.ExportInitialize, nil, p.Respond(goodInit), wt.I32Const(int32(abi.WrongState)), wt.I32Add, wt.If(wt.Unreachable))
			return p.Handled(zero)
		}, "returned without an answer", nil)},
		answer("garbage", "Answers with bytes that are no message", []byte("\xff\xff\xff"), "it answered the init request with 3 bytes that are no Response"),
		answer("nothing", "Answers with no bytes", nil, "it answered the init request with an empty Response"),
		answer("half a message", "Answers with a message that is cut", append([]byte("\x1a\x05"), "abc"...), "that are no Response"),
		answer("text that is none", "Answers with an error that is not UTF-8", []byte("\x1a\x04\x0a\x02\xff\xfe"), "invalid UTF-8"),
		answer("another request's answer", "Answers an init with a PlanComplete", marshal(other), "it answered the init request with a PlanComplete"),
		answer("two kinds at once", "Answers with an InitComplete and, in the same bytes, a PlanComplete", append([]byte(goodInit), marshal(other)...), "it answered the init request with a PlanComplete"),
		answer("a log as an answer", "Answers with a Log", marshal(&pb.Response{Type: &pb.Response_Log{Log: &pb.Log{Output: "x"}}}), "it answered the init request with a Log"),
		answer("an upload as an answer", "Answers with the beginning of an upload, so that the client waits for the rest",
			marshal(&pb.Response{Type: &pb.Response_DataUpload{DataUpload: &pb.DataUpload{FileSize: 1 << 60, Chunks: 1 << 30}}}), "it answered the init request with a DataUpload"),
		answer("a piece as an answer", "Answers with a piece of an upload", marshal(&pb.Response{Type: &pb.Response_ChunkPiece{ChunkPiece: &pb.ChunkPiece{}}}), "it answered the init request with a ChunkPiece"),
		{"an answer of 1 GiB", "Answers with all of a memory of 1 GiB, and then with what `last_error` says", "`response_bytes`, which the error names; a smaller answer may follow", runs(host.Options{MemoryBytes: 2 << 30}, func() []byte {
			p := wt.NewPlugin()
			return p.Handled(
				wt.I32Const(1<<30/page), wt.MemoryGrow, wt.Drop,
				p.Host(abi.FuncRespond, 0, 1<<30), wt.Drop,
				// An InitComplete with an error of exactly 77 bytes.
				wt.I32Const(2048), wt.I32Const(0x4d0a4f1a), wt.I32Store(0),
				p.Host(abi.FuncLastError, 2052, 77), wt.Drop, p.Host(abi.FuncRespond, 2048, 4+77))
		}, "the response has 1024 MiB, the limit is 64 MiB (setting response_bytes)", nil)},
		{"module files of 60 MiB", "The echo plugin answers with as much as it may, more than a client takes in one message", "Sent in pieces of 2 MiB, with a checksum", func(t *testing.T, a *arena) {
			s, err := a.open(inTime(t))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			resp, err := s.Do(inTime(t), initWith("on init\npad 60MiB\n"), nil)
			if err != nil || client.ErrorOf(resp) != "" || len(resp.GetInit().GetModuleFiles()) != 60<<20 {
				t.Errorf("%d bytes, %s, %v", len(resp.GetInit().GetModuleFiles()), client.ErrorOf(resp), err)
			}
		}},
		{"no answer to a cancel", "The echo plugin is canceled, and goes on", "`grace_period`, which the error names", ignoredCancel},
	}
}

// goodInit is an InitComplete without content.
const goodInit = "\x1a\x00"

// afterAnswer is a plugin that answers well and then does something else.
func afterAnswer(body []byte) func() []byte {
	return func() []byte {
		p := wt.NewPlugin()
		return p.Handled(p.Respond(goodInit), wt.Drop, body)
	}
}

func ignoredCancel(t *testing.T, a *arena) {
	d := startDaemon(t, host.Options{GracePeriod: briefly}, server.Options{})
	s, err := d.open(inTime(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Do(inTime(t), initWith("on plan\ncancel ignore\nlog info begun\nsleep 1h\n"), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(proto.Clone(plan).(*pb.Request)); err != nil {
		t.Fatal(err)
	}
	if resp, err := s.Recv(); err != nil || resp.GetLog().GetOutput() != "begun" {
		t.Fatalf("%v, %v", resp, err)
	}
	began := time.Now()
	if err := s.Cancel(); err != nil {
		t.Fatal(err)
	}
	resp, err := s.Recv()
	if err != nil || !strings.Contains(client.ErrorOf(resp), "did not answer within 300ms of the end of its programs (setting grace_period)") {
		t.Errorf("%v, %v", resp, err)
	}
	if took := time.Since(began); took > briefly+late {
		t.Errorf("it took %s", took)
	}
	s.Close()
	a.clean(t, d)
}

func ends() []attack {
	trap := func(name, tries string, body ...[]byte) attack {
		return attack{name, tries, "A trap ends the instance, not the host; the next request gets a fresh one", runs(host.Options{}, handling(body...), "trapped", nil)}
	}
	return []attack{
		trap("unreachable", "Executes `unreachable`", wt.Unreachable),
		trap("division by zero", "Divides by 0", zero, zero, []byte{0x6d}, wt.Drop),
		trap("an address beyond memory", "Loads from 2³²-1, with an offset of 2³²-1", wt.I32Const(-1), []byte{0x28, 2}, wt.Leb(1<<32-1), wt.Drop),
		trap("too much to fill", "`memory.fill` over 4 GiB", zero, zero, wt.I32Const(-1), wt.MemoryFill),
		{"a call through an empty table", "Calls an entry of a table that is not there", "A trap ends the instance, not the host; the next request gets a fresh one", runs(host.Options{}, func() []byte {
			p := wt.NewPlugin()
			p.Table(wt.AtLeast(1))
			return p.Handled(zero, zero, zero, []byte{0x11, 0, 0}, wt.Drop, zero) // type 0 takes two numbers and gives one
		}, "trapped", nil)},
		{"an exit that is well", "Exits with 0 and without an answer", "An exit ends the instance, not the host", runs(host.Options{}, func() []byte {
			p := wt.NewPlugin()
			return p.Handled(p.Host("proc_exit", 0), zero)
		}, "exited with code 0", nil)},
		{"an exit as if interrupted", "Exits with the codes that the WebAssembly runtime has for a cancel and for a deadline", "The host asks its own clock, not the code", func(t *testing.T, a *arena) {
			for _, code := range []int32{-1, -0x10000001} {
				runs(host.Options{}, func() []byte {
					p := wt.NewPlugin()
					return p.Handled(p.Host("proc_exit", code), zero)
				}, "exited with code", nil)(t, a)
			}
		}},
		{"an exit at once", "Exits in `_initialize`", "An exit ends the instance, not the host", runs(host.Options{}, func() []byte {
			p := wt.NewPlugin()
			p.Define(abi.ExportInitialize, nil, p.Host("proc_exit", 3))
			return p.Handled(zero)
		}, "start an instance of it: exited with code 3", nil)},
		{"a panic of honest code", "The echo plugin panics in a goroutine of its own", "A trap ends the instance, not the host; the next request gets a fresh one", echoes("crash oh no", "trapped")},
		{"an exit of honest code", "The echo plugin exits", "An exit ends the instance, not the host", echoes("exit 3", "exited with code 3")},
		{"descriptors left open", "The echo plugin opens a file 200 times and crashes", "An instance's files are closed with it", func(t *testing.T, a *arena) {
			before := descriptors(t)
			for range 5 {
				a.wantError(t, "write x y\nopen x 200\ntrap", "trapped")
			}
			if !daemontest.Soon(func() bool { return descriptors(t) < before+200 }) {
				t.Errorf("%d descriptors are open, before it were %d", descriptors(t), before)
			}
		}},
		{"programs left running", "Starts three programs with children of their own and returns", "Programs end before the answer is sent: an interrupt, then a kill of the whole group after `exit_timeout`", runs(
			host.Options{ExitTimeout: briefly}, func() []byte {
				m := newModule()
				for range 3 {
					m.start(engine("sh", "trap '' INT; sleep 300 & sleep 301 & wait; sleep 302"))
				}
				return m.report()
			}, "", func(t *testing.T, o outcome) {
				if o.results[2] != 3 {
					t.Errorf("the programs were not started: %d", o.results[:3])
				}
			})},
		{"a daemon of its own", "A program forks twice, with a session and a group of its own, closes its streams and goes on", "A supervisor per program, which its tree can't leave (Linux)", runs(
			host.Options{ExitTimeout: briefly}, func() []byte {
				m := newModule()
				m.start(engine("sh", "setsid sh -c 'setsid sleep 300 </dev/null >/dev/null 2>&1 & sleep 301' </dev/null >/dev/null 2>&1 &"))
				m.call(abi.FuncExecWait, 1, outAt, 100)
				return m.report()
			}, "", func(t *testing.T, o outcome) {
				if o.results[0] != 1 || o.results[1] <= 0 {
					t.Errorf("the program did not run: %d", o.results[:2])
				}
			})},
		{"a crash while programs run", "Starts programs and traps", "Programs end with their request, however it ends", runs(
			host.Options{ExitTimeout: briefly}, func() []byte {
				m := newModule()
				m.start(engine("sh", "trap '' INT; sleep 300 & sleep 301"))
				m.body = append(m.body, wt.Unreachable...)
				return m.report()
			}, "trapped", nil)},
		{"files left behind", "The echo plugin leaves 2,000 files, in directories without permissions", "The session's directories are removed with it, and repaired for that where they must be", echoes("files a/b 1000\nfiles c 1000\nrun terraform sh \"chmod 0 a/b a c\"", "")},
	}
}
