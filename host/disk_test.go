package host_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/tenant"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// TestTenantDisk: a tenant whose sessions hold as much as it may have opens no more until they have gone; others do.
func TestTenantDisk(t *testing.T) {
	full, other := mustTenant(t, "full"), mustTenant(t, "other")
	cache, err := host.DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	r, err := host.New(t.Context(), host.Options{
		Plugin: filepath.FromSlash("../plugins/echo"), CacheDir: cache, DataDir: t.TempDir(), Engine: engineScript(t, "1.1.1"),
		Tenants: map[host.Tenant]host.TenantOptions{full: {Disk: 2 << 20}, other: {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	// open opens a session that takes 3 MiB.
	open := func(tn host.Tenant) (*client.Session, error) {
		s := session(t.Context(), r, tn)
		err := s.Configure(&pb.Config{})
		if err == nil {
			_, err = s.Do(t.Context(), &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: daemontest.EchoTemplate("on init\nfill f 3MiB\n")}}}, nil)
		}
		if err != nil {
			s.Close()
			return nil, err
		}
		return s, nil
	}
	first, err := open(full)
	if err != nil {
		t.Fatal(err)
	}
	// What was counted counts for some seconds.
	soon := func(what string, good func(error) bool) {
		t.Helper()
		var err error
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
			var s *client.Session
			if s, err = open(full); s != nil {
				s.Close()
			}
			if good(err) {
				return
			}
		}
		t.Fatalf("%s: %v", what, err)
	}
	soon("a session beyond the quota", func(err error) bool {
		var quota *tenant.QuotaError
		return errors.As(err, &quota) && quota.Setting == "disk"
	})
	if s, err := open(other); err != nil {
		t.Errorf("another tenant: %v", err)
	} else {
		s.Close()
	}
	first.Close()
	soon("once there is room again", func(err error) bool { return err == nil })
}
