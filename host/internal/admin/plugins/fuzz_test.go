package plugins

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/provisor/provisor/host/internal/admin"
	"github.com/provisor/provisor/host/internal/plugin"
)

// FuzzRequest reads what a client may send to use a plugin: names, and a JSON document. What is taken is well-formed.
func FuzzRequest(f *testing.F) {
	f.Add("a", "1.0.0", `{"version":"1.0.0","tenant":"t","canary":10}`, "use=true&canary=10")
	f.Add("a@1.0.0", "base", `{"grants":{"programs":["terraform"],"env":["*"]}}`, `grants={"env":["A"]}&sha256=00`)
	f.Add("..", "..", `{}{}`, "use=1&use=2")
	f.Fuzz(func(t *testing.T, name, version, body, query string) {
		if ref, err := reference(name, version); err == nil && (!plugin.ValidName(ref.Name) || strings.ContainsAny(ref.String(), "/\\ \n")) {
			t.Errorf("%q and %q were taken for %v", name, version, ref)
		}
		for _, into := range []any{new(useRequest), new(grantsRequest)} {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
			_ = admin.ReadJSON(httptest.NewRecorder(), r, into)
		}
		if q, err := url.ParseQuery(query); err == nil {
			_, _ = installation(q)
		}
	})
}
