package values_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/values"
)

func parse(text string) values.Object { return values.Parse("a.b", []byte(text)) }

func TestString(t *testing.T) {
	for text, want := range map[string]string{
		`"x"`: "x", `""`: "", `null`: "", `5`: "5", `5.0`: "5.0", `1e3`: "1e3", `9007199254740993`: "9007199254740993", `true`: "true", `"\u0000é"`: "\x00é",
	} {
		o := parse(`{"v":` + text + `}`)
		if got := o.String("v"); got != want || o.Err() != nil {
			t.Errorf("%s: got %q, %v; want %q", text, got, o.Err(), want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]int64{
		`0`: 0, `5`: 5, `-5`: -5, `5.0`: 5, `5.9`: 5, `-5.9`: -5, `1e3`: 1000, `"7"`: 7, `" 7.5 "`: 7, `""`: 0, `null`: 0,
		`9007199254740993`: 9007199254740993, `9223372036854775807`: math.MaxInt64, `9223372036854775808`: math.MaxInt64,
		`-9223372036854775809`: math.MinInt64, `1e400`: math.MaxInt64, `-1e400`: math.MinInt64, `1e-400`: 0,
	} {
		o := parse(`{"v":` + text + `}`)
		if got := o.Int64("v"); got != want || o.Err() != nil {
			t.Errorf("%s: got %d, %v; want %d", text, got, o.Err(), want)
		}
		if got, want := o.Int32("v"), values.Cap(want); got != want {
			t.Errorf("%s: got int32 %d, want %d", text, got, want)
		}
	}
	if values.Cap(math.MaxInt64) != math.MaxInt32 || values.Cap(math.MinInt64) != math.MinInt32 || values.Cap(-3) != -3 {
		t.Error("numbers are not cut off at the range of an int32")
	}
}

func TestBool(t *testing.T) {
	for text, want := range map[string]bool{`true`: true, `false`: false, `null`: false, `"true"`: true, `"false"`: false, `""`: false, `1`: true, `0`: false} {
		o := parse(`{"v":` + text + `}`)
		if got := o.Bool("v"); got != want || o.Err() != nil {
			t.Errorf("%s: got %v, %v; want %v", text, got, o.Err(), want)
		}
	}
}

func TestBlocks(t *testing.T) {
	o := parse(`{"list":[{"a":"1"},null,{"a":"3","inner":[{"b":"4"}]}],"one":{"a":"5"},"empty":[],"null":null}`)
	var got []string
	for _, name := range []string{"list", "one", "empty", "null", "absent"} {
		for _, b := range o.Blocks(name) {
			got = append(got, name+b.String("a"))
		}
	}
	if diff := cmp.Diff([]string{"list1", "list", "list3", "one5"}, got); diff != "" {
		t.Errorf("blocks differ (-want +got):\n%s", diff)
	}
	if b, ok := o.Block("list"); !ok || b.String("a") != "1" {
		t.Errorf("the first block is %v, %v", b, ok)
	}
	if _, ok := o.Block("empty"); ok {
		t.Error("an empty list has a first block")
	}
	if !o.Has("null") || o.Has("absent") {
		t.Error("Has does not tell null from absent")
	}
	if o.Err() != nil {
		t.Error(o.Err())
	}
}

func TestStringMap(t *testing.T) {
	o := parse(`{"m":{"a":"1","b":2,"c":null,"d":true},"empty":{},"null":null}`)
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "2", "c": "", "d": "true"}, o.StringMap("m")); diff != "" {
		t.Errorf("the map differs (-want +got):\n%s", diff)
	}
	if o.StringMap("empty") != nil || o.StringMap("null") != nil || o.StringMap("absent") != nil || o.Err() != nil {
		t.Errorf("empty maps are not nil, or an error: %v", o.Err())
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		text string
		read func(values.Object)
		want string
	}{
		{`[]`, func(o values.Object) {}, "a.b: the values are not a JSON object"},
		{`{"v":{}}`, func(o values.Object) { o.String("v") }, "a.b: attribute v is an object, want a string"},
		{`{"v":"secret"}`, func(o values.Object) { o.Bool("v") }, "a.b: attribute v is another string, want a bool"},
		{`{"v":[]}`, func(o values.Object) { o.Bool("v") }, "a.b: attribute v is a list, want a bool"},
		{`{"v":"secret"}`, func(o values.Object) { o.Int64("v") }, "a.b: attribute v is another string, want a number"},
		{`{"v":"nan"}`, func(o values.Object) { o.Int64("v") }, "a.b: attribute v is another string, want a number"},
		{`{"v":"inf"}`, func(o values.Object) { o.Int32("v") }, "a.b: attribute v is another string, want a number"},
		{`{"v":true}`, func(o values.Object) { o.Int64("v") }, "a.b: attribute v is a bool, want a number"},
		{`{"v":5}`, func(o values.Object) { o.Blocks("v") }, "a.b: attribute v is a number, want a list of objects"},
		{`{"v":[{},"secret"]}`, func(o values.Object) { o.Blocks("v") }, "a.b: attribute v[1] is another string, want an object"},
		{`{"v":[{},{"w":{"x":[]}}]}`, func(o values.Object) { o.Blocks("v")[1].Blocks("w")[0].String("x") }, "a.b: attribute v[1].w.x is a list, want a string"},
		{`{"v":"secret"}`, func(o values.Object) { o.StringMap("v") }, "a.b: attribute v is another string, want a map"},
		{`{"v":{"z":[],"y":[],"x":"1"}}`, func(o values.Object) { o.StringMap("v") }, "a.b: attribute v.y is a list, want a string"},
		{`{"v":[],"w":[]}`, func(o values.Object) { o.String("w"); o.String("v") }, "a.b: attribute w is a list, want a string"},
	}
	for _, test := range tests {
		o := parse(test.text)
		test.read(o)
		if err := o.Err(); err == nil || err.Error() != test.want {
			t.Errorf("%s: got error %v, want %s", test.text, err, test.want)
		}
	}
}

func TestNothing(t *testing.T) {
	for _, o := range []values.Object{{}, values.Parse("a.b", nil), parse(`null`), parse(`{}`)} {
		if o.String("v") != "" || o.Int64("v") != 0 || o.Bool("v") || o.Blocks("v") != nil || o.StringMap("v") != nil || o.Has("v") || o.Err() != nil {
			t.Errorf("nothing has something: %v", o.Err())
		}
	}
}

func FuzzObject(f *testing.F) {
	f.Add([]byte(`{"a":{"a":[{"a":"1e400"},null,5]},"b":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o := values.Parse("a.b", data)
		for _, o := range append(o.Blocks("a"), o) {
			for _, name := range []string{"a", "b"} {
				o.String(name)
				o.Bool(name)
				o.Int32(name)
				o.StringMap(name)
				o.Block(name)
			}
		}
		if err := o.Err(); err != nil && !strings.HasPrefix(err.Error(), "a.b: ") {
			t.Errorf("the error does not name the resource: %v", err)
		}
	})
}
