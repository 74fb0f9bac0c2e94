package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/host/client"
)

// accidents is how often the daemon is killed; of the other accidents there is a share. A soak takes 100.
var accidents = flag.Int("accidents", 6, "kill the daemon so often in an apply")

// accidentEngine is the engine that accidents happen to.
var accidentEngine = flag.String("accident-engine", "terraform", "the engine that accidents happen to: terraform or tofu")

// applyTime is about how long an apply of the witness's template takes, with so many milliseconds for each resource.
const (
	millis    = 60
	applyTime = perChain*millis*time.Millisecond + 400*time.Millisecond
	// atTheEnd is about how long the engine goes on once all is made.
	atTheEnd = 15 * time.Millisecond
)

// tally sums up what accidents did.
type tally struct {
	rounds, delivered, kept, without, emptied, made, lost int
	slowest                                               time.Duration
	// check looks at the resources of a round that are lost; nil = there may be none.
	check func(t *testing.T, lost []string)
}

func (s *tally) String() string {
	return fmt.Sprintf("%d accidents: %d states delivered, %d kept, %d times there was none yet; %d times the engine had emptied its file; "+
		"%d resources made, %d of them in no state; all processes gone within %v", s.rounds, s.delivered, s.kept, s.without, s.emptied, s.made, s.lost, s.slowest.Round(time.Millisecond))
}

// count adds a round: what was made, and the state that was delivered or kept.
func (s *tally) count(t *testing.T, ended []string, delivered, kept []byte) {
	t.Helper()
	s.rounds++
	s.made += len(ended)
	lost := missing(t, ended, delivered, kept)
	s.lost += len(lost)
	switch {
	case s.check != nil:
		s.check(t, lost)
	case len(lost) > 0:
		t.Errorf("%q were made and are in no state", lost)
	}
	switch {
	case len(delivered) > 0:
		s.delivered++
	case len(kept) > 0:
		s.kept++
	default:
		s.without++
	}
	if s.rounds%10 == 0 {
		t.Log(s)
	}
}

// A kill of the daemon at any moment of an apply loses no resource that was made, but for those under way; no process stays, and the
// next start says what it recovered.
func TestDaemonIsKilled(t *testing.T) {
	for _, tt := range []struct {
		name string
		// The kill comes within the time since so many resources were begun and made.
		begun, made int
		within      time.Duration
		// interrupt says that the engine is interrupted as well, in the moment in which it ends: what it has written wholly OpenTofu may empty then.
		interrupt bool
	}{
		{name: "at any moment", begun: 1, within: applyTime},
		{name: "at the end", begun: resources, made: resources, within: atTheEnd},
		{name: "before an interrupt at the end", begun: 1, within: applyTime / 4, interrupt: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWitness(t)
			v := newVictim(t, t.TempDir())
			sum := tally{check: checkUnderWay}
			for range max(2, *accidents/3) {
				s := v.planned(w.template(millis))
				done := v.apply(s)
				w.await(t, tt.begun, tt.made)
				time.Sleep(rand.N(tt.within))
				v.end(os.Kill)
				answer := <-done
				s.Close()
				if pid := v.engine(); tt.interrupt && pid != 0 {
					w.await(t, resources, resources)
					time.Sleep(rand.N(atTheEnd))
					_ = syscall.Kill(pid, syscall.SIGINT) // it may have ended
				}
				sum.slowest = max(sum.slowest, v.awaitNoProcess())
				if v.emptied() {
					sum.emptied++
				}
				v.start()
				v.checkClean()
				log, state := v.logged(), v.takeOne()
				if said := strings.Contains(log, "an apply's state is kept"); said != (state != nil) {
					t.Errorf("the next start said so: %t, and there is a state: %t; log:\n%s", said, state != nil, log)
				}
				sum.count(t, w.reset(), answer.state, state)
			}
			t.Log(&sum)
		})
	}
}

// A kill of the engine loses no more: the last complete state is in the answer, or kept. OpenTofu writes none in the first 20 seconds, and then
// one every 20 seconds, unless it is interrupted: what it had made since the last is lost.
func TestEngineIsKilled(t *testing.T) {
	w := newWitness(t)
	v := newVictim(t, t.TempDir())
	sum := tally{check: checkUnderWay}
	if *accidentEngine == "tofu" {
		sum.check = func(t *testing.T, lost []string) { t.Logf("%d resources are lost", len(lost)) }
	}
	for range max(2, *accidents/5) {
		s := v.planned(w.template(millis))
		done := v.apply(s)
		w.await(t, 1, 0)
		time.Sleep(rand.N(applyTime))
		if pid := v.engine(); pid != 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
		answer := <-done
		if answer.err != nil {
			t.Error(answer.err)
		}
		sum.slowest = max(sum.slowest, v.awaitNoProcess())
		v.confirm(s)
		sum.count(t, w.reset(), answer.state, v.takeOne())
	}
	t.Log(&sum)
}

