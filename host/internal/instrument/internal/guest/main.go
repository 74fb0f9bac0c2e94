//go:build wasip1

// Command guest is a module whose exported functions do what programs do: decode, compress, hash, search, sort, allocate,
// switch goroutines. The tests of instrument compare what they return before and after.
package main

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

func main() {}

var input []byte

// reserve makes room for the input and returns where.
//
//go:wasmexport reserve
func reserve(n int32) int32 {
	input = make([]byte, n)
	return int32(uintptr(unsafe.Pointer(unsafe.SliceData(input))))
}

// decode decodes the input as JSON into the shape of a plan, and returns a checksum of what it found.
//
//go:wasmexport decode
func decode() int64 {
	var plan struct {
		Resources []struct {
			Address string
			Mode    string
			Type    string
			Change  struct {
				Actions []string
				Before  any
				After   map[string]any
			}
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal(input, &plan); err != nil {
		return -1
	}
	h := fnv.New64a()
	for _, r := range plan.Resources {
		fmt.Fprint(h, r.Address, r.Mode, r.Type, r.Change.Actions, len(r.Change.After))
	}
	return int64(h.Sum64() >> 1)
}

// work runs one of the jobs on some generated data, and returns a checksum. It returns -1 for a job that it does not know.
//
//go:wasmexport work
func work(job, size int32) int64 {
	jobs := []func([]byte) []byte{compress, hash, search, sortLines, floats, goroutines, recurse, allocate}
	if int(job) >= len(jobs) {
		return -1
	}
	sum := sha256.Sum256(jobs[job](text(int(size))))
	return int64(binary.LittleEndian.Uint64(sum[:]) >> 1)
}

func text(n int) []byte {
	var b bytes.Buffer
	for i := uint32(1); b.Len() < n; i = i*1664525 + 1013904223 {
		fmt.Fprintf(&b, "line %d %x %q\n", i%1000, i, strings.Repeat("z", int(i%7)))
	}
	return b.Bytes()
}

func compress(data []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.DefaultCompression)
	w.Write(data)
	w.Close()
	back, err := io.ReadAll(flate.NewReader(bytes.NewReader(b.Bytes())))
	if err != nil || !bytes.Equal(back, data) {
		return nil
	}
	return b.Bytes()
}

func hash(data []byte) []byte {
	sum := sha256.Sum256(data)
	return sum[:]
}

func search(data []byte) []byte {
	return bytes.Join(regexp.MustCompile(`line (\d+) [0-9a-f]*7f .z+.`).FindAll(data, -1), []byte{0})
}

func sortLines(data []byte) []byte {
	lines := bytes.Split(data, []byte{'\n'})
	slices.SortFunc(lines, bytes.Compare)
	return bytes.Join(lines, []byte{'\n'})
}

func floats(data []byte) []byte {
	x := 1.0
	for _, c := range data {
		x = math.Sqrt(x*float64(c)+1) / math.Log(x+2)
	}
	return strconv.AppendFloat(nil, x, 'g', -1, 64)
}

func goroutines(data []byte) []byte {
	in, out := make(chan byte), make(chan uint64)
	for range 10 {
		go func() {
			var sum uint64
			for c := range in {
				sum += uint64(c) * uint64(c)
			}
			out <- sum
		}()
	}
	for _, c := range data[:min(len(data), 5000)] {
		in <- c
	}
	close(in)
	var sum uint64
	for range 10 {
		sum += <-out
	}
	return binary.LittleEndian.AppendUint64(nil, sum)
}

func recurse(data []byte) []byte {
	var depth func(n int) int
	depth = func(n int) int {
		if n == 0 {
			return 0
		}
		return depth(n-1) + int(data[n%len(data)])
	}
	return strconv.AppendInt(nil, int64(depth(len(data)/10)), 10)
}

func allocate(data []byte) []byte {
	type node struct {
		left, right *node
		word        string
	}
	var root *node
	count := 0
	for word := range bytes.FieldsSeq(data) {
		at := &root
		for *at != nil {
			switch c := strings.Compare(string(word), (*at).word); {
			case c < 0:
				at = &(*at).left
			case c > 0:
				at = &(*at).right
			default:
				at = nil
			}
			if at == nil {
				break
			}
		}
		if at != nil {
			*at = &node{word: string(word)}
			count++
		}
	}
	return strconv.AppendInt(nil, int64(count), 10)
}
