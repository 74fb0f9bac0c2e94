package supervisor

import (
	"bytes"
	"reflect"
	"testing"
	"time"
)

func messages() []*message {
	return []*message{
		{Spec: Spec{Limits: []Limit{}}, Run: Run{Args: []string{}, Env: []string{}, Filters: [][]byte{}}},
		{
			Spec: Spec{
				Keep: &Keep{Work: "/w", Dir: "/d", Files: []string{"a"}}, Victim: 500, First: true,
				Root:     &Root{Mounts: []Mount{{Kind: Bind, Source: "/usr", Target: "/usr", NoExec: true, Size: 1 << 40}}},
				Limits:   []Limit{{Resource: 1, Max: 1<<64 - 1}},
				Landlock: &Landlock{Files: 1, Rules: []Rule{{Path: "/", Access: 2}}},
			},
			Run: Run{
				Path: "/bin/sh", Args: []string{"sh", "-c", ""}, Env: []string{"A=ü\n"}, Dir: "/", ExitTimeout: -time.Second, Drains: 2, Try: true,
				Filters: [][]byte{{0, 255}, {}},
			},
		},
	}
}

// message has all that the daemon tells a supervisor.
type message struct {
	Spec Spec
	Run  Run
}

// A message is read as it was written; one that is cut or too long is none.
func TestWire(t *testing.T) {
	for _, want := range messages() {
		var wire bytes.Buffer
		if err := Write(&wire, want); err != nil {
			t.Fatal(err)
		}
		whole := wire.Bytes()
		got := &message{}
		if err := Read(&wire, got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
		for n := range len(whole) {
			if Read(bytes.NewReader(whole[:n]), &message{}) == nil {
				t.Errorf("%d of %d bytes are a message", n, len(whole))
			}
		}
		for _, size := range []int{len(whole) - 5, len(whole) - 3} {
			other := append(append([]byte{0, 0, byte(size >> 8), byte(size)}, whole[4:]...), 0)
			if Read(bytes.NewReader(other), &message{}) == nil {
				t.Errorf("%d bytes of %d are a message", size, len(whole)-4)
			}
		}
	}
}

// FuzzWire reads what need not be a message. What is one stays so.
func FuzzWire(f *testing.F) {
	for _, m := range messages() {
		var wire bytes.Buffer
		if err := Write(&wire, m); err != nil {
			f.Fatal(err)
		}
		f.Add(wire.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first, again := &message{}, &message{}
		if Read(bytes.NewReader(b), first) != nil {
			return
		}
		var wire bytes.Buffer
		if err := Write(&wire, first); err != nil {
			t.Fatal(err)
		}
		if err := Read(&wire, again); err != nil || !reflect.DeepEqual(first, again) {
			t.Errorf("%+v became %+v: %v", first, again, err)
		}
	})
}
