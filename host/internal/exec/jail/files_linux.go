package jail

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/provisor/provisor/host/internal/exec/jail/supervisor"
)

// What of the host every program sees. Of /etc it is never the whole: who runs as root without capabilities still owns root's secrets.
var (
	systemExecute = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/etc/alternatives"}
	systemRead    = []string{
		"/etc/passwd", "/etc/group", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols",
		"/etc/localtime", "/etc/timezone", "/etc/mime.types", "/etc/os-release", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
		"/etc/ld-musl-x86_64.path", "/etc/ld-musl-aarch64.path",
		// Certificates, wherever distributions keep them; not the keys beside them.
		"/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf", "/etc/ssl/ca-bundle.pem", "/etc/ca-certificates/extracted",
		"/etc/pki/tls/certs", "/etc/pki/tls/cert.pem", "/etc/pki/tls/cacert.pem", "/etc/pki/tls/openssl.cnf", "/etc/pki/ca-trust/extracted",
		"/etc/crypto-policies",
	}
	devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}
	links   = map[string]string{"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2"}
)

const (
	sharedMemorySize = 64 << 20
	tmpSize          = 256 << 20
)

// root is the root directory for a cell.
func (c *Cell) root() *supervisor.Root {
	r := &rootMaker{}
	r.bind(supervisor.Mount{Kind: supervisor.Processes, Target: "/proc", NoExec: true})
	for _, path := range systemExecute {
		r.system(path)
	}
	for _, path := range systemRead {
		r.bind(supervisor.Mount{Source: path, NoExec: true})
	}
	for _, path := range devices {
		r.bind(supervisor.Mount{Source: path, Write: true, NoExec: true, Devices: true})
	}
	for name, target := range links {
		r.bind(supervisor.Mount{Kind: supervisor.Link, Source: target, Target: name})
	}
	r.bind(supervisor.Mount{Kind: supervisor.Temporary, Target: "/dev/shm", Write: true, NoExec: true, Size: sharedMemorySize})
	for _, path := range c.Execute {
		r.bind(supervisor.Mount{Source: path})
	}
	for _, path := range c.Read {
		r.bind(supervisor.Mount{Source: path, NoExec: true})
	}
	for _, path := range c.Write {
		r.bind(supervisor.Mount{Source: path, Write: true})
	}
	tmp := supervisor.Mount{Kind: supervisor.Temporary, Target: "/tmp", Write: true, Size: tmpSize}
	if c.Tmp != "" && !slices.ContainsFunc(r.mounts, func(m supervisor.Mount) bool { return below(m.Target, "/tmp") }) {
		// Not where something lies below: the mount points would have to be made in the program's own directory.
		tmp = supervisor.Mount{Source: c.Tmp, Target: "/tmp", Write: true}
	}
	r.bind(tmp)
	return r.root()
}

// rootMaker collects the mounts of a root.
type rootMaker struct{ mounts []supervisor.Mount }

func (r *rootMaker) bind(m supervisor.Mount) {
	if m.Kind == "" {
		m.Kind = supervisor.Bind
	}
	if m.Target == "" {
		m.Target = filepath.Clean(m.Source)
	}
	r.mounts = append(r.mounts, m)
}

// system shows a directory of the system, or the link that it is on the host.
func (r *rootMaker) system(path string) {
	if target, err := os.Readlink(path); err == nil {
		r.bind(supervisor.Mount{Kind: supervisor.Link, Source: target, Target: path})
		return
	}
	r.bind(supervisor.Mount{Source: path})
}

// root sorts the mounts, parents first, and leaves out what shows nothing new.
func (r *rootMaker) root() *supervisor.Root {
	slices.SortStableFunc(r.mounts, func(a, b supervisor.Mount) int {
		return strings.Count(a.Target, "/") - strings.Count(b.Target, "/")
	})
	var kept []supervisor.Mount
	for _, m := range r.mounts {
		if !slices.ContainsFunc(kept, func(k supervisor.Mount) bool { return shows(k, m) }) {
			kept = append(kept, m)
		}
	}
	return &supervisor.Root{Mounts: kept}
}

// shows reports whether a mount already shows what another would, in the same way.
func shows(k, m supervisor.Mount) bool {
	return k.Kind == supervisor.Bind && m.Kind == supervisor.Bind && k.Source == k.Target && m.Source == m.Target &&
		(k.Target == m.Target || below(m.Target, k.Target)) && k.Write == m.Write && k.Devices == m.Devices && (!k.NoExec || m.NoExec)
}

// below reports whether a path leads into a directory.
func below(path, dir string) bool { return strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/") }

// The kinds of access to files that Landlock knows, by the version that brought them.
const (
	accessRead    = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	accessExecute = accessRead | unix.LANDLOCK_ACCESS_FS_EXECUTE
	accessDevice  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	accessMake    = unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	accessWrite = accessExecute | accessMake | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	accessFirst = unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1
)

// accessOf are the kinds of access that a version of Landlock can deny.
func accessOf(version int) uint64 {
	access := uint64(accessFirst)
	for since, kind := range map[int]uint64{2: unix.LANDLOCK_ACCESS_FS_REFER, 3: unix.LANDLOCK_ACCESS_FS_TRUNCATE, 5: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV} {
		if version >= since {
			access |= kind
		}
	}
	return access
}

// landlock is the ruleset for a cell.
func (c *Cell) landlock(version int, ownRoot bool) *supervisor.Landlock {
	l := &supervisor.Landlock{Files: accessOf(version)}
	if version >= 6 {
		l.Scoped = unix.LANDLOCK_SCOPE_SIGNAL | unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	}
	allow := func(access uint64, paths ...string) {
		for _, path := range paths {
			l.Rules = append(l.Rules, supervisor.Rule{Path: path, Access: access & l.Files})
		}
	}
	allow(accessExecute, systemExecute...)
	allow(accessRead, systemRead...)
	allow(accessRead, "/proc")
	allow(accessDevice, devices...)
	allow(accessExecute, c.Execute...)
	allow(accessRead, c.Read...)
	allow(accessWrite, c.Write...)
	if ownRoot {
		allow(accessWrite, "/tmp", "/dev/shm")
		allow(unix.LANDLOCK_ACCESS_FS_READ_DIR, "/") // where there is nothing to see that is not to be seen
	}
	return l
}
