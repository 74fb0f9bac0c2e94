// Package progress tells a person of what takes longer than a moment.
package progress

import (
	"fmt"
	"io"
	"time"
)

// Delay is how long something may take before a person is told of it.
const Delay = time.Second

// Announce writes the text as a line if what follows takes longer than Delay. The function that it returns ends the wait. A nil
// writer is told nothing.
func Announce(w io.Writer, text string) (done func()) {
	if w == nil {
		return func() {}
	}
	finished, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		timer := time.NewTimer(Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
			fmt.Fprintln(w, text)
		case <-finished:
		}
	}()
	return func() {
		close(finished)
		<-told
	}
}
