package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"
)

func TestReadHeaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(path, []byte("# for the collector\n\nAuthorization: Bearer a:b\r\nx-team:  ops \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadHeaders(path)
	if err != nil || len(got) != 2 || got["authorization"] != "Bearer a:b" || got["x-team"] != "ops" {
		t.Errorf("got %q, %v", got, err)
	}
	for content, want := range map[string]string{
		"": "there are none", "secret": "line 1: want NAME: VALUE", "a: b\nA: secret": "line 2: the header is there already",
		"a b: secret": "want NAME: VALUE", "grpc-timeout: secret": "want NAME: VALUE", "a: secret\x00": "want NAME: VALUE",
	} {
		if _, err := parseHeaders(content); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, want %q", content, err, want)
		}
	}
	if _, err := ReadHeaders(path + "x"); err == nil {
		t.Error("a file that is not there")
	}
}

// FuzzHeaders reads what may be no headers at all: what is taken can be sent.
func FuzzHeaders(f *testing.F) {
	for _, s := range []string{"", "a: b", "a:b\nc: d\r\n# e", "a: b\x00", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content string) {
		headers, err := parseHeaders(content)
		for name, value := range headers {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
				t.Errorf("%q: %q", name, value)
			}
		}
		if (err == nil) != (len(headers) > 0) {
			t.Errorf("%d headers, %v", len(headers), err)
		}
	})
}
