package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"

	guest "github.com/provisor/provisor/sdk-guest"
)

// reuse is the cache entry of a template version. Without a key there is none.
type reuse struct {
	key      string
	restored bool
}

// reuseFor is the cache entry of this session's template version, if the client wants it kept. The archive is a part of
// the key, since a client can say any id with any archive.
func reuseFor(archive []byte) *reuse {
	c := guest.SessionInfo().GetConfig()
	if !c.GetExpReuseTerraformWorkspace() || c.GetTemplateId() == "" || c.GetTemplateVersionId() == "" {
		return &reuse{}
	}
	return &reuse{key: fmt.Sprintf("%q %q %x", c.GetTemplateId(), c.GetTemplateVersionId(), sha256.Sum256(archive))}
}

// restore brings back what an earlier init made. Without it, init makes it anew: a cache that fails costs time only.
func (r *reuse) restore() {
	if r.key == "" {
		return
	}
	restored, err := guest.CacheRestore(r.key)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	r.restored = restored && err == nil
}

// save keeps what init made, unless it was restored.
func (r *reuse) save() {
	if r.key == "" || r.restored {
		return
	}
	var made []string
	for _, name := range []string{dataDir, lockFile} {
		if _, err := os.Lstat(filepath.Join(guest.WorkDir(), name)); err == nil {
			made = append(made, name)
		}
	}
	if len(made) == 0 {
		return
	}
	if err := guest.CacheSave(r.key, made...); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
