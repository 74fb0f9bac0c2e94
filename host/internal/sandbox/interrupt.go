package sandbox

import "github.com/tetratelabs/wazero"

// interruptible makes guests stop when the context of the call into them ends, also those that loop without calling the host.
func interruptible(c wazero.RuntimeConfig) wazero.RuntimeConfig {
	return c.WithCloseOnContextDone(true)
}
