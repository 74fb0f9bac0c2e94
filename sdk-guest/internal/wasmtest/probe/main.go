// Command probe is a plugin that does what the workspace's name in a PlanRequest asks for, and answers with what came of it.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/provisor/provisor/abi"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest"
)

func init() { guest.Register(probe{}) }

func main() {}

type probe struct{ guest.Unimplemented }

func (probe) Plan(ctx context.Context, req *pb.PlanRequest) *pb.PlanComplete {
	run, ok := probes[req.GetMetadata().GetWorkspaceName()]
	if !ok {
		return &pb.PlanComplete{Error: "no such probe"}
	}
	out, err := run(ctx, req)
	if err != nil {
		return &pb.PlanComplete{Error: err.Error()}
	}
	return &pb.PlanComplete{Plan: []byte(out)}
}

var probes = map[string]func(context.Context, *pb.PlanRequest) (string, error){
	"panic":   func(context.Context, *pb.PlanRequest) (string, error) { panic("on purpose") },
	"collect": collect,
	"state":   func(_ context.Context, req *pb.PlanRequest) (string, error) { return string(req.GetState()), nil },
	"output":  output,
	"stdin":   stdin,
	"denied":  denied,
	"cancel":  cancel,
	"extract": extract,
	"info": func(context.Context, *pb.PlanRequest) (string, error) {
		return guest.SessionInfo().GetConfig().GetProvisionerLogLevel(), nil
	},
	"timeout": timeout,
}

// collect makes garbage, so that the collector runs while the request is in the host's buffer.
func collect(_ context.Context, req *pb.PlanRequest) (string, error) {
	sum := 0
	for range 200 {
		sum += len(bytes.Repeat([]byte("x"), 1<<20))
	}
	return fmt.Sprint(sum>>20, len(bytes.Trim(req.GetState(), "s"))), nil
}

func output(ctx context.Context, _ *pb.PlanRequest) (string, error) {
	out, err := guest.Command(ctx, "tool", "a", "b").Output()
	var exit *guest.ExitError
	if errors.As(err, &exit) {
		return fmt.Sprintf("%s|%s|%v|%s", out, exit.Stderr, exit, exit.Result.GetKilledBy()), nil
	}
	return string(out), err
}

func stdin(ctx context.Context, req *pb.PlanRequest) (string, error) {
	var out bytes.Buffer
	c := guest.Command(ctx, "tool")
	c.Stdin, c.Stdout = bytes.NewReader(req.GetState()), &out
	err := c.Run()
	return out.String(), err
}

func denied(ctx context.Context, _ *pb.PlanRequest) (string, error) {
	err := guest.Command(ctx, "forbidden").Run()
	return fmt.Sprint(err, errors.Is(err, abi.Denied), errors.Is(err, fs.ErrPermission)), nil
}

// cancel waits in a way that only works if the context notices a cancel by itself.
func cancel(ctx context.Context, _ *pb.PlanRequest) (string, error) {
	guest.Info("waiting")
	inner, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	<-inner.Done()
	return fmt.Sprint(inner.Err(), errors.Is(context.Cause(inner), guest.ErrCanceled)), nil
}

// timeout runs a program under a deadline of the plugin's own.
func timeout(ctx context.Context, _ *pb.PlanRequest) (string, error) {
	ctx, stop := context.WithTimeout(ctx, 300*time.Millisecond)
	defer stop()
	err := guest.Command(ctx, "tool").Run()
	return fmt.Sprint(err, errors.Is(err, context.DeadlineExceeded)), nil
}

func extract(ctx context.Context, req *pb.PlanRequest) (string, error) {
	if err := guest.ExtractArchive(ctx, req.GetState(), guest.ArchiveOptions{}); err != nil {
		return "", err
	}
	var names []string
	err := filepath.WalkDir(guest.WorkDir(), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		names = append(names, fmt.Sprintf("%s=%s", p, b))
		return err
	})
	return strings.Join(names, " "), err
}
