package host

import (
	"context"

	"github.com/provisor/provisor/host/internal/filecache"
	"github.com/provisor/provisor/host/internal/session"
	"github.com/provisor/provisor/proto/guestpb"
)

// cache is the tenant's part of the cache for the plugin. The plugin's digest belongs to it, since any plugin can give itself
// any name; and the engine, since what one version has made need not suit another.
func (u use) cache() session.Cache {
	return tenantCache{u.files, filecache.Scope{u.tenant.Name(), u.plugin.Name, u.plugin.Digest, u.engine.Name, u.engine.Version}}
}

type tenantCache struct {
	files *filecache.Cache
	scope filecache.Scope
}

func (c tenantCache) Restore(ctx context.Context, d session.Directory, key string) (bool, error) {
	return c.of(d).Restore(ctx, c.scope, key, d.Work())
}

func (c tenantCache) Save(ctx context.Context, d session.Directory, req *guestpb.CacheSave) error {
	return c.of(d).Save(ctx, c.scope, req.GetKey(), d.Work(), req.GetPaths())
}

// of is the cache for a session's files: engines link to the providers that are kept for the tenant.
func (c tenantCache) of(d session.Directory) *filecache.Cache {
	if shelf := d.(*directory).engine.Shelf; shelf != nil {
		return c.files.Linking(shelf.Mirror())
	}
	return c.files
}
