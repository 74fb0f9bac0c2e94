package sandbox

import "testing"

// What a session pays for an instance of a Go plugin.
func BenchmarkInstantiate(b *testing.B) {
	r, err := New(b.Context(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close(b.Context())
	m, err := r.Compile(b.Context(), goGuest(b))
	if err != nil {
		b.Fatal(err)
	}
	work, tmp := newDirFS(b), newDirFS(b)
	b.ReportAllocs()
	for b.Loop() {
		i, err := m.Instantiate(b.Context(), InstanceConfig{Work: work, Tmp: tmp, Host: &fakeHost{}})
		if err != nil {
			b.Fatal(err)
		}
		if err := i.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// What a request costs beside the work that it asks for.
func BenchmarkHandle(b *testing.B) {
	r, err := New(b.Context(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close(b.Context())
	m, err := r.Compile(b.Context(), goGuest(b))
	if err != nil {
		b.Fatal(err)
	}
	i, err := m.Instantiate(b.Context(), InstanceConfig{Work: newDirFS(b), Tmp: newDirFS(b), Host: &fakeHost{}})
	if err != nil {
		b.Fatal(err)
	}
	defer i.Close(b.Context())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Handle(b.Context(), []byte("random")); err != nil {
			b.Fatal(err)
		}
	}
}
