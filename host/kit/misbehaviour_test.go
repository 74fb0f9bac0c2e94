package kit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/provisor/provisor/host/internal/wasmtest"
)

// outcomes runs the named cases and returns those that did not pass, as "failed answers" with the text.
func outcomes(t *testing.T, o Options, names ...string) (got []string, text string) {
	t.Helper()
	o.CacheDir = sharedCache(t)
	o.Run = func(c Case) bool { return slices.Contains(names, c.Name) }
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Results) != len(names) {
		t.Errorf("%d results for %d cases", len(report.Results), len(names))
	}
	for _, r := range report.Results {
		if r.Outcome != Passed {
			got = append(got, string(r.Outcome)+" "+r.Name)
			text += r.Text + "\n"
		}
	}
	return got, text
}

// TestMisbehavingScripts has the echo plugin misbehave.
func TestMisbehavingScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a plugin")
	}
	for _, test := range []struct {
		name, script string
		cases        string
		want         []string
		text         string
		timeout      time.Duration
	}{
		{"answers twice", "on plan\nrespond\nrespond", "answers respond-once order", []string{"failed respond-once"}, "this request has had its response", 0},
		{"does not answer", "on graph\nreturn 0", "module answers respond-once", []string{"failed answers", "failed respond-once"}, "without an answer", 0},
		{"answers another request", "on parse\nrespond {\"graph\": {}}", "answers", []string{"failed answers"}, "parse request with a GraphComplete", 0},
		{"traps", "on apply\ntrap", "answers order", []string{"failed answers", "failed order"}, "trapped", 0},
		{"traps the second time", "on parse 2\ntrap", "answers order", []string{"failed order"}, "trapped", 0},
		{"fails at what it must do", "on plan\nerror no", "answers", []string{"failed answers"}, "plan failed: no", 0},
		{"never ends", "on parse\nspin", "answers", []string{"failed answers"}, "ran longer than", 3 * time.Second},
		{"ignores a cancel", "on plan\ncancel ignore\nsleep 2s", "answers cancel/plan", []string{"failed cancel/plan"}, lateAnswer, 0},
		{"ignores a deadline", "on plan\nrun terraform version\ncancel ignore\nsleep 4s", "answers deadline", []string{"failed deadline"}, lateAnswer, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			template := t.TempDir()
			if err := os.WriteFile(filepath.Join(template, "echo.txt"), []byte(test.script+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			o := Options{
				Plugin: filepath.FromSlash("../../plugins/echo"), Template: template, RequestTimeout: test.timeout,
				// Far less than those sleep who ignore that they are to end.
				GracePeriod: 200 * time.Millisecond,
			}
			got, text := outcomes(t, o, strings.Fields(test.cases)...)
			if diff := cmp.Diff(test.want, got); diff != "" || !strings.Contains(text, test.text) {
				t.Errorf("%s\n%s\nwant %q", diff, text, test.text)
			}
		})
	}
}

// TestMisbehavingModules tries plugins that are wrong in what a script can't be wrong in.
func TestMisbehavingModules(t *testing.T) {
	archives := []string{"archive/garbage", "archive/cut-short", "archive/outside", "archive/empty"}
	for _, test := range []struct {
		name   string
		module []byte
		cases  []string
		want   []string
		text   string
	}{
		{"takes any archive", careless(nil), append(archives, "answers", "respond-once", "order", "unknown-fields", "fresh-instance", "memory"),
			[]string{"failed archive/garbage", "failed archive/cut-short", "failed archive/outside"}, "init succeeded"},
		{"takes small requests only", careless(nil), []string{"large/archive", "large/values", "cancel/plan", "log-level"},
			[]string{"failed large/archive", "failed large/values"}, "provisor_alloc"},
		{"refuses unknown fields", careless(refuseUnknown), []string{"answers", "unknown-fields"}, []string{"failed unknown-fields"}, "the host had to answer"},
		{"keeps what it needs in memory", forgetful(), []string{"answers", "fresh-instance"}, []string{"failed fresh-instance"}, "the host had to answer"},
		{"logs at no level", careless(logWrongly), []string{"answers", "respond-once"}, []string{"failed respond-once"}, "refused log: there is no log level 9"},
		{"fails where it is canceled", careless(failCanceled), []string{"answers", "cancel/init", "cancel/parse", "cancel/plan", "cancel/apply", "cancel/graph"},
			[]string{"failed cancel/init", "failed cancel/parse", "failed cancel/plan", "failed cancel/apply", "failed cancel/graph"}, "canceled, the host had to answer"},
		{"is no plugin", new(wasmtest.Module).Bytes(), []string{"module", "answers"}, []string{"failed module", "skipped answers"}, "lacks the export provisor_handle"},
		{"can't be led to a plan", unwilling(), []string{"cancel/init", "cancel/plan"}, []string{"skipped cancel/plan"}, "give it a template"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "plugin.wasm")
			if err := os.WriteFile(file, test.module, 0o600); err != nil {
				t.Fatal(err)
			}
			got, text := outcomes(t, Options{Plugin: file}, test.cases...)
			if diff := cmp.Diff(test.want, got); diff != "" || !strings.Contains(text, test.text) {
				t.Errorf("%s\n%s\nwant %q", diff, text, test.text)
			}
		})
	}
}

