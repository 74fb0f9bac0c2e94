// Package report shows a person what a session does: each step with its time, the engine's messages, the changes that
// are planned, and the resources in the end.
package report

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Printer writes for a person. Its methods may be called from several goroutines.
type Printer struct {
	mu     sync.Mutex
	out    io.Writer
	color  bool
	live   bool
	step   string
	since  time.Time
	ticker chan struct{}
	done   chan struct{}
}

// New returns a printer for the file. Colors, and a line that counts the seconds of the running step, are for
// terminals alone; NO_COLOR (no-color.org) is honored.
func New(out *os.File) *Printer {
	terminal := term.IsTerminal(int(out.Fd())) && os.Getenv("TERM") != "dumb"
	return &Printer{out: out, live: terminal, color: terminal && os.Getenv("NO_COLOR") == ""}
}

// NewPlain returns a printer without colors for any writer.
func NewPlain(out io.Writer) *Printer { return &Printer{out: out} }

func (p *Printer) paint(s string, colors ...text.Color) string {
	if !p.color {
		return s
	}
	return text.Colors(colors).EscapeSeq() + s + text.Reset.EscapeSeq()
}

// Line writes one line above the running step's.
func (p *Printer) Line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	fmt.Fprintf(p.out, format+"\n", args...)
	p.draw()
}

// Beside returns a writer of whole lines to w, which may be the same terminal.
func (p *Printer) Beside(w io.Writer) io.Writer { return beside{p, w} }

type beside struct {
	*Printer
	w io.Writer
}

// Write implements io.Writer.
func (b beside) Write(lines []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
	defer b.draw()
	return b.w.Write(lines)
}

// Start begins a step; Done ends it.
func (p *Printer) Start(step string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.step, p.since = step, time.Now()
	if !p.live {
		fmt.Fprintf(p.out, "%s ...\n", step)
		return
	}
	p.ticker, p.done = make(chan struct{}), make(chan struct{})
	go p.tick(p.ticker, p.done)
	p.draw()
}

// Done ends the running step, with the error that it ended in, if any.
func (p *Printer) Done(failure string) {
	p.mu.Lock()
	ticker, done := p.ticker, p.done
	p.ticker, p.done = nil, nil
	p.mu.Unlock()
	if ticker != nil {
		close(ticker)
		<-done
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	took := seconds(time.Since(p.since))
	if failure == "" {
		fmt.Fprintf(p.out, "%s %s %s\n", p.paint("✓", text.FgGreen), p.step, p.paint(took, text.Faint))
	} else {
		fmt.Fprintf(p.out, "%s %s %s\n", p.paint("✗", text.FgRed), p.step, p.paint(took, text.Faint))
		for _, line := range strings.Split(strings.TrimRight(failure, "\n"), "\n") {
			fmt.Fprintf(p.out, "  %s\n", p.paint(printable(line), text.FgRed))
		}
	}
	p.step = ""
}

func (p *Printer) tick(stop, done chan struct{}) {
	defer close(done)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			p.mu.Lock()
			p.erase()
			p.draw()
			p.mu.Unlock()
		}
	}
}

func (p *Printer) erase() {
	if p.live && p.step != "" {
		io.WriteString(p.out, "\r\x1b[K")
	}
}

func (p *Printer) draw() {
	if p.live && p.step != "" {
		fmt.Fprintf(p.out, "%s %s", p.paint("•", text.FgCyan), p.step+" "+p.paint(seconds(time.Since(p.since)), text.Faint))
	}
}

// Log writes one of the session's log messages, indented below its step.
func (p *Printer) Log(l *pb.Log) {
	var colors []text.Color
	mark := " "
	switch l.Level {
	case pb.LogLevel_TRACE, pb.LogLevel_DEBUG:
		colors = []text.Color{text.Faint}
	case pb.LogLevel_WARN:
		mark, colors = "!", []text.Color{text.FgYellow}
	case pb.LogLevel_ERROR:
		mark, colors = "x", []text.Color{text.FgRed}
	}
	for _, line := range strings.Split(l.Output, "\n") {
		p.Line("%s", p.paint(strings.TrimRight(mark+" "+printable(line), " "), colors...))
	}
}

// printable takes out of a line what could drive the terminal: a template's author decides what it says.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return r
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, line)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
