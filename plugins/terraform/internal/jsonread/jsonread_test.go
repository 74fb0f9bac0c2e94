package jsonread_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/provisor/provisor/plugins/terraform/internal/jsonread"
)

// read is what the standard library makes of a value: with numbers as they are written.
func read(r *jsonread.Reader) any {
	switch r.Kind() {
	case jsonread.Object:
		object := make(map[string]any)
		r.Object()
		for name, more := r.Member(); more; name, more = r.Member() {
			object[name] = read(r)
		}
		return object
	case jsonread.Array:
		array := []any{}
		r.Array()
		for r.Element() {
			array = append(array, read(r))
		}
		return array
	case jsonread.String:
		return r.Text()
	case jsonread.Number:
		return json.Number(r.Raw())
	case jsonread.True, jsonread.False:
		return string(r.Raw()) == "true"
	}
	r.Skip()
	return nil
}

var texts = []string{
	`{"a":[1,2.50,1e400,-0,null,true,false,"\u00e9\ud800\ud83d\ude00 \"\\\/\b\f\n\r\t"],"b":{"c":{}},"b":[],"\u0061\n":{}}`, " [ 1 , { \"a\" : \n\t[ ] , \"b\" : { } } ]\r\n",
	`1`, `"x"`, `null`, `true`, `-1.5E+3`, "\"\xff é\"", `{"` + "\xc3" + `":1}`,
	``, ` `, `x`, `[`, `{`, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":1,}`, `{,}`, `{1:2}`, `[1,]`, `[,1]`, `[1 2]`, `[1}`, `{"a":1]`, `nul`, `nulL`, `truth`, `{} {}`, "{}\x00",
	`-`, `01`, `1.`, `.5`, `1e`, `1e+`, `+1`, `0x1`, `--1`, `"`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, "\"\n\"", "[\"a\x1f\"]",
}

func compare(t *testing.T, data []byte) {
	t.Helper()
	valid := json.Valid(data)
	skipped, whole := jsonread.New(data), jsonread.New(data)
	skipped.Skip()
	skipped.End()
	if (skipped.Err() == nil) != valid {
		t.Errorf("%q: passed over with the error %v, but the standard library says %v", data, skipped.Err(), valid)
	}
	got := read(whole)
	whole.End()
	if (whole.Err() == nil) != valid {
		t.Errorf("%q: read with the error %v, but the standard library says %v", data, whole.Err(), valid)
	}
	if !valid || t.Failed() {
		return
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var want any
	if err := d.Decode(&want); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("%q: %v, want %v", data, got, want)
	}
	again := jsonread.New(data)
	if raw := again.Raw(); string(raw) != strings.Trim(string(data), " \t\r\n") {
		t.Errorf("%q: as it stands it is %q", data, raw)
	}
}

// TestReader compares with the standard library.
func TestReader(t *testing.T) {
	for _, text := range append(texts,
		strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000), strings.Repeat("[", 10_001)+strings.Repeat("]", 10_001),
		strings.Repeat(`{"a":`, 10_000)+"1"+strings.Repeat("}", 10_000), strings.Repeat(`{"a":`, 10_001)+"1"+strings.Repeat("}", 10_001),
	) {
		compare(t, []byte(text))
	}
	// Strings are read eight bytes at a time, up to what ends that.
	for n := range 20 {
		for _, c := range []string{``, `\"`, `\u00e9`, "\x1f", "\x00", "é", "\xff", `\`} {
			for m := range 10 {
				compare(t, []byte(`"`+strings.Repeat("a", n)+c+strings.Repeat("!", m)+`"`))
			}
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) { compare(t, data) })
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":{"b":[{"c":1}]},"d":tru}`: "byte 28: unexpected '}'",
		`{"a":{"b":[{"c":é}]}}`:         "byte 16: unexpected 'é'",
		`{"a":1`:                        "byte 6: it ends too early",
		`{"a":"x`:                       "byte 7: it ends too early",
		``:                              "byte 0: it ends too early",
		`{"a":1} x`:                     "byte 8: more comes after the end",
		strings.Repeat("[", 20_000):     "byte 10000: more than 10000 levels",
	} {
		r := jsonread.New([]byte(text))
		read(r)
		r.End()
		if got := fmt.Sprint(r.Err()); got != want {
			t.Errorf("%.50s: %s, want %s", text, got, want)
		}
	}
}

// The first error sticks, and nothing more is read.
func TestAfterAnError(t *testing.T) {
	r := jsonread.New([]byte(`{"a":[5,"x"],"b":{}}`))
	r.Object()
	if name, more := r.Member(); name != "a" || !more || !r.Array() || !r.Element() {
		t.Fatal("it can't be read")
	}
	if got := r.Text(); got != "" || r.Err() == nil || r.Path() != "a" {
		t.Errorf("a number as a text: %q, %v, path %q", got, r.Err(), r.Path())
	}
	first := r.Err()
	r.Fail(io.EOF)
	_, more := r.Member()
	if r.Skip(); more || r.Element() || r.Array() || r.Object() || r.Text() != "" || r.Raw() != nil || r.Kind() != jsonread.Invalid || r.Err() != first {
		t.Error("it goes on")
	}
	r.Reset([]byte(`"x"`))
	if got := r.Text(); got != "x" || r.Err() != nil {
		t.Errorf("another text: %q, %v", got, r.Err())
	}
}
