package values

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/provisor/provisor/plugins/terraform/internal/jsonread"
)

// FuzzDecode compares with the standard library.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{`{"a":[1,2.50,1e400,-0,null,true,"\u00e9\ud800"],"b":{"c":{}},"b":[]}`, `[`, `{"a"}`, "\"\xff\"", `nul`, `{} {`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := jsonread.New(data)
		got, gotErr := whole(decode(r)), r.Err()
		var want any
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		wantErr := d.Decode(&want)
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%q: error %v, the standard library has %v", data, gotErr, wantErr)
		}
		if diff := cmp.Diff(want, got); gotErr == nil && diff != "" {
			t.Errorf("%q (-want +got):\n%s", data, diff)
		}
	})
}

// whole is what was decoded, with all that is in it.
func whole(v any) any {
	switch v := v.(type) {
	case []attribute:
		object := make(map[string]any)
		for _, a := range v {
			object[a.name] = whole(decode(jsonread.New(a.value)))
		}
		return object
	case []json.RawMessage:
		list := []any{}
		for _, element := range v {
			list = append(list, whole(decode(jsonread.New(element))))
		}
		return list
	}
	return v
}
