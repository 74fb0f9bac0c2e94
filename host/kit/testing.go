package kit

import "testing"

// Test runs the kit on a plugin, with a subtest for each case. The plugin is a .wasm file or the directory of a Go plugin:
//
//	func TestConformance(t *testing.T) { kit.Test(t, ".") }
func Test(t *testing.T, plugin string) {
	t.Helper()
	TestWith(t, Options{Plugin: plugin})
}

// TestWith is Test with options.
func TestWith(t *testing.T, o Options) {
	t.Helper()
	s, err := newSuite(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range cases {
		if o.Run != nil && !o.Run(c.Case) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			switch result := s.run(t.Context(), c); result.Outcome {
			case Failed:
				t.Errorf("%s\n%s", result.Proves, result.Text)
			case Skipped:
				t.Skip(result.Text)
			}
		})
	}
}
