package config

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/provisor/provisor/proto/guestpb"
)

// The limits that are not the plugin's to know, and the one whose name is another one here: messages call it so.
const (
	exitTimeout    = "exit_timeout"
	gracePeriod    = "grace_period"
	requestTimeout = "request_timeout"
)

// limitNames are the names that a limits block may have: those that messages name.
func limitNames() []string {
	list := []string{exitTimeout, gracePeriod}
	fields := (&guestpb.Limits{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		list = append(list, limitName(fields.Get(i)))
	}
	return list
}

func limitName(f protoreflect.FieldDescriptor) string {
	if f.Name() == "request_millis" {
		return requestTimeout
	}
	return string(f.Name())
}

// The limits that only hold for all, or not for plugins: a plugin is compiled once for all sessions, and how a session ends is not the plugin's.
var (
	notTenants = []string{"module_bytes", "compile_millis", "compile_bytes"}
	notPlugins = append([]string{exitTimeout, gracePeriod}, notTenants...)
)

// limits reads a block of limits, in which those must not be.
func (r *reader) limits(shape *limitsShape, not []string) Limits {
	l := Limits{Limits: &guestpb.Limits{}}
	if shape == nil {
		return l
	}
	fields := l.ProtoReflect().Descriptor().Fields()
	for name, a := range shape.Limits {
		if slices.Contains(not, name) {
			r.problems = append(r.problems, problemAt(a.NameRange, "%s can't be set here: set it for all, in the limits block outside of tenants and plugins", name))
			continue
		}
		value, diags := a.Expr.Value(nil)
		if diags.HasErrors() {
			r.problems = append(r.problems, ofDiagnostics(diags)...)
			continue
		}
		text, err := convert.Convert(value, cty.String)
		if err != nil || text.IsNull() || !text.IsKnown() {
			r.problems = append(r.problems, problemAt(a.Expr.Range(), "%s: want a number, or a text with a unit", name))
			continue
		}
		switch name {
		case exitTimeout, gracePeriod:
			if d := r.limit(a.Expr.Range(), name, text.AsString(), true); name == exitTimeout {
				l.ExitTimeout = time.Duration(d) * time.Millisecond
			} else {
				l.GracePeriod = time.Duration(d) * time.Millisecond
			}
		}
		for i := range fields.Len() {
			if f := fields.Get(i); limitName(f) == name {
				n := r.limit(a.Expr.Range(), name, text.AsString(), strings.HasSuffix(string(f.Name()), "_millis"))
				l.ProtoReflect().Set(f, protoreflect.ValueOfUint64(n))
			}
		}
	}
	return l
}

// limit is a number above 0, or a number of milliseconds. What is wrong is noted.
func (r *reader) limit(at hcl.Range, name, text string, isTime bool) uint64 {
	if isTime {
		d, err := time.ParseDuration(text)
		if err != nil || d < time.Millisecond {
			r.problems = append(r.problems, problemAt(at, "%s is %q: want a duration such as \"90s\" or \"5m\"", name, text))
			return 0
		}
		return uint64(d.Milliseconds())
	}
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 || n > math.MaxInt64 {
		r.problems = append(r.problems, problemAt(at, "%s is %q: want a number above 0, with a unit such as \"64MiB\" or without", name, text))
		return 0
	}
	return n
}
