package recovery

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// died leaves an apply as a process does that is killed: nothing is finished.
func (f *fixture) died(t *testing.T) {
	t.Helper()
	k := f.begin(t)
	f.unwatch(k)
	k.copier.End()
	if err := k.work.Close(); err != nil {
		t.Error(err)
	}
}

func TestRescue(t *testing.T) {
	const kept = "dir.1 kept (" + whyDied + ") "
	for _, tt := range []struct {
		name string
		// before was there when the daemon died; after is what its engine has still written.
		before, after string
		// lost is whether the work directory is gone.
		lost bool
		want string
	}{
		{name: "nothing newer", before: `{"serial":1}`, after: `{"serial":1}`, want: kept + `terraform.tfstate={"serial":1}`},
		{name: "newer than the copy", before: `{"serial":1}`, after: `{"serial":2}`, want: kept + `terraform.tfstate={"serial":2}`},
		{name: "newer and cut", before: `{"serial":1}`, after: `{"serial":`, want: kept + `terraform.tfstate={"serial":1}`},
		{name: "no copy yet", after: `{"serial":2}`, want: kept + `terraform.tfstate={"serial":2}`},
		{name: "no directory", before: `{"serial":1}`, lost: true, want: kept + `terraform.tfstate={"serial":1}`},
		{name: "no state at all", want: ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, Options{})
			if tt.before != "" {
				f.write(t, mainFile, tt.before)
			}
			f.died(t)
			if tt.after != "" {
				f.write(t, mainFile, tt.after)
			}
			work := f.work
			if tt.lost {
				work = filepath.Join(f.work, "not", "there")
			}
			next := newFixture(t, Options{Dir: f.o.Dir})
			if names, err := next.Unsettled(); err != nil || len(names) != 1 || names[0] != "dir" {
				t.Errorf("unsettled: %v, %v", names, err)
			}
			for range 2 { // the second time there is nothing to do
				if err := next.Rescue("dir", work); err != nil {
					t.Fatal(err)
				}
				next.wantList(t, tt.want)
			}
		})
	}
}

// A session that never began an apply leaves nothing.
func TestRescueWithoutARecord(t *testing.T) {
	f := newFixture(t, Options{})
	f.write(t, mainFile, `{"serial":1}`)
	if err := f.Rescue("dir", f.work); err != nil {
		t.Fatal(err)
	}
	f.wantList(t, "")
}

// A daemon that died between making a record's directory and writing the record had not begun the apply.
func TestRescueHalfARecord(t *testing.T) {
	f := newFixture(t, Options{})
	dir := filepath.Join(f.o.Dir, "default", "dir.1")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".new-1"), []byte("prov"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Rescue("dir", f.work); err != nil {
		t.Fatal(err)
	}
	f.wantList(t, "")
}

// What is damaged is listed as such. Nothing of it is removed, and the work directory stays.
func TestDamage(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   string
	}{
		{"a cut record", func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, recordName), 100); err != nil {
				t.Fatal(err)
			}
		}, "its checksum is wrong"},
		{"no record", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, recordName)); err != nil {
				t.Fatal(err)
			}
		}, "no such file"},
		{"another tenant's", func(t *testing.T, dir string) {
			r := record("dir")
			r.Tenant = "other"
			if err := writeRecord(dir, &r); err != nil {
				t.Fatal(err)
			}
		}, "among those of"},
		{"a record that leads elsewhere", func(t *testing.T, dir string) {
			r := record("dir")
			r.Files = []string{"../../secret"}
			if err := writeRecord(dir, &r); err != nil {
				t.Fatal(err)
			}
		}, "want a path in the work directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, Options{})
			f.write(t, mainFile, `{"serial":1}`)
			f.died(t)
			tt.damage(t, filepath.Join(f.o.Dir, "default", "dir.1"))
			if err := f.Rescue("dir", f.work); err == nil {
				t.Error("the work directory would be removed")
			}
			f.wantList(t, `dir.1 damaged terraform.tfstate={"serial":1}`)
			entries, err := f.List()
			if err != nil || !strings.Contains(entries[0].Damage.Error(), tt.want) {
				t.Errorf("damage: %v, want %s", entries[0].Damage, tt.want)
			}
		})
	}
}

// A copy that was cut, by the death of the machine for one, is not taken for a state: the one before counts.
func TestDamagedCopy(t *testing.T) {
	f := newFixture(t, Options{})
	f.write(t, mainFile, `{"serial":1}`)
	f.died(t)
	dir := filepath.Join(f.o.Dir, "default", "dir.1")
	cut := fmt.Sprintf("000000002-%x-%s", sha256.Sum256([]byte(`{"serial":2}`)), mainFile)
	if err := os.WriteFile(filepath.Join(dir, cut), []byte(`{"s`), 0o600); err != nil {
		t.Fatal(err)
	}
	f.wantList(t, `dir.1 in use terraform.tfstate={"serial":1}`)
	if err := f.Rescue("dir", filepath.Join(f.work, "gone")); err != nil {
		t.Fatal(err)
	}
	f.wantList(t, "dir.1 kept ("+whyDied+`) terraform.tfstate={"serial":1}`)
}

func TestFindAndDiscard(t *testing.T) {
	f := newFixture(t, Options{})
	f.write(t, mainFile, `{"serial":1}`)
	k := f.begin(t)
	e, err := f.Find("di")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Discard(e); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("discard what is in use: %v", err)
	}
	k.Finish()
	if err := k.Keep("why"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "dir.2", "x"} {
		if _, err := f.Find(id); err == nil {
			t.Errorf("found %q", id)
		}
	}
	if e, err = f.Find("dir.1"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.State("other"); err == nil || !strings.Contains(err.Error(), mainFile) {
		t.Errorf("a state of another file: %v", err)
	}
	if err := f.Discard(e); err != nil {
		t.Fatal(err)
	}
	f.wantList(t, "")
	if left, err := os.ReadDir(filepath.Join(f.o.Dir, "default")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// What was being removed when its process died is removed by the next.
func TestOpenFinishesRemovals(t *testing.T) {
	f := newFixture(t, Options{})
	gone := filepath.Join(f.o.Dir, "default", gonePrefix+"dir.1")
	if err := os.MkdirAll(filepath.Join(gone, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	f.wantList(t, "")
	newFixture(t, Options{Dir: f.o.Dir})
	if _, err := os.Lstat(gone); err == nil {
		t.Error("it is still there")
	}
}
