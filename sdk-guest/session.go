package guest

import (
	"fmt"
	"os"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/proto/guestpb"
	"github.com/provisor/provisor/sdk-guest/internal/hostcall"
)

// SessionInfo is what the plugin may know of the session it works in: the client's Config, the engines, the limits, what the operator has set. It is
// never nil; what the host could not tell is empty.
func SessionInfo() *guestpb.SessionInfo {
	info := new(guestpb.SessionInfo)
	b, err := hostcall.Current().SessionInfo()
	if err == nil {
		err = proto.Unmarshal(b, info)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "read session info: %v\n", noticed(err))
		return new(guestpb.SessionInfo)
	}
	return info
}

// CacheRestore brings back below WorkDir what CacheSave kept under that key in an earlier session, and reports whether
// there was any. The host keeps the keys of tenants and plugins apart.
func CacheRestore(key string) (bool, error) {
	found, err := hostcall.Current().CacheRestore(key)
	if err != nil {
		return false, fmt.Errorf("restore %q from the cache: %w", key, noticed(err))
	}
	return found, nil
}

// CacheSave keeps copies of files and directories for later sessions: all of them, or none and an error. Paths are
// relative to WorkDir. The host refuses (abi.WrongState) once plan or apply has run a program in this session.
func CacheSave(key string, paths ...string) error {
	request, err := proto.Marshal(&guestpb.CacheSave{Key: key, Paths: paths})
	if err == nil {
		err = noticed(hostcall.Current().CacheSave(request))
	}
	if err != nil {
		return fmt.Errorf("save %q in the cache: %w", key, err)
	}
	return nil
}
