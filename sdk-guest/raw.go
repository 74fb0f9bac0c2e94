package guest

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/sdk-guest/internal/hostcall"
)

// registeredRaw is set in the place of registered.
var registeredRaw func(ctx context.Context, request []byte) (status int32)

// RegisterRaw is Register for the plugin that wants the whole of provisor_handle: one that keeps answers, forwards requests, or
// tests a host by what the SDK would not do. The handler gets a serialized Request, calls Respond once, and returns 0; the
// host takes anything else for a failure of the plugin. A panic in it ends the instance. Answer does for it what it does
// not want to do itself.
func RegisterRaw(handler func(ctx context.Context, request []byte) (status int32)) {
	if handler == nil {
		panic("guest.RegisterRaw: the handler is nil")
	}
	if registered != nil || registeredRaw != nil {
		panic("guest.RegisterRaw: a plugin is registered already")
	}
	registeredRaw = handler
}

// Answer returns the serialized Response that a registered provisioner would give to a serialized Request: an answer of
// the right kind also if p panics or has none. It returns an error for bytes that are no request for plugins.
func Answer(ctx context.Context, p Provisioner, request []byte) (response []byte, err error) {
	c, err := decodeCall(request)
	if err != nil {
		return nil, err
	}
	b, err := proto.Marshal(c.answer(ctx, p))
	if err != nil {
		return proto.Marshal(c.undelivered(err))
	}
	return b, nil
}

// Respond hands a serialized Response to the host. The host takes one for each request.
func Respond(response []byte) error {
	if err := hostcall.Current().Respond(response); err != nil {
		return fmt.Errorf("respond: %w", noticed(err))
	}
	return nil
}
