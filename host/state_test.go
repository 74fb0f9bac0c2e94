package host

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/provisor/provisor/host/internal/workdir"
)

func TestState(t *testing.T) {
	const main, errored = "terraform.tfstate", "errored.tfstate"
	type file struct {
		name, content string
		age           time.Duration
	}
	for _, tt := range []struct {
		name  string
		files []file
		want  string
	}{
		{"none", nil, ""},
		{"one", []file{{main, `{"serial":1}`, 0}}, `{"serial":1}`},
		{"an engine that could not write its file", []file{{main, `{"serial":1}`, time.Minute}, {errored, `{"serial":2}`, 0}}, `{"serial":2}`},
		{"left by an apply before", []file{{main, `{"serial":3}`, 0}, {errored, `{"serial":2}`, time.Minute}}, `{"serial":3}`},
		{"the newest is cut short", []file{{main, `{"serial":1}`, time.Minute}, {errored, `{"ser`, 0}}, `{"serial":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &directory{Session: &workdir.Session{Work: t.TempDir()}, keep: []string{main, errored}}
			for _, f := range tt.files {
				path, changed := filepath.Join(d.Session.Work, f.name), time.Now().Add(-f.age)
				if err := os.WriteFile(path, []byte(f.content), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chtimes(path, changed, changed); err != nil {
					t.Fatal(err)
				}
			}
			if got := string(d.State()); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
