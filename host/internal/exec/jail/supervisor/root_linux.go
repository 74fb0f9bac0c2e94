package supervisor

import (
	"errors"
	"os"
	"path"
	"slices"
	"strconv"
	"syscall"

	"github.com/provisor/provisor/host/internal/exec/jail/supervisor/kernel"
)

// enter makes the root directory and enters it. What is shown of the host is cloned before anything is put up, so that nothing that is
// put up hides it.
func (r *Root) enter() error {
	// The program may be another user's: it is to come through the directories that are made, whatever the daemon's umask is.
	defer syscall.Umask(syscall.Umask(0o022))
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return during("keep the mounts to itself", err)
	}
	trees := make([]int, len(r.Mounts))
	for i, m := range r.Mounts {
		var err error
		if trees[i], err = m.open(); err != nil {
			return during(string(m.Kind)+" "+m.Target, err)
		}
	}
	root, err := newMount("tmpfs", map[string]string{"mode": "0755", "size": "1M"}, kernel.MOUNT_ATTR_NOSUID|kernel.MOUNT_ATTR_NODEV)
	if err != nil {
		return during("make the root directory", err)
	}
	// Where it is for the moment does not matter: /proc is there for sure, and no longer needed.
	if err := kernel.MoveMount(root, "", kernel.AT_FDCWD, "/proc", kernel.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return during("mount the root directory", err)
	}
	b, err := newBuilder(root)
	if err != nil {
		return during("look at the root directory", err)
	}
	defer b.close()
	for i, m := range r.Mounts {
		if err := b.attach(&m, trees[i]); err != nil {
			return during(string(m.Kind)+" "+m.Target, err)
		}
	}
	readOnly := kernel.MountAttr{Set: kernel.MOUNT_ATTR_RDONLY}
	if err := kernel.MountSetattr(root, "", kernel.AT_EMPTY_PATH, &readOnly); err != nil {
		return during("make the root directory read-only", err)
	}
	return change(root)
}

// change makes the mount the root directory of the whole process, and lets go of the old one.
func change(root int) error {
	if err := syscall.Fchdir(root); err != nil {
		return during("change to the root directory", err)
	}
	if err := syscall.PivotRoot(".", "."); err != nil {
		return during("change the root directory", err)
	}
	// The old root lies on top of the new one.
	if err := syscall.Unmount(".", syscall.MNT_DETACH); err != nil {
		return during("let go of the old root directory", err)
	}
	return syscall.Chdir("/")
}

// none is a mount that there is nothing of.
const none = -1

// attributes are the restrictions of a mount.
func (m *Mount) attributes() uint64 {
	set := uint64(kernel.MOUNT_ATTR_NOSUID)
	if !m.Devices {
		set |= kernel.MOUNT_ATTR_NODEV
	}
	if !m.Write {
		set |= kernel.MOUNT_ATTR_RDONLY
	}
	if m.NoExec {
		set |= kernel.MOUNT_ATTR_NOEXEC
	}
	return set
}

// open makes the mount without a place.
func (m *Mount) open() (int, error) {
	switch m.Kind {
	case Bind:
		tree, err := cloneTree(m.Source, m.attributes())
		if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOTDIR) {
			return none, nil
		}
		return tree, err
	case Temporary:
		return newMount("tmpfs", map[string]string{"mode": "1777", "size": strconv.FormatInt(m.Size, 10), "nr_inodes": "20000"}, m.attributes())
	case Processes:
		// Programs see their own processes, and not the supervisor: it is in the machine's network, also where they are offline.
		options := map[string]string{"hidepid": "ptraceable"}
		// A container may hide parts of /proc. Then a fresh one would show more than there is now, which the kernel refuses.
		proc, err := newMount("proc", options, m.attributes())
		if err != nil {
			return cloneTree("/proc", m.attributes())
		}
		return proc, nil
	}
	return none, nil
}

func cloneTree(source string, attributes uint64) (int, error) {
	tree, err := kernel.OpenTree(kernel.AT_FDCWD, source, kernel.OPEN_TREE_CLONE|kernel.OPEN_TREE_CLOEXEC|kernel.AT_RECURSIVE)
	if err != nil {
		return none, err
	}
	set := kernel.MountAttr{Set: attributes}
	return tree, kernel.MountSetattr(tree, "", kernel.AT_EMPTY_PATH|kernel.AT_RECURSIVE, &set)
}

