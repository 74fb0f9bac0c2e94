//go:build !wasip1

package guest

import (
	"context"

	"github.com/provisor/provisor/sdk-guest/internal/hostcall"
)

// A native build has no exports; guesttest calls these.
func init() {
	hostcall.SetExports(hostcall.Exports{
		Handle: func(p any, request []byte) int32 {
			provisioner, _ := p.(Provisioner)
			return handle(provisioner, request)
		},
		NewContext: func() (context.Context, func()) {
			return begin()
		},
	})
}
