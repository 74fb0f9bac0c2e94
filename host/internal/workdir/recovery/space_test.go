package recovery

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestApplyNeedsRoom(t *testing.T) {
	f := newFixture(t, Options{MinFree: math.MaxInt64})
	_, err := f.Begin(record("dir"), f.work)
	if err == nil || !strings.Contains(err.Error(), "setting min_free") || !strings.Contains(err.Error(), f.work) {
		t.Errorf("got %v, want a refusal that names the place and the setting", err)
	}
	f.wantList(t, "")
}

func TestKeptStatesAreBounded(t *testing.T) {
	f := newFixture(t, Options{MaxKept: 4000})
	f.write(t, mainFile, `{"padding":"`+strings.Repeat("x", 4000)+`"}`)
	k := f.begin(t)
	k.Finish()
	if err := k.Keep("why"); err != nil {
		t.Fatal(err)
	}
	_, err := f.Begin(record("dir"), f.work)
	if err == nil || !strings.Contains(err.Error(), "setting max_kept") || !strings.Contains(err.Error(), "provisor recover") {
		t.Errorf("got %v, want a refusal that names the setting and what to do", err)
	}
	r := record("dir")
	r.Tenant = "other"
	if k, err = f.Begin(r, f.work); err != nil {
		t.Fatalf("another tenant: %v", err)
	}
	k.Finish()
	if err := k.Keep("why"); err != nil {
		t.Error(err)
	}
}

func TestBallast(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "recovery")
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, ballastName))
		if errors.Is(err, os.ErrNotExist) {
			return 0
		}
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	newFixture(t, Options{Dir: dir, Ballast: 1 << 16})
	if size() != 1<<16 {
		t.Errorf("%d bytes", size())
	}
	f := newFixture(t, Options{Dir: dir, Ballast: 1 << 17}) // another process wants more
	if size() != 1<<17 {
		t.Errorf("%d bytes", size())
	}
	f.release("a test")
	if size() != 0 || !strings.Contains(f.log.String(), "the disk is full") {
		t.Errorf("%d bytes, log %s", size(), f.log)
	}
	k := f.begin(t) // there is room again
	if size() != 1<<17 {
		t.Errorf("%d bytes", size())
	}
	k.Finish()
	if err := k.Keep(""); err != nil {
		t.Error(err)
	}
	newFixture(t, Options{Dir: filepath.Join(dir, "none"), Ballast: math.MaxInt64})
	if _, err := os.Stat(filepath.Join(dir, "none", ballastName)); err == nil {
		t.Error("there is a ballast for which there is no room")
	}
}
