package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/plugins/echo/internal/script"
	"github.com/provisor/provisor/sdk-guest"
)

const (
	// scriptName is the script's place in the template.
	scriptName = "echo.txt"
	// stateDir keeps, below the work directory, how many requests of each kind there were: memory may not last.
	stateDir = ".echo"
)

// performance is what a script does for one request.
type performance struct {
	ctx      context.Context
	request  string
	req      proto.Message
	complete proto.Message

	// What steps set for those that follow.
	onCancel string
	env      []string
	dir      string
	stdin    string
	hasStdin bool

	// What is held until the request ends.
	memory [][]byte
	files  []*os.File

	// answered says that nothing is left to be answered, and status what provisor_handle is to return.
	answered bool
	status   int32
}

// errDone ends a script before its last step.
var errDone = errors.New("the script is done")

// perform does what the script says. What goes wrong is the Complete's error, with the line.
func (p *performance) perform() {
	defer p.release()
	steps, err := p.load()
	if err != nil {
		setError(p.complete, err.Error())
		return
	}
	for _, step := range steps {
		err := actions[step.Name](p, step)
		if errors.Is(err, errDone) {
			return
		}
		if p.stopped() {
			if p.onCancel != "succeed" {
				setError(p.complete, fmt.Sprintf("%s:%d: %s: canceled", scriptName, step.Line, step.Name))
			}
			return
		}
		if err != nil {
			setError(p.complete, fmt.Sprintf("%s:%d: %s: %v", scriptName, step.Line, step.Name, err))
			return
		}
	}
}

// stopped reports whether a cancel ends the script.
func (p *performance) stopped() bool { return p.onCancel != "ignore" && p.ctx.Err() != nil }

func (p *performance) release() {
	for _, f := range p.files {
		f.Close()
	}
	p.files, p.memory = nil, nil
}

// load returns the steps for this request; none where the template has no script.
func (p *performance) load() ([]script.Step, error) {
	text, err := os.ReadFile(p.path(scriptName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the script: %w", err)
	}
	s, err := script.Parse(scriptName, text)
	if err != nil {
		return nil, err
	}
	number, err := p.count()
	if err != nil {
		return nil, fmt.Errorf("count the session's %s requests: %w", p.request, err)
	}
	return s.Find(p.request, number), nil
}

// count returns which of the session's requests of its kind this is, from 1.
func (p *performance) count() (int, error) {
	name := p.path(filepath.Join(stateDir, p.request))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return 0, err
	}
	b, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	n++
	return n, os.WriteFile(name, []byte(strconv.Itoa(n)+"\n"), 0o600)
}

// path is the place of a file of the script's.
func (p *performance) path(name string) string {
	return filepath.Join(guest.WorkDir(), filepath.FromSlash(name))
}
