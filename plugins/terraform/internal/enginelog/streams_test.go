package enginelog

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestLines(t *testing.T) {
	for _, c := range []struct {
		name           string
		line           string
		stdout, stderr []string
	}{
		{"text", "Acquiring state lock.", []string{"INFO|Acquiring state lock."}, []string{"ERROR|Acquiring state lock."}},
		{"text stays as it is", "  a\tb ", []string{"INFO|  a\tb "}, []string{"ERROR|  a\tb "}},
		{"empty", "", nil, nil},
		{"blank", " \t\r", nil, nil},
		{"the end of a line on Windows", "a\r", []string{"INFO|a"}, []string{"ERROR|a"}},
		{"no UTF-8", "a\xffb", []string{"INFO|a\uFFFDb"}, []string{"ERROR|a\uFFFDb"}},
		{"JSON, but no object", `["a"]`, []string{`INFO|["a"]`}, []string{`ERROR|["a"]`}},
		{"cut JSON", `{"@level":"warn","@mess`, []string{`INFO|{"@level":"warn","@mess`}, []string{`ERROR|{"@level":"warn","@mess`}},
		{"trace", `{"@level":"trace","@message":"m"}`, []string{"TRACE|m"}, nil},
		{"debug", `{"@level":"debug","@message":"m"}`, []string{"DEBUG|m"}, []string{"DEBUG|m"}},
		{"info", `{"@level":"info","@message":"m"}`, []string{"INFO|m"}, []string{"DEBUG|m"}},
		{"warn", `{"@level":"warn","@message":"m"}`, []string{"WARN|m"}, []string{"WARN|m"}},
		{"warning", `{"@level":"warning","@message":"m"}`, []string{"WARN|m"}, []string{"WARN|m"}},
		{"error", `{"@level":"error","@message":"m"}`, []string{"ERROR|m"}, []string{"ERROR|m"}},
		{"any case", `{"@level":"ErRoR","@message":"m"}`, []string{"ERROR|m"}, []string{"ERROR|m"}},
		{"several lines are one log", `{"@level":"warn","@message":"a\n\nb"}`, []string{"WARN|a\n\nb"}, []string{"WARN|a\n\nb"}},
		{"indented", ` {"@level":"warn","@message":"m"} `, []string{"WARN|m"}, []string{"WARN|m"}},
		{"unknown level", `{"@level":"fatal","@message":"m"}`,
			[]string{"WARN|unable to convert log level fatal", "INFO|m"}, []string{"WARN|unable to convert log level fatal", "DEBUG|m"}},
		{"no level", `{"@message":"m"}`,
			[]string{"WARN|unable to convert log level ", "INFO|m"}, []string{"WARN|unable to convert log level ", "DEBUG|m"}},
		{"an object of someone else", `{"a":1}`,
			[]string{"WARN|unable to convert log level ", `INFO|{"a":1}`}, []string{`ERROR|{"a":1}`}},
		{"a member of another type", `{"@level":"warn","hook":"x","diagnostic":[],"@message":"m"}`, []string{"WARN|m"}, []string{"WARN|m"}},
		{"no message", `{"@level":"warn"}`, []string{"WARN|"}, []string{"WARN|"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.stdout, logsOf(t, Stdout, c.line+"\n")); diff != "" {
				t.Errorf("standard output (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.stderr, logsOf(t, newStderr, c.line+"\n")); diff != "" {
				t.Errorf("standard error (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.stdout, logsOf(t, Stdout, c.line)); diff != "" {
				t.Errorf("without the line's end (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDiagnostics(t *testing.T) {
	const at = `"range":{"filename":"main.tf","start":{"line":7}}`
	for _, c := range []struct {
		name, diagnostic string
		want             []string
	}{
		{"the detail alone", `{"severity":"error","summary":"s","detail":"a\nb"}`, []string{"ERROR|a", "ERROR|b"}},
		{"nothing", `{"severity":"error","summary":"s","detail":""}`, nil},
		{"without source code", `{"severity":"warning","detail":"d",` + at + `}`,
			[]string{"WARN|on main.tf line 7:", "WARN|  (source code not available)", "WARN|", "WARN|d"}},
		{"without context", `{"severity":"error","detail":"d",` + at + `,"snippet":{"context":null,"code":"x = 1","start_line":7}}`,
			[]string{"ERROR|on main.tf line 7:", "ERROR|  7: x = 1", "ERROR|", "ERROR|d"}},
		{"everything", `{"severity":"error","detail":"d",` + at + `,"snippet":{"context":"module \"m\"","code":"x = (\n  y)","start_line":7,
			"values":[{"traversal":"var.b","statement":"is 2"},{"traversal":"var.a","statement":"is \"x\""}]}}`,
			[]string{
				`ERROR|on main.tf line 7, in module "m":`, "ERROR|  7: x = (", "ERROR|  8:   y)",
				"ERROR|    ├────────────────", `ERROR|    │ var.a is "x"`, "ERROR|    │ var.b is 2", "ERROR|", "ERROR|d",
			}},
		{"no detail", `{"severity":"error",` + at + `,"snippet":{"code":"x","start_line":7}}`,
			[]string{"ERROR|on main.tf line 7:", "ERROR|  7: x", "ERROR|"}},
		{"unknown severity", `{"severity":"fatal","detail":"a\nb"}`,
			[]string{"WARN|unable to convert log level fatal", "INFO|a", "INFO|b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			line := `{"@level":"error","@message":"Error: s","diagnostic":` + strings.ReplaceAll(c.diagnostic, "\n", "") + "}\n"
			got := logsOf(t, Stdout, line)
			if diff := cmp.Diff(append([]string{"ERROR|Error: s"}, c.want...), got); diff != "" {
				t.Errorf("logs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHiddenSource(t *testing.T) {
	const line = `{"@level":"error","@message":"m","diagnostic":{"severity":"error","detail":"d",` +
		`"range":{"filename":"secret.json","start":{"line":1}},"snippet":{"code":"hunter2","start_line":1}}}` + "\n"
	hide := func(name string) func(Sink, func(*Event, time.Time)) *Writer {
		return func(s Sink, _ func(*Event, time.Time)) *Writer {
			return Stdout(s, func(e *Event, _ time.Time) { e.HideSource(name) })
		}
	}
	if diff := cmp.Diff([]string{"ERROR|m", "ERROR|d"}, logsOf(t, hide("secret.json"), line)); diff != "" {
		t.Errorf("the source is not hidden (-want +got):\n%s", diff)
	}
	if got := logsOf(t, hide("other.json"), line); len(got) != 5 {
		t.Errorf("another file's source is hidden: %q", got)
	}
}

func TestObserve(t *testing.T) {
	var events []string
	observe := func(e *Event, arrived time.Time) {
		if time.Since(arrived) > time.Minute {
			t.Errorf("arrived %v", arrived)
		}
		events = append(events, fmt.Sprintf("%s|%s|%s|%s|%s|%s|%s|%s", e.Timestamp, e.Level, e.Type, e.MessageCode, e.Hook.Action,
			e.Hook.Address, e.Hook.ImpliedProvider, e.Message))
	}
	w := Stdout(func(pb.LogLevel, string) {}, observe)
	feed(t, w, []byte(`{"@timestamp":"T","@level":"info","type":"apply_start","message_code":"c","hook":{"action":"create",`+
		`"resource":{"addr":"a.b","implied_provider":"p"}},"@message":"m"}`+"\n\ntext\n"), 7)
	if diff := cmp.Diff([]string{"T|info|apply_start|c|create|a.b|p|m", "|||||||text"}, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestLongLines(t *testing.T) {
	long := strings.Repeat("0123456789abcdeä", 3*MaxText/17)
	huge := strings.Repeat("0123456789abcdeä", maxLine/16)
	for _, c := range []struct {
		name, output, want string
		level              pb.LogLevel
	}{
		{"a long message", fmt.Sprintf(`{"@level":"warn","@message":%q}`, long), long, pb.LogLevel_WARN},
		{"long text", long, long, pb.LogLevel_INFO},
		{"text of exactly one log", strings.Repeat("x", MaxText), strings.Repeat("x", MaxText), pb.LogLevel_INFO},
		{"text over the line limit", huge, huge, pb.LogLevel_INFO},
		{"JSON over the line limit", `{"@message":"` + huge + `"}`, `{"@message":"` + huge + `"}`, pb.LogLevel_INFO},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got strings.Builder
			after := false
			sink := func(level pb.LogLevel, text string) {
				if text == "after" {
					after = true
					return
				}
				if level != c.level || len(text) > MaxText || !utf8.ValidString(text) || text == "" {
					t.Errorf("a log of %d bytes at %s", len(text), level)
				}
				got.WriteString(text)
			}
			feed(t, Stdout(sink, nil), []byte(c.output+"\nafter\n"), 32<<10)
			if got.String() != c.want || !after {
				t.Errorf("%d bytes of %d came, the next line: %v", got.Len(), len(c.want), after)
			}
		})
	}
}

// A line that is over every limit needs no more memory than one at the limit.
func TestMemoryIsBounded(t *testing.T) {
	total := 0
	w := Stdout(func(_ pb.LogLevel, text string) { total += len(text) }, nil)
	piece := bytes.Repeat([]byte("x"), 1<<20)
	const pieces = 100
	for range pieces {
		_, _ = w.Write(piece)
		if cap(w.partial) > 3*maxLine {
			t.Fatalf("the writer holds %d bytes", cap(w.partial))
		}
	}
	_ = w.Close()
	if total != pieces*len(piece) {
		t.Errorf("%d bytes came of %d", total, pieces*len(piece))
	}
}

func logsOf(t testing.TB, newWriter func(Sink, func(*Event, time.Time)) *Writer, output string) []string {
	t.Helper()
	var logs []string
	sink := func(level pb.LogLevel, text string) { logs = append(logs, level.String()+"|"+text) }
	feed(t, newWriter(sink, nil), []byte(output), 10)
	return logs
}

func newStderr(s Sink, _ func(*Event, time.Time)) *Writer { return Stderr(s) }

// FuzzLines gives arbitrary output in arbitrary pieces. Whatever it is, every log can be sent, and the size of the pieces
// changes nothing.
func FuzzLines(f *testing.F) {
	f.Add([]byte("text\n{\"@level\":\"info\",\"@message\":\"m\"}\n\xff\r\n"), 3)
	f.Add([]byte(`{"@level":"x","@message":"m","diagnostic":{"severity":"error","detail":"d","range":{},"snippet":{"values":[{}]}}}`), 1)
	f.Add([]byte(`{"hook":{"resource":[]}}`), 100)
	f.Fuzz(func(t *testing.T, output []byte, n int) {
		if n < 1 {
			n = 1
		}
		for _, newWriter := range []func(Sink, func(*Event, time.Time)) *Writer{Stdout, newStderr} {
			run := func(n int) (logs []string) {
				sink := func(level pb.LogLevel, text string) {
					if !utf8.ValidString(text) || len(text) > MaxText {
						t.Errorf("a log that can't be sent: %q", text)
					}
					logs = append(logs, level.String()+"|"+text)
				}
				feed(t, newWriter(sink, nil), output, n)
				return logs
			}
			if diff := cmp.Diff(run(len(output)+1), run(n)); diff != "" {
				t.Errorf("in pieces of %d (-whole +pieces):\n%s", n, diff)
			}
		}
	})
}

func BenchmarkStdout(b *testing.B) {
	line := []byte(`{"@level":"info","@message":"terraform_data.a: Creation complete after 0s [id=0930c881]","@module":"terraform.ui",` +
		`"@timestamp":"2026-11-24T02:24:55.113590Z","hook":{"resource":{"addr":"terraform_data.a","module":"","resource":"terraform_data.a",` +
		`"implied_provider":"terraform","resource_type":"terraform_data","resource_name":"a","resource_key":null},"action":"create",` +
		`"id_key":"id","id_value":"0930c881","elapsed_seconds":0},"type":"apply_complete"}` + "\n")
	output := bytes.Repeat(line, 1000)
	b.SetBytes(int64(len(output)))
	for b.Loop() {
		w := Stdout(func(pb.LogLevel, string) {}, nil)
		_, _ = w.Write(output)
	}
}
