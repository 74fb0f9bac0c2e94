package guest

import (
	"bytes"
	"fmt"
	"os"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/proto/guestpb"
	"github.com/provisor/provisor/sdk-guest/internal/hostcall"
)

// SessionInfo is what the plugin may know of the session it works in: the client's Config, the engines, the limits, what the operator has set. It is
// never nil; what the host could not tell is empty. It must not be changed.
func SessionInfo() *guestpb.SessionInfo {
	info, err := sessionInfo()
	if err != nil {
		fmt.Fprintf(os.Stderr, "read session info: %v\n", noticed(err))
		return new(guestpb.SessionInfo)
	}
	return info
}

// decoded is a SessionInfo and what it was decoded from.
type decoded struct {
	from []byte
	info *guestpb.SessionInfo
}

// lastInfo is the last one: within a session the host says the same each time.
var lastInfo atomic.Pointer[decoded]

func sessionInfo() (*guestpb.SessionInfo, error) {
	b, err := hostcall.Current().SessionInfo()
	if err != nil {
		return nil, err
	}
	if last := lastInfo.Load(); last != nil && bytes.Equal(last.from, b) {
		return last.info, nil
	}
	info := new(guestpb.SessionInfo)
	if err := proto.Unmarshal(b, info); err != nil {
		return nil, err
	}
	lastInfo.Store(&decoded{b, info})
	return info, nil
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
