package userids

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/provisor/provisor/host/internal/tenant"
)

func name(t *testing.T, s string) tenant.Tenant {
	t.Helper()
	n, err := tenant.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func open(t *testing.T, path, ids string) *Store {
	t.Helper()
	r, err := ParseRange(ids)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func want(t *testing.T, s *Store, tenant string, id int) {
	t.Helper()
	if got, err := s.Of(name(t, tenant)); err != nil || got != id {
		t.Errorf("tenant %s: got %d, %v; want %d", tenant, got, err, id)
	}
}

// A tenant keeps its id, whatever happens to the daemon and to other tenants.
func TestIDsAreForGood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "uids")
	s := open(t, path, "65533-65535")
	want(t, s, "a", 65533)
	want(t, s, "b", 65535) // 65534 is nobody's to give
	want(t, s, "a", 65533)
	if _, err := s.Of(name(t, "c")); err == nil || !strings.Contains(err.Error(), "all of 65533-65535 are given out, and none is given twice (setting uids of the jail)") {
		t.Errorf("got %v", err)
	}
	want(t, open(t, path, "65533-65535"), "b", 65535)
	// Another range: new ids, and the old ones stay taken.
	s = open(t, path, "65535-70000")
	want(t, s, "a", 65536)
	want(t, s, "b", 65535)
	want(t, open(t, path, "65533-65535"), "a", 65533)
}

// A line that was cut short was never given out; anything else that is wrong is told, and nothing is given.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "uids")
	put := func(content string) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("200000 a\n200001 b")
	want(t, open(t, path, "200000-200009"), "c", 200001)
	if content, _ := os.ReadFile(path); string(content) != "200000 a\n200001 c\n" {
		t.Errorf("the file has %q", content)
	}
	for _, content := range []string{"200000 a\nx b\n", "200000 A b\n", "200000 a\n200000 b\n", "\n"} {
		put(content)
		if _, err := Open(path, Range{200000, 200009}); err == nil || !strings.Contains(err.Error(), path+": line ") {
			t.Errorf("%q: got %v", content, err)
		}
	}
}

// Daemons that share the file give no id twice.
func TestSeveralDaemons(t *testing.T) {
	path := filepath.Join(t.TempDir(), "uids")
	var mu sync.Mutex
	var running sync.WaitGroup
	ids := map[int]string{}
	for daemon := range 4 {
		s := open(t, path, "200000-200099")
		running.Go(func() {
			for i := range 10 {
				n := fmt.Sprint("t", (daemon*7+i)%20)
				id, err := s.Of(name(t, n))
				mu.Lock()
				if err != nil || ids[id] != "" && ids[id] != n {
					t.Errorf("%s got %d of %s, %v", n, id, ids[id], err)
				}
				ids[id] = n
				mu.Unlock()
			}
		})
	}
	running.Wait()
}

func TestParseRange(t *testing.T) {
	for _, bad := range []string{"", "1", "0-5", "5-4", "a-b", "-5", "1-4294967295", "1-99999999999"} {
		if r, err := ParseRange(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, r)
		}
	}
}

// Whatever is in the file: it is refused, or no id is in there twice, and a new one is none of them.
func FuzzFile(f *testing.F) {
	f.Add([]byte("200000 a\n200001 b\n"))
	f.Add([]byte("200000 a\n200001"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "uids")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, Range{200000, 200003})
		if err != nil {
			return
		}
		before, _, _ := parse(content)
		id, err := s.Of(name(t, "new"))
		for _, e := range before {
			if err == nil && e.name != "new" && int(e.id) == id {
				t.Errorf("%d is given to a second tenant", id)
			}
		}
	})
}
