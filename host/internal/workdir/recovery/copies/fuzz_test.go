package copies

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// A file's name in a record's directory is no state's, or says exactly what it was made from.
func FuzzGenerationName(f *testing.F) {
	f.Add("000000001-" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" + "-terraform.tfstate")
	f.Add("999999999-" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" + "-a%2Fb")
	f.Add("record")
	f.Fuzz(func(t *testing.T, name string) {
		s, ok := parse(name)
		if ok && s.name() != name {
			t.Errorf("%q was read as %+v, whose name is %q", name, s, s.name())
		}
	})
}

// Whatever the engine or a template leaves in a state file: it is copied whole, or not at all.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"serial":1}`))
	f.Add([]byte(`{"serial":1`))
	f.Add([]byte("\x00\xff"))
	f.Add([]byte{})
	reader := NewReader()
	f.Fuzz(func(t *testing.T, content []byte) {
		work := t.TempDir()
		if err := os.WriteFile(filepath.Join(work, "terraform.tfstate"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(work)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		var got []byte
		_, err = reader.look(root, "terraform.tfstate", nil, func(b []byte) error { got = append([]byte{}, b...); return nil })
		if valid := json.Valid(content); valid != (err == nil) || valid && string(got) != string(content) {
			t.Errorf("%q was read as %q, %v", content, got, err)
		}
	})
}
