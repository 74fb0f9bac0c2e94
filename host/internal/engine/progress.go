package engine

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progressEvery is how often a person is told that a build goes on.
const progressEvery = 10 * time.Second

// progress tells a person how far a build is. Every use ends with stop.
type progress struct {
	w     io.Writer
	what  string
	about int // how many packages there are; 0 = not known
	began time.Time

	mu       sync.Mutex
	modules  int
	packages int

	stopped chan struct{}
	ended   sync.WaitGroup
}

func newProgress(w io.Writer, what string, about int) *progress {
	p := &progress{w: w, what: what, about: about, began: time.Now(), stopped: make(chan struct{})}
	p.ended.Go(p.tick)
	return p
}

// seen takes a line of the Go command's standard error.
func (p *progress) seen(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		p.modules++
	case line != "" && !strings.Contains(line, " "):
		p.packages++ // `go build -v` names each package that it compiles
	}
}

func (p *progress) tick() {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		select {
		case <-p.stopped:
			return
		case <-ticker.C:
			fmt.Fprintln(p.w, p.status())
		}
	}
}

func (p *progress) status() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.what + ": "
	if p.modules > 0 {
		s += fmt.Sprintf("%d modules downloaded, ", p.modules)
	}
	switch {
	case p.packages > 0 && p.about > p.packages:
		s += fmt.Sprintf("%d of about %d packages compiled, ", p.packages, p.about)
	case p.packages > 0:
		s += fmt.Sprintf("%d packages compiled, ", p.packages)
	}
	return s + p.elapsed()
}

func (p *progress) stop() {
	close(p.stopped)
	p.ended.Wait()
}

func (p *progress) elapsed() string { return time.Since(p.began).Round(time.Second).String() }
