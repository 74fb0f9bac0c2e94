package session

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/provisor/provisor/host/internal/jailfs"
	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/sandbox"
	"github.com/provisor/provisor/host/internal/tenant"
)

// TestModelWithTheEchoPlugin is TestModel with a real plugin in real instances. So that it doesn't take minutes, the sessions that one
// player plays after one another share an instance and its directory: that every session gets its own is for other tests.
func TestModelWithTheEchoPlugin(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	const players = 4
	e := newEcho(t)
	places := make(chan *place, players)
	for range players {
		places <- e.place(t)
	}
	playAll(t, players, func(sequence []symbol) (Options, []byte) {
		p := <-places
		return Options{
			Tenant:    tenant.Default,
			Plugin:    e.Name,
			Directory: func(context.Context) (Directory, error) { return p, nil },
			Instances: p,
			Log:       slog.New(slog.DiscardHandler),
		}, script(t, sequence)
	}, func(o Options) { places <- o.Instances.(*place) })
}

// echo is the echo plugin.
type echo struct{ *plugin.Plugin }

func newEcho(t *testing.T) echo {
	t.Helper()
	ctx, cache := context.Background(), t.TempDir()
	path := filepath.Join(cache, "echo.wasm")
	// What was compiled for other tests serves this one too, where that is possible.
	if dir, err := os.UserCacheDir(); err == nil {
		cache = filepath.Join(dir, "provisor")
	}
	if err := plugin.Build(ctx, filepath.FromSlash("../../../plugins/echo"), plugin.BuildOptions{Out: path, CacheDir: cache}); err != nil {
		t.Fatal(err)
	}
	runtime, err := sandbox.New(ctx, sandbox.Options{CacheDir: filepath.Join(cache, "compiled")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { runtime.Close(ctx) })
	p, err := plugin.Load(ctx, runtime, path)
	if err != nil {
		t.Fatal(err)
	}
	return echo{p}
}

// place is an instance in its directories, for one session after the other.
type place struct {
	work     string
	host     swappedHost
	instance *sandbox.Instance
}

// swappedHost is the host of whichever session is played.
type swappedHost struct{ *Host }

func (e echo) place(t *testing.T) *place {
	t.Helper()
	p := &place{work: t.TempDir()}
	quota := jailfs.NewQuota(jailfs.QuotaLimits{})
	work, err := jailfs.Open(p.work, quota)
	if err != nil {
		t.Fatal(err)
	}
	tmp, err := jailfs.Open(t.TempDir(), quota)
	if err != nil {
		t.Fatal(err)
	}
	p.instance, err = e.Module.Instantiate(t.Context(), sandbox.InstanceConfig{Name: e.Name, Work: work, Tmp: tmp, Host: &p.host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.instance.Close(context.Background())
		work.Close()
		tmp.Close()
	})
	return p
}

// New implements Instances.
func (p *place) New(_ context.Context, _ Directory, h *Host) (Instance, error) {
	p.host.Host = h
	return p, nil
}

// Handle implements Instance.
func (p *place) Handle(ctx context.Context, request []byte) ([]byte, error) {
	return p.instance.Handle(ctx, request)
}

// CPU implements Instance.
func (p *place) CPU() time.Duration { return p.instance.CPU() }

// Close implements Instance. The instance stays for the next session.
func (p *place) Close(context.Context) error { return nil }

// Work implements Directory.
func (p *place) Work() string { return p.work }

// Keep implements Directory.
func (p *place) Keep([]byte) (Keeper, error) { return noKeeper{}, nil }

// TakeLimit implements Directory.
func (p *place) TakeLimit() error { return nil }

// Remove implements Directory: the next session finds it empty.
func (p *place) Remove() error {
	entries, err := os.ReadDir(p.work)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(p.work, e.Name())))
	}
	return err
}

// script is a template that has the echo plugin give each request the outcome that the sequence wants.
func script(t *testing.T, sequence []symbol) []byte {
	var text bytes.Buffer
	number := make(map[string]int)
	for _, s := range sequence {
		request := map[symbol]string{
			symInitOK: "init", symInitFails: "init", symPlanOK: "plan", symPlanFails: "plan", symApplyOK: "apply", symApplyFails: "apply",
		}[s]
		number[request]++
		if s == symInitFails || s == symPlanFails || s == symApplyFails {
			fmt.Fprintf(&text, "on %s %d\nerror as the sequence wants\n", request, number[request])
		}
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "echo.txt", Mode: 0o600, Size: int64(text.Len())}); err != nil {
		t.Error(err)
	}
	if _, err := w.Write(text.Bytes()); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	return archive.Bytes()
}

// noKeeper keeps nothing.
type noKeeper struct{}

func (noKeeper) Finish()              {}
func (noKeeper) State() []byte        { return nil }
func (noKeeper) Confirm([]byte) error { return nil }
func (noKeeper) Keep(string) error    { return nil }
