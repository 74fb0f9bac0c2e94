package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"

	"github.com/provisor/provisor/plugins/terraform/internal/config"
	guest "github.com/provisor/provisor/sdk-guest"
)

// reuse is the cache entry of a template version. Without a key there is none.
type reuse struct{ key string }

// reuseFor is the cache entry of this session's template version, if the client wants it kept. The archive is a part of
// the key, since a client can say any id with any archive.
func reuseFor(archive []byte) *reuse {
	c := guest.SessionInfo().GetConfig()
	if !c.GetExpReuseTerraformWorkspace() || c.GetTemplateId() == "" || c.GetTemplateVersionId() == "" {
		return &reuse{}
	}
	return &reuse{key: fmt.Sprintf("%q %q %x", c.GetTemplateId(), c.GetTemplateVersionId(), sha256.Sum256(archive))}
}

// restore brings back what an earlier init made, and reports whether that was all: the host keeps entries apart by engine, and the key
// by archive, so another init would make the same. Where the operator has the engine keep its data elsewhere, it has to run. A cache
// that fails costs time only.
func (r *reuse) restore() bool {
	if r.key == "" {
		return false
	}
	restored, err := guest.CacheRestore(r.key)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return false
	}
	return restored && isMade(dataDir)
}

// save keeps what init made.
func (r *reuse) save() {
	if r.key == "" {
		return
	}
	var made []string
	for _, name := range []string{dataDir, lockFile} {
		if isMade(name) {
			made = append(made, name)
		}
	}
	if len(made) == 0 {
		// It may have had nothing to make, which a later session must be able to tell; or the operator has the engine keep its data
		// elsewhere. With a provider there would be a lock file in either case.
		if config.CallsModules(guest.WorkDir(), engineName()) || os.Mkdir(filepath.Join(guest.WorkDir(), dataDir), 0o700) != nil {
			return
		}
		made = []string{dataDir}
	}
	if err := guest.CacheSave(r.key, made...); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func isMade(name string) bool {
	_, err := os.Lstat(filepath.Join(guest.WorkDir(), name))
	return err == nil
}
