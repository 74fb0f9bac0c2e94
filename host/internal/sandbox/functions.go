package sandbox

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/garbage"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// The most bytes of what a plugin passes in one call.
const (
	maxLogText  = 16 << 20
	maxPath     = 4 << 10
	maxCacheKey = 1 << 10
	// maxMessage is for an ExecRequest or a CacheSave. Linux takes about 2 MiB of arguments and environment together.
	maxMessage = 4 << 20
)

func (c hostCall) sessionInfo() (int64, error) { return c.give(0, c.host.SessionInfo()) }

func (c hostCall) logText() (int64, error) {
	level := pb.LogLevel(c.i32(0))
	if _, ok := pb.LogLevel_name[int32(level)]; !ok {
		return 0, invalid("there is no log level %d", level)
	}
	text, err := c.text(1, "the log text", maxLogText)
	if err != nil {
		return 0, err
	}
	return 0, c.host.Log(level, text)
}

func (c hostCall) respond() (int64, error) {
	if !c.handling {
		return 0, withErrno(abi.WrongState, "there is no request to respond to")
	}
	if c.responded {
		return 0, withErrno(abi.WrongState, "this request has had its response")
	}
	b, err := c.bytes(0)
	if err != nil {
		return 0, err
	}
	if limit := c.limits.ResponseBytes; uint64(len(b)) > limit {
		return 0, limited(settingResponse, "the response has %s, the limit is %s (setting %s)", size(uint64(len(b))), size(limit), settingResponse)
	}
	garbage.Before(int64(len(b)))
	c.Instance.responded, c.Instance.response = true, slices.Clone(b)
	return 0, nil
}

func (c hostCall) canceled() (int64, error) {
	if c.host.Canceled() || c.ctx.Err() != nil {
		return 1, nil
	}
	return 0, nil
}

func (c hostCall) lastErrorText() (int64, error) { return c.give(0, []byte(c.lastError)) }

func (c hostCall) chmod() (int64, error) {
	dir, name, err := c.path(0)
	if err != nil {
		return 0, err
	}
	bits := uint32(c.args[2])
	if bits&^uint32(fs.ModePerm) != 0 {
		return 0, invalid("%#o is more than permission bits", bits)
	}
	return 0, dir.SetMode(name, fs.FileMode(bits))
}

func (c hostCall) mode() (int64, error) {
	dir, name, err := c.path(0)
	if err != nil {
		return 0, err
	}
	bits, err := dir.Mode(name)
	return int64(bits.Perm()), err
}

// path splits the path at (args[arg], args[arg+1]) into the directory that holds it and its name therein. A relative path is one
// below /work.
func (c hostCall) path(arg int) (dir FS, name string, err error) {
	text, err := c.text(arg, "the path", maxPath)
	if err != nil {
		return nil, "", err
	}
	if strings.ContainsRune(text, 0) {
		return nil, "", invalid("the path %q contains a NUL", text)
	}
	clean := path.Clean(text)
	if !path.IsAbs(text) {
		clean = path.Join(abi.WorkDir, text)
	}
	for root, dir := range map[string]FS{abi.WorkDir: c.work, abi.TmpDir: c.tmp} {
		if clean == root {
			return dir, ".", nil
		}
		if name, ok := strings.CutPrefix(clean, root+"/"); ok {
			return dir, name, nil
		}
	}
	return nil, "", invalid("the path %q is neither under %s nor under %s", text, abi.WorkDir, abi.TmpDir)
}

func (c hostCall) cacheRestore() (int64, error) {
	key, err := c.text(0, "the cache key", maxCacheKey)
	if err != nil {
		return 0, err
	}
	found, err := c.host.CacheRestore(key)
	if err != nil || !found {
		return 0, err
	}
	return 1, nil
}

func (c hostCall) cacheSave() (int64, error) {
	req := new(guestpb.CacheSave)
	if err := c.message(0, "CacheSave", req); err != nil {
		return 0, err
	}
	if len(req.GetKey()) > maxCacheKey {
		return 0, withErrno(abi.Limit, "the cache key has %d bytes, at most %d are taken", len(req.GetKey()), maxCacheKey)
	}
	return 0, c.host.CacheSave(req)
}

// message decodes the message at (args[arg], args[arg+1]).
func (c hostCall) message(arg int, name string, m proto.Message) error {
	b, err := c.bytes(arg)
	if err != nil {
		return err
	}
	if len(b) > maxMessage {
		return withErrno(abi.Limit, "a %s of %s: at most %s are taken", name, size(uint64(len(b))), size(maxMessage))
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return invalid("a %s does not decode: %v", name, err)
	}
	return nil
}
