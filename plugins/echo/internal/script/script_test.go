package script

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

func TestParse(t *testing.T) {
	got, err := Parse("echo.txt", []byte(`# a comment
on plan
	log info  hello, "world"
	log ERROR "two\nlines"   
	complete {
	  "plan": "aGk=",
	  "dailyCost": 3
	}
	run terraform "a b" -json`+" `c`\r\n"+`	sleep 1m30s
	write sub/file.txt "x"
	pad 5MiB
	return -1
	respond
	respond {"graph": {}}
	cancel ignore
	chmod "run me.sh" 755
	env "A=b=c d"

on plan 2
on init
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Script{Sections: []Section{
		{Line: 2, Request: "plan", Steps: []Step{
			{Line: 3, Name: "log", Level: pb.LogLevel_INFO, Text: `hello, "world"`},
			{Line: 4, Name: "log", Level: pb.LogLevel_ERROR, Text: "two\nlines"},
			{Line: 5, Name: "complete", JSON: []byte("{\n\t  \"plan\": \"aGk=\",\n\t  \"dailyCost\": 3\n\t}")},
			{Line: 9, Name: "run", Words: []string{"terraform", "a b", "-json", "c"}},
			{Line: 10, Name: "sleep", Duration: 90 * time.Second},
			{Line: 11, Name: "write", Path: "sub/file.txt", Text: "x"},
			{Line: 12, Name: "pad", Number: 5 << 20},
			{Line: 13, Name: "return", Number: -1},
			{Line: 14, Name: "respond"},
			{Line: 15, Name: "respond", JSON: []byte(`{"graph": {}}`)},
			{Line: 16, Name: "cancel", Text: "ignore"},
			{Line: 17, Name: "chmod", Path: "run me.sh", Number: 0o755},
			{Line: 18, Name: "env", Text: "A=b=c d"},
		}},
		{Line: 20, Request: "plan", Number: 2},
		{Line: 21, Request: "init"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("script (-want +got):\n%s", diff)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"log info x":                                    `echo.txt:1: the step "log" belongs under a line like "on plan"`,
		"on plan\n\nlgo info x":                         `echo.txt:3: there is no step "lgo"`,
		"on plan\nlogs info x":                          `echo.txt:2: there is no step "logs"; is it "log LEVEL TEXT"?`,
		"on":                                            `echo.txt:1: on "": want one of init, parse, plan, apply, graph`,
		"on destroy":                                    `echo.txt:1: on "destroy": want one of`,
		"on plan 0":                                     `echo.txt:1: on plan 0: want which of`,
		"on plan x y":                                   `echo.txt:1: on plan x y: want which of`,
		"on plan\non plan 1\non plan":                   `echo.txt:3: the same section begins in line 1 already`,
		"on plan\nlog":                                  `echo.txt:2: log: the LEVEL is missing: want log LEVEL TEXT`,
		"on plan\nlog info":                             `echo.txt:2: log: the TEXT is missing: want log LEVEL TEXT`,
		"on plan\nlog loud x":                           `echo.txt:2: log: there is no level "loud": want log LEVEL TEXT`,
		"on plan\nlog info \"x":                         `echo.txt:2: log: the quoted string is invalid`,
		"on plan\nlog info \"x\"y":                      `echo.txt:2: log: a space is missing after "x"`,
		"on plan\nlog info \"x\" y":                     `echo.txt:2: log: too much: "y"`,
		"on plan\nspin 3":                               `echo.txt:2: spin: too much: "3": want spin`,
		"on plan\nsleep 3":                              `echo.txt:2: sleep: time: missing unit in duration "3": want sleep DURATION`,
		"on plan\nsleep -3s":                            `echo.txt:2: sleep: the duration is negative`,
		"on plan\npad 5MB":                              `echo.txt:2: pad: "5MB" is not a size like`,
		"on plan\npad 999999999999GiB":                  `echo.txt:2: pad: "999999999999GiB" is not a size like`,
		"on plan\npad -1":                               `echo.txt:2: pad: "-1" is not a size like`,
		"on plan\nwrite ../x y":                         `echo.txt:2: write: the path "../x" is not below the work directory`,
		"on plan\nchmod x 888":                          `echo.txt:2: chmod: the mode is not an octal number`,
		"on plan\ncancel maybe":                         `echo.txt:2: cancel: "maybe" is none of fail, succeed, ignore`,
		"on plan\nenv =x":                               `echo.txt:2: env: "=x" is no variable`,
		"on plan\ncomplete {\n\"plan\": 1\n}":           `echo.txt:3: invalid value for bytes field plan: 1`,
		"on plan\ncomplete {\n\n\"none\": 1}":           `echo.txt:4: unknown field "none"`,
		"on plan\ncomplete {\n\n\"a\": b}":              `echo.txt:4: invalid character 'b'`,
		"on plan\ncomplete {\n\n":                       `echo.txt:2: the JSON does not end`,
		"on plan\ncomplete":                             `echo.txt:2: complete: the JSON is missing`,
		"on plan\ncomplete {} {}":                       `echo.txt:2: complete: too much: "{}"`,
		"on plan\nrespond {\n}\n{}":                     `echo.txt:4: there is no step "{}"`,
		"on plan\nrespond {\"complete\": {}}":           `echo.txt:2: unknown field "complete"`,
		"on plan\ncomplete [\n]\nlog info x":            `echo.txt:2: `,
		"on plan\nlog info \xff":                        `echo.txt:1: the script is not UTF-8`,
		"on plan\nflood info 9999999999999 x":           `echo.txt:2: flood: "9999999999999" is not a number`,
		"on plan\n" + strings.Repeat("trap\n", 100_001): `echo.txt:100002: there are more than 100000 steps`,
		strings.Repeat("\n", maxBytes+1):                `echo.txt:1: the script has 16777217 bytes`,
	} {
		_, err := Parse("echo.txt", []byte(text))
		if err == nil || !strings.HasPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), want) {
			t.Errorf("Parse(%.60q)\n got %v\nwant %s", text, err, want)
		}
	}
}

func TestFind(t *testing.T) {
	s, err := Parse("echo.txt", []byte("on plan 2\nlog info second\non plan\nlog info other\non apply 1\nlog info first"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		request string
		number  int
		want    string
	}{{"plan", 1, "other"}, {"plan", 2, "second"}, {"plan", 3, "other"}, {"apply", 1, "first"}, {"apply", 2, ""}, {"graph", 1, ""}} {
		got := ""
		if steps := s.Find(c.request, c.number); len(steps) > 0 {
			got = steps[0].Text
		}
		if got != c.want {
			t.Errorf("Find(%s, %d) = %q, want %q", c.request, c.number, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range Steps {
		f.Add([]byte("on plan 3\n" + s.String()))
	}
	f.Add([]byte("on plan\ncomplete {\n\"plan\": \"\"\n}\nlog info \"x\"\n# c\non init"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse("echo.txt", b)
		if err == nil {
			for _, section := range s.Sections {
				s.Find(section.Request, section.Number)
			}
			return
		}
		var located *Error
		if !errors.As(err, &located) || located.Line < 1 || located.Line > strings.Count(string(b), "\n")+1 {
			t.Fatalf("error %v", err)
		}
	})
}