func newMount(kind string, options map[string]string, attributes uint64) (int, error) {
	fs, err := kernel.Fsopen(kind, kernel.FSOPEN_CLOEXEC)
	if err != nil {
		return none, err
	}
	defer syscall.Close(fs)
	for name, value := range options {
		if err := kernel.FsconfigSetString(fs, name, value); err != nil {
			return none, during(name+"="+value, err)
		}
	}
	if err := kernel.FsconfigCreate(fs); err != nil {
		return none, err
	}
	return kernel.Fsmount(fs, kernel.FSMOUNT_CLOEXEC, int(attributes))
}

// builder puts mounts into their places below a root directory.
type builder struct {
	root int
	// made are the devices of what has been made here: mount points can be made in there.
	made []uint64
	// in is the directory of the last place, opened as at; the next is often in the same.
	in string
	at int
}

func newBuilder(root int) (*builder, error) {
	var stat syscall.Stat_t
	err := syscall.Fstat(root, &stat)
	return &builder{root: root, made: []uint64{stat.Dev}, at: none}, err
}

func (b *builder) close() {
	if b.at != none {
		_ = syscall.Close(b.at)
	}
}

// attach puts a mount into its place.
func (b *builder) attach(m *Mount, tree int) error {
	if m.Kind != Link && tree == none {
		return nil
	}
	name := path.Clean("/" + m.Target)[1:]
	if err := b.enter(path.Dir(name)); err != nil {
		return err
	}
	if m.Kind == Link {
		return kernel.Symlinkat(m.Source, b.at, path.Base(name))
	}
	defer syscall.Close(tree)
	var stat syscall.Stat_t
	if err := syscall.Fstat(tree, &stat); err != nil {
		return err
	}
	if m.Kind == Temporary {
		b.made = append(b.made, stat.Dev)
	}
	const flags = kernel.MOVE_MOUNT_F_EMPTY_PATH
	made := b.make(b.at, name, stat.Mode&syscall.S_IFMT == syscall.S_IFDIR)
	if made == nil {
		return kernel.MoveMount(tree, "", b.at, path.Base(name), flags)
	}
	place, err := b.lookUp(name) // it may be there
	if err == syscall.ENOENT {
		return made
	}
	if err != nil {
		return err
	}
	defer syscall.Close(place)
	return kernel.MoveMount(tree, "", place, "", flags|kernel.MOVE_MOUNT_T_EMPTY_PATH)
}

// enter opens the directory of the next place, which is made with its parents where it is missing.
func (b *builder) enter(name string) error {
	if name == b.in {
		return nil
	}
	at, err := b.directory(name)
	if err != nil {
		return err
	}
	b.close()
	b.in, b.at = name, at
	return nil
}

func (b *builder) directory(name string) (int, error) {
	place, err := b.lookUp(name)
	if err != syscall.ENOENT || name == "." {
		return place, err
	}
	parent, err := b.directory(path.Dir(name))
	if err != nil {
		return none, err
	}
	defer syscall.Close(parent)
	if err := b.make(parent, name, true); err != nil {
		return none, err
	}
	return b.lookUp(name)
}

// make makes a mount point, a directory or a file. Nothing is made on the host, where a mount shows a part of it.
func (b *builder) make(in int, name string, isDir bool) error {
	var stat syscall.Stat_t
	if err := syscall.Fstat(in, &stat); err != nil {
		return err
	}
	if !slices.Contains(b.made, stat.Dev) {
		return &os.PathError{Op: "make the mount point", Path: "/" + name, Err: syscall.EROFS}
	}
	if isDir {
		return syscall.Mkdirat(in, path.Base(name), 0o755)
	}
	return syscall.Mknodat(in, path.Base(name), syscall.S_IFREG|0o444, 0)
}

// lookUp opens a path as the program will see it.
func (b *builder) lookUp(name string) (int, error) {
	return kernel.Openat2(b.root, name, &kernel.OpenHow{Flags: kernel.O_PATH | syscall.O_CLOEXEC, Resolve: kernel.RESOLVE_IN_ROOT | kernel.RESOLVE_NO_MAGICLINKS})
}
