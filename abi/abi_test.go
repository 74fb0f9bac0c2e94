package abi

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func specification(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("abi.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The headings of functions: #### `name (first i32, second i32) -> (i64)`.
var heading = regexp.MustCompile("(?m)^#### `([a-z_]+) (\\([a-z0-9_ ,]*\\)) -> (\\([a-z0-9, ]*\\))`$")

func TestEveryFunctionIsSpecified(t *testing.T) {
	_, rest, ok := strings.Cut(specification(t), "\n## What a plugin exports\n")
	exports, imports, ok2 := strings.Cut(rest, "\n## What the host provides\n")
	if !ok || !ok2 {
		t.Fatal("abi.md lacks its two chapters of functions")
	}
	for part, functions := range map[string][]Function{exports: Exports, imports: Imports} {
		var specified []string
		for _, m := range heading.FindAllStringSubmatch(part, -1) {
			// A parameter is its name and its type; a result has no name.
			params := regexp.MustCompile(`[a-z0-9_]+ (i32|i64)`).ReplaceAllString(m[2], "$1")
			specified = append(specified, m[1]+" "+params+" -> "+m[3])
		}
		var declared []string
		for _, f := range functions {
			declared = append(declared, f.String())
		}
		slices.Sort(specified)
		slices.Sort(declared)
		if !slices.Equal(specified, declared) {
			t.Errorf("abi.md specifies\n  %s\nthe constants declare\n  %s", strings.Join(specified, "\n  "), strings.Join(declared, "\n  "))
		}
	}
}

func TestEveryErrnoIsSpecified(t *testing.T) {
	rows := regexp.MustCompile(`(?m)^\| (\d) \| ([a-z ]+) \|`).FindAllStringSubmatch(strings.Split(specification(t), "## What a plugin exports")[0], -1)
	if len(rows) != len(errnoText)-1 {
		t.Errorf("abi.md has %d errnos, the constants %d", len(rows), len(errnoText)-1)
	}
	for _, row := range rows {
		number, err := strconv.Atoi(row[1])
		if err != nil {
			t.Fatal(err)
		}
		// The table has the short names: "io" is spelled out elsewhere.
		text := strings.Replace(row[2], "io", "input/output error", 1)
		if got := Errno(number).Error(); !strings.Contains(got, strings.TrimPrefix(text, "too ")) {
			t.Errorf("errno %d is %q in abi.md and %q in the code", number, row[2], got)
		}
	}
}

// The worked examples of the specification are what the code does.
func TestSpecifiedExamples(t *testing.T) {
	spec := strings.Join(strings.Fields(specification(t)), " ")
	hex := func(v int64) string {
		digits := fmt.Sprintf("%016x", uint64(v))
		return "0x" + digits[:4] + "_" + digits[4:8] + "_" + digits[8:12] + "_" + digits[12:]
	}
	for _, want := range []string{
		fmt.Sprintf("12 bytes of standard output are `%s` = %d", hex(PackRead(Stdout, 12)), PackRead(Stdout, 12)),
		fmt.Sprintf("5 of standard error `%s` = %d", hex(PackRead(Stderr, 5)), PackRead(Stderr, 5)),
		fmt.Sprintf("a timeout is `%s`", hex(PackRead(TimedOut, 0))),
		fmt.Sprintf("version 1.0 is `0x%04x_%04x` = %d", Version>>16, Version&0xffff, Version),
		fmt.Sprintf("as an `i32` `0x%04x_%04x`", uint32(Denied.Result())>>16, uint32(Denied.Result())&0xffff),
		fmt.Sprintf("`%s`", hex(int64(Invalid.Result()))),
		fmt.Sprintf("%d fresh random bytes", ForkSeedSize),
		"`" + HostModule + "`", "`" + ManifestSection + "`", "| 3 | `" + WorkDir + "` |", "| 4 | `" + TmpDir + "` |", "| `" + ExportMemory + "` |",
	} {
		if !strings.Contains(spec, want) {
			t.Errorf("abi.md lacks %q", want)
		}
	}
}

func TestPackRead(t *testing.T) {
	for _, test := range []struct {
		stream Stream
		n      uint32
		want   int64
	}{
		{Ended, 0, 0},
		{Stdout, 1, 1<<32 + 1},
		{Stderr, 5, 2<<32 + 5},
		{TimedOut, 0, 3 << 32},
		{Stdout, 1<<32 - 1, 2<<32 - 1},
	} {
		got := PackRead(test.stream, test.n)
		if got != test.want || got < 0 {
			t.Errorf("PackRead(%d, %d) = %#x, want %#x", test.stream, test.n, got, test.want)
		}
		if stream, n := UnpackRead(got); stream != test.stream || n != test.n {
			t.Errorf("UnpackRead(%#x) = %d, %d", got, stream, n)
		}
	}
}

func TestSplitVersion(t *testing.T) {
	if major, minor := SplitVersion(0x0001_0002); major != 1 || minor != 2 {
		t.Errorf("got %d.%d", major, minor)
	}
	if major, minor := SplitVersion(Version); major != Major || minor != Minor {
		t.Errorf("got %d.%d", major, minor)
	}
}

func TestSignature(t *testing.T) {
	f := Function{Name: "f", Params: []ValueType{I32, I64, 0x7b}, Results: []ValueType{I64}}
	if got, want := f.String(), "f (i32, i64, ?) -> (i64)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestErrno(t *testing.T) {
	seen := map[string]bool{}
	for e := Invalid; e <= TooSmall; e++ {
		text := e.Error()
		if text == "" || strings.HasPrefix(text, "errno") || seen[text] {
			t.Errorf("errno %d has the text %q", e, text)
		}
		seen[text] = true
		if e.Result() != -int32(e) {
			t.Errorf("errno %d has the result %d", e, e.Result())
		}
	}
	for _, e := range []Errno{0, -1, 9, 1 << 30} {
		if got, want := e.Error(), fmt.Sprintf("errno %d", e); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestErrnoOf(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want Errno
	}{
		"no error":   {nil, 0},
		"an errno":   {Denied, Denied},
		"wrapped":    {fmt.Errorf("run it: %w", fmt.Errorf("%w: no", NotFound)), NotFound},
		"joined":     {errors.Join(errors.New("x"), Limit), Limit},
		"without":    {os.ErrPermission, IO},
		"an unknown": {Errno(77), Errno(77)},
	} {
		if got := ErrnoOf(test.err); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}
