package jail

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// deniedCallsHere are those that only this architecture has: none.
var deniedCallsHere []uint32
