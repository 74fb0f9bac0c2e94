package host

import (
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/provisor/provisor/host/internal/diskwatch"
	"github.com/provisor/provisor/host/internal/tenant"
)

// diskUse is how much one tenant's directories hold, as it was when it was last looked at.
type diskUse struct {
	mu    sync.Mutex
	bytes int64
	next  time.Time
}

// How long what was found counts: so long at least, and so many times as long as the look took.
const (
	diskFresh = 2 * time.Second
	diskRest  = 10
)

// room says why a session of the tenant may not open: its directories hold as much as they may.
func (r *Runtime) room(p *profile) error {
	if p.disk == 0 {
		return nil
	}
	found, _ := r.disks.LoadOrStore(p.tenant, new(diskUse))
	use := found.(*diskUse)
	use.mu.Lock()
	defer use.mu.Unlock()
	if began := time.Now(); began.After(use.next) {
		o := p.options
		look, err := diskwatch.Measure(
			filepath.Join(SessionsDir(o.DataDir), p.tenant.Name()), filepath.Join(RecoveryDir(o.DataDir), p.tenant.Name()), o.cacheDir(p.tenant))
		if err != nil {
			o.Log.Warn("not all that a tenant has on the disk can be counted", "tenant", p.tenant.Name(), "error", err)
		}
		use.bytes, use.next = look.Bytes, time.Now().Add(max(diskFresh, diskRest*time.Since(began)))
	}
	if use.bytes < p.disk {
		return nil
	}
	return &tenant.QuotaError{
		Tenant: p.tenant, Used: fmt.Sprintf("its sessions, cache and kept states hold %s", humanize.IBytes(uint64(use.bytes))), Setting: settingDisk,
	}
}

// cacheBytes is how large each of a tenant's two caches may be: what can be made again is to leave half of its disk to its sessions.
func cacheBytes(limit, disk int64) int64 {
	if disk > 0 {
		limit = min(limit, max(1, disk/4))
	}
	return limit
}
