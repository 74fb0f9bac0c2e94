package abi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
)

func section(id byte, content ...[]byte) []byte {
	all := slices.Concat(content...)
	return slices.Concat([]byte{id}, binary.AppendUvarint(nil, uint64(len(all))), all)
}

func custom(name, payload string) []byte {
	return section(0, binary.AppendUvarint(nil, uint64(len(name))), []byte(name), []byte(payload))
}

func module(sections ...[]byte) []byte {
	return append(slices.Clone(header), slices.Concat(sections...)...)
}

func TestCustomSection(t *testing.T) {
	types := section(1, []byte{0})
	for name, test := range map[string]struct {
		module []byte
		want   string
		found  bool
	}{
		"an empty module":    {module(), "", false},
		"another section":    {module(types, custom("name", "x")), "", false},
		"at the end":         {module(types, custom("m", "payload")), "payload", true},
		"at the start":       {module(custom("m", "payload"), types), "payload", true},
		"empty":              {module(custom("m", "")), "", true},
		"no name":            {module(section(0)), "", false},
		"a name cut short":   {module(section(0, []byte{9, 'm'})), "", false},
		"a longer name":      {module(custom("mm", "x")), "", false},
		"inside another one": {module(section(11, custom("m", "x"))), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			payload, found, err := CustomSection(test.module, "m")
			if err != nil || found != test.found || string(payload) != test.want {
				t.Errorf("got %q, %v, %v", payload, found, err)
			}
		})
	}
}

func TestBrokenModules(t *testing.T) {
	for name, test := range map[string]struct {
		module []byte
		want   string
	}{
		"nothing":          {nil, ErrNotWasm.Error()},
		"half a header":    {header[:6], ErrNotWasm.Error()},
		"another version":  {[]byte("\x00asm\x0d\x00\x01\x00"), ErrNotWasm.Error()},
		"an id alone":      {module([]byte{1}), "the section at byte 8 is cut short"},
		"a size cut short": {module([]byte{1, 0x80}), "the section at byte 8 is cut short"},
		"an endless size":  {module([]byte{1}, bytes.Repeat([]byte{0x80}, 12)), "the section at byte 8 is cut short"},
		"a huge size":      {module([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1}), "the section at byte 8 is cut short"},
		"a second one cut": {module(custom("a", ""), []byte{0, 5, 1}), "the section at byte 12 is cut short"},
		"the same twice":   {module(custom("m", "a"), custom("m", "b")), `two custom sections are named "m"`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, found, err := CustomSection(test.module, "m"); err == nil || found || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v", found, err)
			}
			if _, err := WithCustomSection(test.module, "m", nil); err == nil && !strings.Contains(test.want, "two custom") {
				t.Error("a section was added")
			}
		})
	}
	if _, _, err := CustomSection([]byte("x"), "m"); !errors.Is(err, ErrNotWasm) {
		t.Errorf("got %v", err)
	}
}

func TestWithCustomSection(t *testing.T) {
	types := section(1, []byte{0})
	for name, before := range map[string][]byte{
		"there is none": module(types),
		"there is one":  module(custom("m", "old"), types),
		"there are two": module(custom("m", "old"), types, custom("m", "older")),
	} {
		t.Run(name, func(t *testing.T) {
			kept := slices.Clone(before)
			got, err := WithCustomSection(before, "m", []byte("new"))
			if err != nil {
				t.Fatal(err)
			}
			if want := module(types, custom("m", "new")); !bytes.Equal(got, want) {
				t.Errorf("got  %x\nwant %x", got, want)
			}
			if !bytes.Equal(before, kept) {
				t.Error("the module that was given has changed")
			}
		})
	}
}

func FuzzCustomSection(f *testing.F) {
	f.Add(module(custom("m", "payload"), section(1, []byte{0})), []byte("x"))
	f.Add(module([]byte{0, 0xff, 0xff, 0xff, 0xff, 0x0f}), []byte{})
	f.Add([]byte("\x00asm"), []byte{})
	f.Fuzz(func(t *testing.T, m, payload []byte) {
		_, _, readErr := CustomSection(m, "m")
		with, err := WithCustomSection(m, "m", payload)
		if err != nil {
			if readErr == nil {
				t.Fatalf("it can be read, but nothing added: %v", err)
			}
			return
		}
		got, found, err := CustomSection(with, "m")
		if err != nil || !found || !bytes.Equal(got, payload) {
			t.Fatalf("what was added is not there: %x, %v, %v", got, found, err)
		}
		if again, err := WithCustomSection(with, "m", payload); err != nil || !bytes.Equal(again, with) {
			t.Fatalf("adding it again changes the module: %v", err)
		}
	})
}
