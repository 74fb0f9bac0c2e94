package guesttest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest"
	"github.com/provisor/provisor/sdk-guest/guesttest"
)

// applier answers plan and apply with one function.
type applier struct {
	guest.Unimplemented
	f func(ctx context.Context) error
}

func (a applier) Plan(ctx context.Context, _ *pb.PlanRequest) *pb.PlanComplete {
	return &pb.PlanComplete{Error: text(a.f(ctx))}
}

func (a applier) Apply(ctx context.Context, _ *pb.ApplyRequest) *pb.ApplyComplete {
	return &pb.ApplyComplete{Error: text(a.f(ctx))}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSessionsNest(t *testing.T) {
	outer := guesttest.New(t)
	guest.Info("outer")
	t.Run("inner", func(t *testing.T) {
		inner := guesttest.New(t)
		guest.Info("inner")
		if guest.WorkDir() != inner.WorkDir() || inner.LogText() != "INFO: inner\n" {
			t.Errorf("WorkDir %s, logs %q", guest.WorkDir(), inner.LogText())
		}
	})
	if guest.WorkDir() != outer.WorkDir() || guest.TmpDir() != outer.TmpDir() || outer.LogText() != "INFO: outer\n" {
		t.Errorf("WorkDir %s, logs %q", guest.WorkDir(), outer.LogText())
	}
}

func TestInfo(t *testing.T) {
	s := guesttest.New(t)
	s.SetInfo(&guestpb.SessionInfo{Engines: map[string]*guestpb.Engine{"terraform": {Name: "tofu", Version: "1.10.0"}}})
	if got := guest.SessionInfo().GetEngines()["terraform"].GetVersion(); got != "1.10.0" {
		t.Errorf("version %q", got)
	}
}

func TestCache(t *testing.T) {
	s := guesttest.New(t)
	if found, err := guest.CacheRestore("k"); found || err != nil {
		t.Errorf("an empty cache: %t, %v", found, err)
	}
	s.WriteFile("a/b.txt", "1")
	s.WriteFile("c", "2")
	s.WriteFile("other", "3")
	if err := os.Symlink("b.txt", filepath.Join(s.WorkDir(), "a", "link")); err != nil {
		t.Fatal(err)
	}
	if err := guest.CacheSave("k", "a", "c"); err != nil {
		t.Fatal(err)
	}
	s.WriteFile("c", "2, changed")
	if err := guest.CacheSave("k", "a", "none"); !errors.Is(err, abi.NotFound) {
		t.Errorf("a path that is missing: %v", err)
	}
	if err := guest.CacheSave("k", "../x"); !errors.Is(err, abi.Invalid) {
		t.Errorf("a path outside: %v", err)
	}
	t.Run("later", func(t *testing.T) {
		later := guesttest.New(t)
		later.UseCacheDir(s.CacheDir())
		if found, err := guest.CacheRestore("k"); !found || err != nil {
			t.Fatalf("CacheRestore = %t, %v", found, err)
		}
		if got := later.ReadFile("a/link") + later.ReadFile("c"); got != "12" {
			t.Errorf("files %q", got)
		}
		if _, err := os.Stat(filepath.Join(later.WorkDir(), "other")); err == nil {
			t.Error("a file that was not kept came back")
		}
	})
}

func TestCacheIsClosedOnceAnEngineRan(t *testing.T) {
	s := guesttest.New(t)
	s.Program("tool", func(*guesttest.Run) int { return 0 })
	s.WriteFile("a", "")
	s.Use(applier{f: func(ctx context.Context) error {
		if err := guest.CacheSave("k", "a"); err != nil {
			t.Errorf("before the run: %v", err)
		}
		if err := guest.Command(ctx, "tool").Run(); err != nil {
			t.Error(err)
		}
		return guest.CacheSave("k", "a")
	}})
	if got := s.Plan(&pb.PlanRequest{}).GetError(); !strings.Contains(got, "plan or apply has run a program") {
		t.Errorf("error %q", got)
	}
}

func TestCancelBeforeARequest(t *testing.T) {
	s := guesttest.New(t)
	s.Use(applier{f: func(ctx context.Context) error { return ctx.Err() }})
	s.Cancel()
	if got := s.Apply(&pb.ApplyRequest{}).GetError(); got != "context canceled" {
		t.Errorf("error %q", got)
	}
	if got := s.Apply(&pb.ApplyRequest{}).GetError(); got != "" {
		t.Errorf("the request after it: %q", got)
	}
}

// recorder is a test whose failure is looked at.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatal(args ...any) {
	r.failures = append(r.failures, fmt.Sprint(args...))
	panic(r)
}

func (r *recorder) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }

// failuresOf runs f until it fails the test.
func failuresOf(t testing.TB, f func(testing.TB)) []string {
	r := &recorder{TB: t}
	func() {
		defer func() {
			if v := recover(); v != nil && v != any(r) {
				panic(v)
			}
		}()
		f(r)
	}()
	return r.failures
}

func TestAPluginWithoutAnAnswerFailsTheTest(t *testing.T) {
	got := failuresOf(t, func(t testing.TB) {
		s := guesttest.New(t)
		s.LimitResponses(1)
		s.Use(guest.Unimplemented{})
		s.Init(&pb.InitRequest{})
	})
	if len(got) != 1 || !strings.Contains(got[0], "provisor_handle returned") {
		t.Errorf("failures %q", got)
	}
}

func TestParallelTestsAreRefused(t *testing.T) {
	t.Run("parallel", func(t *testing.T) {
		t.Parallel()
		got := failuresOf(t, func(t testing.TB) { guesttest.New(t) })
		if len(got) != 1 || !strings.Contains(got[0], "can't be parallel") {
			t.Errorf("failures %q", got)
		}
	})
}

func TestProgramsEndWhenTheirPluginPanics(t *testing.T) {
	var ended []string
	t.Run("leaves one", func(t *testing.T) {
		s := guesttest.New(t)
		s.Program("tool", func(run *guesttest.Run) int {
			<-run.Interrupted
			ended = append(ended, "tool")
			return 0
		})
		c := guest.Command(s.Context(), "tool")
		c.Stdin = panics{}
		func() {
			defer func() { recover() }()
			c.Run()
		}()
	})
	if diff := cmp.Diff([]string{"tool"}, ended); diff != "" {
		t.Errorf("programs that ended (-want +got):\n%s", diff)
	}
}

type panics struct{}

func (panics) Read([]byte) (int, error) { panic("on purpose") }

func TestGetenvTakesTheLast(t *testing.T) {
	r := &guesttest.Run{Env: []string{"A=1", "B=x=y", "A=2", "C"}}
	got := []string{r.Getenv("A"), r.Getenv("B"), r.Getenv("C"), r.Getenv("D")}
	if want := []string{"2", "x=y", "", ""}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
