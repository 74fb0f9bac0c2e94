package session

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/abi"
	"github.com/provisor/provisor/host/internal/sandbox"
	"github.com/provisor/provisor/proto/guestpb"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Host is what an instance of the plugin can reach outside its memory and files. An error carries an abi.Errno; its text is for the
// plugin's last_error. Outside a request everything but SessionInfo is refused.
type Host struct {
	session *session
	work    atomic.Pointer[work]
}

var _ sandbox.Host = (*Host)(nil)

// SessionInfo is the serialized SessionInfo.
func (h *Host) SessionInfo() []byte { return h.session.info }

// Canceled says whether the request is to end.
func (h *Host) Canceled() bool {
	w := h.work.Load()
	return w != nil && w.canceled.Load()
}

// Log puts a Log onto the stream, unless it is below the session's level.
func (h *Host) Log(level pb.LogLevel, text string) error {
	w, err := h.current("log")
	if err != nil {
		return err
	}
	if _, known := pb.LogLevel_name[int32(level)]; !known {
		return fmt.Errorf("log level %d: %w: want 0 (trace) to 4 (error)", level, abi.Invalid)
	}
	return w.sendLog(level, text)
}

// Start starts a program.
func (h *Host) Start(req *guestpb.ExecRequest) (Process, error) {
	w, err := h.current("run program " + fmt.Sprintf("%q", req.GetProgram()))
	if err != nil {
		return nil, err
	}
	p, err := w.startProgram(req)
	if err != nil {
		return nil, fmt.Errorf("run program %q: %w", req.GetProgram(), err)
	}
	return p, nil
}

// CacheRestore brings back what CacheSave kept under the key.
func (h *Host) CacheRestore(key string) (bool, error) {
	w, err := h.current("restore from the cache")
	if err != nil {
		return false, err
	}
	s := h.session
	if s.Cache == nil {
		return false, nil
	}
	return s.Cache.Restore(w.ctx, s.dir, key)
}

// CacheSave keeps copies of files below /work, as long as no plan or apply has run a program: what a template's code has touched is not
// given to other sessions.
func (h *Host) CacheSave(req *guestpb.CacheSave) error {
	w, err := h.current("save to the cache")
	if err != nil {
		return err
	}
	s := h.session
	if s.engineRan {
		return fmt.Errorf("save to the cache: %w: plan or apply has run a program in this session", abi.WrongState)
	}
	if s.Cache == nil {
		return fmt.Errorf("save to the cache: %w: the operator has configured none", abi.Denied)
	}
	return s.Cache.Save(w.ctx, s.dir, req)
}

// Limited notes that the plugin has run into the limit of that setting.
func (h *Host) Limited(setting string) {
	if w := h.work.Load(); w != nil {
		w.hit(setting)
	}
}

func (h *Host) current(what string) (*work, error) {
	if w := h.work.Load(); w != nil {
		return w, nil
	}
	return nil, fmt.Errorf("%s: %w: no request is running", what, abi.WrongState)
}

// describe serializes what the plugin may know of the session.
func (s *session) describe() ([]byte, error) {
	info := &guestpb.SessionInfo{
		Config:   s.config,
		Engines:  make(map[string]*guestpb.Engine),
		Limits:   s.Limits,
		AbiMinor: abi.Minor,
		Settings: s.Settings,
	}
	for name, p := range s.Programs {
		engine := p.Engine
		if engine == nil {
			engine = &guestpb.Engine{}
		}
		info.Engines[name] = engine
	}
	b, err := proto.Marshal(info)
	if err != nil {
		return nil, fmt.Errorf("encode the session's description: %w", err)
	}
	return b, nil
}

// granted lists the programs' names, for messages.
func (s *session) granted() string {
	if len(s.Programs) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(s.Programs)), ", ")
}
