package script

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// parseParam takes one parameter off the line.
func (p *parser) parseParam(step *Step, kind Kind, request string) (err error) {
	switch kind {
	case Level:
		step.Level, err = parseLevel(p.word())
	case Path:
		if step.Path, err = p.string(); err == nil && !filepath.IsLocal(step.Path) {
			err = fmt.Errorf("the path %q is not below the work directory", step.Path)
		}
	case Mode:
		step.Number, err = strconv.ParseInt(p.word(), 8, 10)
		if err != nil || step.Number < 0 || step.Number > 0o777 {
			err = errors.New("the mode is not an octal number up to 777")
		}
	case Size:
		step.Number, err = parseSize(p.word())
	case Count:
		step.Number, err = parseNumber(p.word(), 0, 1<<31-1)
	case Status:
		step.Number, err = parseNumber(p.word(), math.MinInt32, math.MaxInt32)
	case Duration:
		if step.Duration, err = time.ParseDuration(p.word()); err == nil && step.Duration < 0 {
			err = errors.New("the duration is negative")
		}
	case OnCancel:
		if step.Text = p.word(); !contains([]string{"fail", "succeed", "ignore"}, step.Text) {
			err = fmt.Errorf("%q is none of fail, succeed, ignore", step.Text)
		}
	case Variable:
		if step.Text, err = p.string(); err == nil && strings.Index(step.Text, "=") < 1 {
			err = fmt.Errorf("%q is no variable", step.Text)
		}
	case Text:
		step.Text, err = p.restOfLine()
	case Words:
		for p.text != "" && err == nil {
			var word string
			word, err = p.string()
			step.Words = append(step.Words, word)
		}
	case JSON, JSONOpt:
		if p.text == "" {
			return nil
		}
		return p.parseJSON(step, request)
	}
	return err
}

// string takes a word or a quoted string off the line.
func (p *parser) string() (string, error) {
	if !strings.HasPrefix(p.text, `"`) && !strings.HasPrefix(p.text, "`") {
		return p.word(), nil
	}
	quoted, err := strconv.QuotedPrefix(p.text)
	if err != nil {
		return "", errors.New("the quoted string is invalid")
	}
	after := p.text[len(quoted):]
	if after != "" && strings.TrimSpace(after[:1]) != "" {
		return "", fmt.Errorf("a space is missing after %s", quoted)
	}
	p.text = strings.TrimSpace(after)
	return strconv.Unquote(quoted)
}

// restOfLine takes all of the line, as it is or as one quoted string.
func (p *parser) restOfLine() (string, error) {
	if strings.HasPrefix(p.text, `"`) || strings.HasPrefix(p.text, "`") {
		return p.string()
	}
	text := p.text
	p.text = ""
	return text, nil
}

func parseLevel(s string) (pb.LogLevel, error) {
	level, ok := pb.LogLevel_value[strings.ToUpper(s)]
	if !ok {
		return 0, fmt.Errorf("there is no level %q", s)
	}
	return pb.LogLevel(level), nil
}

func parseNumber(s string, from, to int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < from || n > to {
		return 0, fmt.Errorf("%q is not a number from %d to %d", s, from, to)
	}
	return n, nil
}

func parseSize(s string) (int64, error) {
	const most = 1 << 40
	digits, unit := s, int64(1)
	for suffix, u := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if d, ok := strings.CutSuffix(s, suffix); ok {
			digits, unit = d, u
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > most/unit {
		return 0, fmt.Errorf("%q is not a size like 100, 64KiB or 5MiB, up to 1024GiB", s)
	}
	return n * unit, nil
}

// parseJSON takes a message as protobuf JSON: the Complete of the request, or a Response.
func (p *parser) parseJSON(step *Step, request string) error {
	from := p.line
	b, err := p.takeJSON()
	if err != nil {
		return err
	}
	var m proto.Message = new(pb.Response)
	if step.Name == "complete" {
		m = NewComplete(request)
	}
	if err := protojson.Unmarshal(b, m); err != nil {
		return p.locate(err, from)
	}
	step.JSON = b
	return nil
}

// protojsonError takes an error of package protojson apart, which says a line of the message. Its space is not always one.
var protojsonError = regexp.MustCompile(`^proto:[\s\x{a0}]*(?:syntax error )?\(line (\d+):\d+\):[\s\x{a0}]*(.*)$`)

// locate gives an error of package protojson the line of the script.
func (p *parser) locate(err error, from int) error {
	text, line := err.Error(), from
	if m := protojsonError.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1])
		line, text = from+n-1, m[2]
	}
	p.line = line
	return p.failf("%s", text)
}

// NewComplete returns an empty Complete of a request.
func NewComplete(request string) proto.Message {
	switch request {
	case "init":
		return new(pb.InitComplete)
	case "parse":
		return new(pb.ParseComplete)
	case "plan":
		return new(pb.PlanComplete)
	case "apply":
		return new(pb.ApplyComplete)
	}
	return new(pb.GraphComplete)
}
