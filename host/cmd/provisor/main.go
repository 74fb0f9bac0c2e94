// Command provisor turns Terraform templates into infrastructure through WebAssembly plugins.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
)

// The exit codes that scripts can rely on.
const (
	exitOK          = 0
	exitFailed      = 1   // a Complete carries an error, or the work could not be done
	exitUsage       = 2   // wrong usage: nothing was begun
	exitInterrupted = 130 // ended by an interrupt, as shells number it
)

func main() { os.Exit(run(os.Args)) }

// run is main without the process's end, for tests.
func run(args []string) int {
	signals := watchSignals()
	defer signals.stop()
	app := newApp(signals)
	err := app.RunContext(signals.context, flagsFirst(app, args))
	if err == nil {
		return exitOK
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{code: exitFailed, err: err}
	}
	if text := message(err); text != "" {
		fmt.Fprintln(os.Stderr, "provisor:", text)
	}
	return exit.code
}

// message is all that an error has to say, beside what has been said already.
func message(err error) string {
	switch e := err.(type) {
	case nil:
		return ""
	case *exitError:
		return message(e.err)
	case interface{ Unwrap() []error }:
		var lines []string
		for _, err := range e.Unwrap() {
			if text := message(err); text != "" {
				lines = append(lines, text)
			}
		}
		return strings.Join(lines, "\n")
	}
	return err.Error()
}

func newApp(signals *signals) *cli.App {
	app := &cli.App{
		Name:  "provisor",
		Usage: "run Terraform templates through sandboxed WebAssembly plugins",
		Description: "Begin with \"provisor run DIR\" for a template, or with \"provisor plugin new NAME\" for a plugin.\n" +
			"Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.",
		Version:              version(),
		EnableBashCompletion: true,
		HideHelpCommand:      true,
		Suggest:              true,
		Commands:             append(workCommands(signals), graphCommand(signals), serveCommand(signals), configCommand(), reloadCommand(), sessionsCommand(), doctorCommand(), recoverCommand(), mirrorCommand(), pluginCommand()),
		ExitErrHandler:       func(*cli.Context, error) {},
		OnUsageError:         usageError,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("there is no command %q; see provisor --help", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
	}
	for _, command := range app.Commands {
		prepare(command)
		for _, sub := range command.Subcommands {
			prepare(sub)
		}
	}
	return app
}

// prepare gives a command what all have: an error for wrong usage, and help that does not say of each switch that it is off.
func prepare(command *cli.Command) {
	command.OnUsageError = usageError
	if len(command.Subcommands) > 0 {
		command.UsageText = "provisor " + command.Name + " COMMAND [command options]"
	}
	for _, f := range command.Flags {
		if f, ok := f.(*cli.BoolFlag); ok {
			f.DisableDefaultText = true
		}
	}
}

// exitError ends the program with a code; err may be nil where all has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func usageError(c *cli.Context, err error, _ bool) error {
	name := "provisor"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != name {
		name += " " + c.Command.Name
	}
	return usagef("%w\nsee %s --help", err, name)
}

// signals turns the first interrupt into a canceled context, which cancels the running request; the second into kill, which ends it
// without waiting, where that loses nothing; and the third into giveUp, which doesn't wait any more whatever is lost.
type signals struct {
	context context.Context
	cancel  context.CancelFunc
	kill    chan struct{}
	giveUp  chan struct{}
	channel chan os.Signal
	done    chan struct{}
}

func watchSignals() *signals {
	s := &signals{kill: make(chan struct{}), giveUp: make(chan struct{}), channel: make(chan os.Signal, 2), done: make(chan struct{})}
	s.context, s.cancel = context.WithCancel(context.Background())
	signal.Notify(s.channel, os.Interrupt, syscall.SIGTERM)
	// Whoever reads the output may go ("| head"): a write fails then, and does not end the program before the state is kept.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		defer close(s.done)
		for n := 0; ; n++ {
			if _, open := <-s.channel; !open {
				return
			}
			switch n {
			case 0:
				s.cancel()
			case 1:
				close(s.kill)
			case 2:
				close(s.giveUp)
			}
		}
	}()
	return s
}

// withHangup takes the end of the terminal for an interrupt, unless the program was started to outlive it (nohup).
func (s *signals) withHangup() {
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(s.channel, syscall.SIGHUP)
	}
}

func (s *signals) stop() {
	signal.Stop(s.channel)
	close(s.channel)
	<-s.done
	s.cancel()
}

// interrupted says whether a signal, not a timeout, ended the context.
func (s *signals) interrupted() bool { return s.context.Err() != nil }
