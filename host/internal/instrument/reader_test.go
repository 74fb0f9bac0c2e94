package instrument

import (
	"math"
	"testing"
)

func TestSigned(t *testing.T) {
	for _, v := range []int64{0, 1, -1, 63, 64, -64, -65, 127, 128, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64} {
		r := &reader{data: appendS64(nil, v)}
		if got := r.signed(64); got != v || r.err != nil || r.more() {
			t.Errorf("%d in 64 bits: read %d, %v", v, got, r.err)
		}
		r = &reader{data: appendS64(nil, v)}
		fits := v >= math.MinInt32 && v <= math.MaxInt32
		if got := r.signed(32); fits != (r.err == nil) || fits && got != v {
			t.Errorf("%d in 32 bits: read %d, %v", v, got, r.err)
		}
	}
}

func TestNumbers(t *testing.T) {
	tests := []struct {
		data   string
		u32    uint32
		u32OK  bool
		s33    int64
		s33OK  bool
		s32OK  bool
		s64OK  bool
		length int
	}{
		{"\x00", 0, true, 0, true, true, true, 1},
		{"\x80\x00", 0, true, 0, true, true, true, 2},
		{"\xff\xff\xff\xff\x0f", math.MaxUint32, true, math.MaxUint32, true, false, true, 5},
		{"\xff\xff\xff\xff\x7f", 0, false, -1, true, true, true, 5},
		{"\xff\xff\xff\xff\x1f", 0, false, 0, false, false, true, 5},
		{"\xff\xff\xff\xff\xff\x00", 0, false, 0, false, false, true, 6},
		{"\xff\xff", 0, false, 0, false, false, false, 2},
		{"", 0, false, 0, false, false, false, 0},
	}
	for _, tt := range tests {
		r := &reader{data: []byte(tt.data)}
		if got := r.u32(); got != tt.u32 || (r.err == nil) != tt.u32OK {
			t.Errorf("u32 of %x: %d, %v", tt.data, got, r.err)
		}
		r = &reader{data: []byte(tt.data)}
		if got := r.signed(33); got != tt.s33 || (r.err == nil) != tt.s33OK {
			t.Errorf("s33 of %x: %d, %v", tt.data, got, r.err)
		}
		r = &reader{data: []byte(tt.data)}
		if r.signed(32); (r.err == nil) != tt.s32OK {
			t.Errorf("s32 of %x: %v", tt.data, r.err)
		}
		r = &reader{data: []byte(tt.data)}
		if r.signed(64); (r.err == nil) != tt.s64OK {
			t.Errorf("s64 of %x: %v", tt.data, r.err)
		}
	}
}