// respondAlike responds with an empty Complete: the first byte of a Request is that of the Response to it.
func respondAlike(p *wasmtest.Plugin) []byte {
	const at = 1024
	return slices.Concat(
		wasmtest.I32Const(at), wasmtest.LocalGet(0), wasmtest.I32Load(0), wasmtest.I32Store(0),
		wasmtest.I32Const(at+1), wasmtest.I32Const(0), wasmtest.I32Store(0),
		p.Host("respond", at, 2),
	)
}

// careless is a plugin that answers every request with an empty Complete, after what first does.
func careless(first func(*wasmtest.Plugin) []byte) []byte {
	p := wasmtest.NewPlugin()
	var before []byte
	if first != nil {
		before = first(p)
	}
	return p.Handled(before, respondAlike(p))
}

// refuseUnknown returns 1 if the request ends like the field that the kit adds.
func refuseUnknown(*wasmtest.Plugin) []byte {
	const end = 'w'<<24 | 'e'<<16 | 'n'<<8 | 3
	return slices.Concat(
		wasmtest.LocalGet(0), wasmtest.LocalGet(1), wasmtest.I32Add, wasmtest.I32Const(4), wasmtest.I32Sub, wasmtest.I32Load(0),
		wasmtest.I32Const(end), wasmtest.I32Sub, wasmtest.I32Eqz, wasmtest.If(wasmtest.I32Const(1), wasmtest.Return),
	)
}

// failCanceled returns 1 if the request is canceled before the plugin has begun.
func failCanceled(p *wasmtest.Plugin) []byte {
	return slices.Concat(p.Host("canceled"), wasmtest.If(wasmtest.I32Const(1), wasmtest.Return))
}

func logWrongly(p *wasmtest.Plugin) []byte {
	return slices.Concat(p.Host("log", 9, 0, 0), wasmtest.Drop)
}

// isInit leaves whether the request is an init, by its tag.
func isInit() []byte {
	const tag = 3<<3 | 2
	// Shifted to the left (i32.shl), nothing but the first byte is left of the four.
	shift := []byte{0x41, 24, 0x74}
	return slices.Concat(wasmtest.LocalGet(0), wasmtest.I32Load(0), shift, wasmtest.I32Const(tag<<24), wasmtest.I32Sub, wasmtest.I32Eqz)
}

// forgetful is a plugin that answers only in the instance that has had the init.
func forgetful() []byte {
	p := wasmtest.NewPlugin()
	initialized := p.Global(0)
	return p.Handled(
		isInit(), wasmtest.If(wasmtest.I32Const(1), wasmtest.GlobalSet(initialized)),
		wasmtest.GlobalGet(initialized), wasmtest.I32Eqz, wasmtest.If(wasmtest.I32Const(1), wasmtest.Return),
		respondAlike(p),
	)
}

// unwilling is a plugin that answers every request with an InitComplete with an error.
func unwilling() []byte {
	p := wasmtest.NewPlugin()
	return p.Handled(p.Respond(fmt.Sprintf("\x1a\x04\x0a\x02%s", "no")))
}