// confirm ends a session as a client does that has got what it wanted.
func (v *victim) confirm(s *client.Session) {
	v.Helper()
	if err := s.CloseSend(); err != nil {
		v.Error(err)
	}
	for {
		if _, err := s.Recv(); err != nil {
			return
		}
	}
}

// A disk that is full from any moment on loses nothing, whether the state is on it, or the copies as well: what an engine can write nowhere, it
// prints.
func TestDiskFills(t *testing.T) {
	for _, part := range []string{"sessions", ""} {
		t.Run("part "+part, func(t *testing.T) {
			data := t.TempDir()
			disk := filepath.Join(data, part)
			if err := os.MkdirAll(disk, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=6m,mode=0700"); err != nil {
				t.Skip("this user can't mount a small file system:", err)
			}
			t.Cleanup(func() {
				if err := unix.Unmount(disk, 0); err != nil {
					t.Error(err)
				}
			})
			testDiskFills(t, data, disk)
		})
	}
}

func testDiskFills(t *testing.T, data, disk string) {
	w := newWitness(t)
	v := newVictim(t, data)
	t.Cleanup(func() { v.end(os.Kill) }) // before the disk goes
	var sum tally
	for range max(2, *accidents/5) {
		s := v.planned(w.template(millis))
		done := v.apply(s)
		w.await(t, 1, 0)
		time.Sleep(rand.N(applyTime))
		filler := fillDisk(t, disk)
		answer := <-done
		if answer.err != nil {
			t.Error(answer.err)
		}
		v.confirm(s)
		sum.slowest = max(sum.slowest, v.awaitNoProcess())
		if err := os.Remove(filler); err != nil {
			t.Error(err)
		}
		sum.count(t, w.reset(), answer.state, v.takeOne())
	}
	v.end(os.Interrupt)
	v.checkClean()
	t.Log(&sum)
}

// fillDisk fills the disk once.
func fillDisk(t *testing.T, disk string) (filler string) {
	t.Helper()
	f, err := os.CreateTemp(disk, ".filler-")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	return f.Name()
}

// An answer that does not reach its client is kept.
func TestAnswerIsNotDelivered(t *testing.T) {
	for _, tt := range []struct {
		name string
		lose func(*victim, *client.Session)
		// ends is whether the daemon ends with it.
		ends bool
	}{
		{"the stream is lost", func(v *victim, _ *client.Session) { v.client.Close() }, false},
		{"the drain takes too long", func(v *victim, _ *client.Session) { v.end(os.Interrupt) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWitness(t)
			v := newVictim(t, t.TempDir(), "--drain-timeout", "100ms")
			// The apply does not end by itself before that.
			s := v.planned(w.template(millis, 600_000))
			done := v.apply(s)
			w.await(t, 2*chains, chains)
			tt.lose(v, s)
			answer := <-done
			v.awaitNoProcess()
			if !tt.ends {
				v.end(os.Interrupt)
			}
			v.checkClean()
			state := v.takeOne()
			if state == nil {
				t.Errorf("no state is kept; log:\n%s", v.logged())
			}
			if lost := missing(t, w.reset(), answer.state, state); len(lost) > 0 {
				t.Errorf("lost %q", lost)
			}
		})
	}
}

// A client that takes no message of the answer's size does not get it: it is kept.
func TestAnswerIsTooLargeForItsClient(t *testing.T) {
	w := newWitness(t)
	v := newVictim(t, t.TempDir())
	v.client.Close()
	var err error
	if v.client, err = client.Dial("unix:"+v.socket, client.Options{MaxMessage: 400_000}); err != nil {
		t.Fatal(err)
	}
	// What these hold is not known when they are planned.
	s := v.planned(w.template(1) + `resource "fixture_environment" "large" { count = 100 }`)
	answer := <-v.apply(s)
	if answer.err == nil {
		t.Fatalf("the client took an answer of %d bytes", len(answer.state))
	}
	s.Close()
	v.end(os.Interrupt)
	if lost := missing(t, w.reset(), v.takeOne()); len(lost) > 0 {
		t.Errorf("lost %q", lost)
	}
}
