package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/provisor/provisor/plugins/echo/internal/script"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest"
)

func (p *performance) sleep(s script.Step) error {
	if p.onCancel == "ignore" {
		// The host may end a sleep when the request is canceled.
		for until := time.Now().Add(s.Duration); time.Now().Before(until); {
			time.Sleep(time.Until(until))
		}
		return nil
	}
	t := time.NewTimer(s.Duration)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

// busy computes, and looks at the clock and for a cancel now and then.
func (p *performance) busy(s script.Step) error {
	for until := time.Now().Add(s.Duration); time.Now().Before(until); {
		compute(1 << 20)
		if p.stopped() {
			return p.ctx.Err()
		}
	}
	return nil
}

// sink keeps the compiler from leaving out what is computed for nothing.
var sink uint64

func compute(rounds int) {
	x := sink | 1
	for range rounds {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	sink = x
}

// takeMemory allocates in pieces, since one large piece may not be had where many are, and writes to each page.
func (p *performance) takeMemory(s script.Step) error {
	const piece, page = 1 << 20, 4 << 10
	for left := s.Number; left > 0; left -= piece {
		b := make([]byte, min(left, piece))
		for i := 0; i < len(b); i += page {
			b[i] = 1
		}
		p.memory = append(p.memory, b)
	}
	return nil
}

func (p *performance) write(s script.Step) error {
	return p.writeWith(s.Path, os.O_TRUNC, s.Text)
}

func (p *performance) append(s script.Step) error {
	return p.writeWith(s.Path, os.O_APPEND, s.Text)
}

func (p *performance) writeWith(name string, flag int, text string) error {
	f, err := p.create(name, flag)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func (p *performance) create(name string, flag int) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(p.path(name)), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(p.path(name), os.O_WRONLY|os.O_CREATE|flag, 0o600)
}

func (p *performance) fill(s script.Step) error {
	f, err := p.create(s.Path, os.O_TRUNC)
	if err != nil {
		return err
	}
	piece := []byte(strings.Repeat(".", 64<<10))
	for left := s.Number; left > 0 && !p.stopped(); left -= int64(len(piece)) {
		if _, err := f.Write(piece[:min(left, int64(len(piece)))]); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}

func (p *performance) makeFiles(s script.Step) error {
	for i := range s.Number {
		if p.stopped() {
			return p.ctx.Err()
		}
		f, err := p.create(fmt.Sprintf("%s/%d", s.Path, i), os.O_TRUNC)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (p *performance) open(s script.Step) error {
	for range s.Number {
		if p.stopped() {
			return p.ctx.Err()
		}
		f, err := os.Open(p.path(s.Path))
		if err != nil {
			return err
		}
		p.files = append(p.files, f)
	}
	return nil
}

func (p *performance) read(s script.Step) error {
	b, err := os.ReadFile(p.path(s.Path))
	if err == nil {
		guest.Info(string(b))
	}
	return err
}

func (p *performance) chmod(s script.Step) error {
	if err := guest.Chmod(p.path(s.Path), fs.FileMode(s.Number)); err != nil {
		return err
	}
	mode, err := guest.Mode(p.path(s.Path))
	if err == nil && mode != fs.FileMode(s.Number) {
		err = fmt.Errorf("the mode is %#o afterwards", mode)
	}
	return err
}

func (p *performance) run(s script.Step) error {
	stdout, stderr := guest.NewLogWriter(pb.LogLevel_INFO), guest.NewLogWriter(pb.LogLevel_WARN)
	c := guest.Command(p.ctx, s.Words[0], s.Words[1:]...)
	c.Env, c.Dir, c.Stdout, c.Stderr = p.env, p.dir, stdout, stderr
	if p.hasStdin {
		c.Stdin = strings.NewReader(p.stdin)
	}
	err := c.Run()
	stdout.Close()
	stderr.Close()
	return err
}

func (p *performance) restore(s script.Step) error {
	found, err := guest.CacheRestore(s.Text)
	if err == nil {
		guest.Info(fmt.Sprintf("restored %q: %t", s.Text, found))
	}
	return err
}
