package recovery

import (
	"encoding/json"
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
