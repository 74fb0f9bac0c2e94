package sandbox

import (
	"errors"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
)

// programs are an instance's handles. A handle is never used twice.
type programs struct {
	limit int
	last  int32
	open  map[int32]Process
}

func (p *programs) add(proc Process) int32 {
	if p.open == nil {
		p.open = map[int32]Process{}
	}
	p.last++
	p.open[p.last] = proc
	return p.last
}

// close ends all programs, side by side: each may take as long as its exit timeout.
func (p *programs) close() error {
	errs := make(chan error, len(p.open))
	var closing sync.WaitGroup
	for _, proc := range p.open {
		closing.Go(func() { errs <- proc.Close() })
	}
	closing.Wait()
	close(errs)
	p.open = nil
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

func (c hostCall) execStart() (int64, error) {
	req := new(guestpb.ExecRequest)
	if err := c.message(0, "ExecRequest", req); err != nil {
		return 0, err
	}
	if c.host.Canceled() || c.ctx.Err() != nil {
		return 0, withErrno(abi.Canceled, "the request was canceled: %s is not started any more", req.GetProgram())
	}
	if len(c.programs.open) >= c.programs.limit {
		return 0, limited(settingOpenPrograms, "%d programs are open, which is the limit (setting %s): close one by exec_close", len(c.programs.open), settingOpenPrograms)
	}
	proc, err := c.host.Start(req)
	if err != nil {
		return 0, err
	}
	return int64(c.programs.add(proc)), nil
}

// process is the one that the first argument is the handle of.
func (c hostCall) process() (Process, error) {
	proc, ok := c.programs.open[c.i32(0)]
	if !ok {
		return nil, invalid("there is no handle %d", c.i32(0))
	}
	return proc, nil
}

func (c hostCall) execRead() (int64, error) {
	proc, err := c.process()
	if err != nil {
		return 0, err
	}
	buf, err := c.bytes(1)
	if err != nil {
		return 0, err
	}
	if len(buf) == 0 {
		return 0, withErrno(abi.TooSmall, "a buffer of 0 bytes holds no output")
	}
	timeout := time.Duration(c.i32(3)) * time.Millisecond
	stream, n, err := proc.Read(c.ctx, buf, timeout)
	if err != nil {
		return 0, c.orEnded(err)
	}
	return abi.PackRead(stream, uint32(n)), nil
}

func (c hostCall) execWrite() (int64, error) {
	proc, err := c.process()
	if err != nil {
		return 0, err
	}
	b, err := c.bytes(1)
	if err != nil {
		return 0, err
	}
	if len(b) == 0 {
		return 0, proc.CloseStdin()
	}
	n, err := proc.Write(b)
	return int64(n), err
}

func (c hostCall) execWait() (int64, error) {
	proc, err := c.process()
	if err != nil {
		return 0, err
	}
	result, err := proc.Wait(c.ctx)
	if err != nil {
		return 0, c.orEnded(err)
	}
	b, err := proto.Marshal(result)
	if err != nil {
		return 0, err
	}
	return c.give(1, b)
}

// orEnded says that the request has ended where that is why a call did not get what it waited for.
func (c hostCall) orEnded(err error) error {
	if c.ctx.Err() != nil {
		return c.errEnded()
	}
	return err
}

func (c hostCall) execSignal() (int64, error) {
	proc, err := c.process()
	if err != nil {
		return 0, err
	}
	switch signal := c.i32(1); signal {
	case abi.SignalInterrupt:
		return 0, proc.Interrupt()
	case abi.SignalKill:
		return 0, proc.Kill("")
	default:
		return 0, invalid("signal %d is neither interrupt (%d) nor kill (%d)", signal, abi.SignalInterrupt, abi.SignalKill)
	}
}

func (c hostCall) execClose() (int64, error) {
	proc, err := c.process()
	if err != nil {
		return 0, err
	}
	delete(c.programs.open, c.i32(0))
	return 0, proc.Close()
}
