package observe

import (
	"context"
	"slices"
	"testing"
)

type key string

// noted notes what it is told, under a name that it also puts into contexts.
type noted struct {
	name  key
	calls *[]string
}

func (n noted) Begin(ctx context.Context, _ Activity) context.Context {
	*n.calls = append(*n.calls, "begin "+string(n.name))
	return context.WithValue(ctx, n.name, true)
}

func (n noted) End(ctx context.Context, _ Activity) {
	if ctx.Value(n.name) == nil {
		*n.calls = append(*n.calls, "another's context")
	}
	*n.calls = append(*n.calls, "end "+string(n.name))
}

func TestAll(t *testing.T) {
	var calls []string
	o := All(noted{"a", &calls}, nil, noted{"b", &calls})
	r := &Request{}
	o.End(o.Begin(t.Context(), r), r)
	if want := []string{"begin a", "begin b", "end b", "end a"}; !slices.Equal(calls, want) {
		t.Errorf("got %q, want %q", calls, want)
	}
	ctx := t.Context()
	if All().Begin(ctx, r) != ctx {
		t.Error("nobody changes the context")
	}
}
