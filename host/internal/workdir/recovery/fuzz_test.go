package recovery

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// Whatever is in a record: it is refused, or it names nothing outside and reads back as it was written.
func FuzzRecord(f *testing.F) {
	r := record("dir")
	r.Workspace = Workspace{Name: "dev", Owner: "jo"}
	r.Why, r.KeptAt = "why", time.Now()
	whole, err := r.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, []byte(`{}`))
	f.Add(whole[:len(whole)-1], []byte(`{"tenant":"a","directory":"d","files":["../x"]}`))
	f.Add([]byte("provisor-recovery-1 00\n{}"), []byte(`{"tenant":"a","directory":"../d"}`))
	f.Fuzz(func(t *testing.T, b, body []byte) {
		_, _ = decode(b)
		// The same with a checksum that is right.
		var some Record
		if json.Unmarshal(body, &some) != nil {
			return
		}
		encoded, err := some.encode()
		if err != nil {
			return
		}
		got, err := decode(encoded)
		if err != nil {
			return
		}
		for _, name := range got.Files {
			if local, err := filepath.Localize(name); err != nil || !filepath.IsLocal(local) {
				t.Errorf("file %q", name)
			}
		}
		again, err := got.encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decode(again); err != nil || !reflect.DeepEqual(got, back) {
			t.Errorf("%+v came back as %+v, %v", got, back, err)
		}
	})
}

// A file's name in a record's directory is no state's, or says exactly what it was made from.
func FuzzGenerationName(f *testing.F) {
	f.Add("000000001-" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" + "-terraform.tfstate")
	f.Add("999999999-" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" + "-a%2Fb")
	f.Add("record")
	f.Fuzz(func(t *testing.T, name string) {
		s, ok := parseGeneration(name)
		if ok && filepath.Base(s.path("dir")) != name {
			t.Errorf("%q was read as %+v, whose name is %q", name, s, s.path("dir"))
		}
	})
}

// Whatever the engine or a template leaves in a state file: it is copied whole, or not at all.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"serial":1}`))
	f.Add([]byte(`{"serial":1`))
	f.Add([]byte("\x00\xff"))
	f.Add([]byte{})
	store, err := Open(Options{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	defer store.Close()
	f.Fuzz(func(t *testing.T, content []byte) {
		work := t.TempDir()
		if err := os.WriteFile(filepath.Join(work, mainFile), content, 0o600); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(work)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		var got []byte
		_, err = store.reader.look(root, mainFile, nil, func(b []byte) error { got = append([]byte{}, b...); return nil })
		if valid := json.Valid(content); valid != (err == nil) || valid && string(got) != string(content) {
			t.Errorf("%q was read as %q, %v", content, got, err)
		}
	})
}
