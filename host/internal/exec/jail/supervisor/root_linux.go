package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// enter makes the root directory and enters it. What is shown of the host is cloned before anything is put up, so that nothing that is
// put up hides it.
func (r *Root) enter() error {
	// The program may be another user's: it is to come through the directories that are made, whatever the daemon's umask is.
	defer unix.Umask(unix.Umask(0o022))
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep the mounts to itself: %w", err)
	}
	trees := make([]int, len(r.Mounts))
	for i, m := range r.Mounts {
		var err error
		if trees[i], err = m.open(); err != nil {
			return fmt.Errorf("%s %s: %w", m.Kind, m.Target, err)
		}
	}
	root, err := newMount("tmpfs", map[string]string{"mode": "0755", "size": "1M"}, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return fmt.Errorf("make the root directory: %w", err)
	}
	// Where it is for the moment does not matter: /proc is there for sure, and no longer needed.
	if err := unix.MoveMount(root, "", unix.AT_FDCWD, "/proc", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount the root directory: %w", err)
	}
	b, err := newBuilder(root)
	if err != nil {
		return fmt.Errorf("look at the root directory: %w", err)
	}
	defer b.close()
	for i, m := range r.Mounts {
		if err := b.attach(&m, trees[i]); err != nil {
			return fmt.Errorf("%s %s: %w", m.Kind, m.Target, err)
		}
	}
	readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(root, "", unix.AT_EMPTY_PATH, &readOnly); err != nil {
		return fmt.Errorf("make the root directory read-only: %w", err)
	}
	return change(root)
}

// change makes the mount the root directory of the whole process, and lets go of the old one.
func change(root int) error {
	if err := unix.Fchdir(root); err != nil {
		return fmt.Errorf("change to the root directory: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("change the root directory: %w", err)
	}
	// The old root lies on top of the new one.
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("let go of the old root directory: %w", err)
	}
	return unix.Chdir("/")
}

// none is a mount that there is nothing of.
const none = -1

// attributes are the restrictions of a mount.
func (m *Mount) attributes() uint64 {
	set := uint64(unix.MOUNT_ATTR_NOSUID)
	if !m.Devices {
		set |= unix.MOUNT_ATTR_NODEV
	}
	if !m.Write {
		set |= unix.MOUNT_ATTR_RDONLY
	}
	if m.NoExec {
		set |= unix.MOUNT_ATTR_NOEXEC
	}
	return set
}

// open makes the mount without a place.
func (m *Mount) open() (int, error) {
	switch m.Kind {
	case Bind:
		tree, err := cloneTree(m.Source, m.attributes())
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			return none, nil
		}
		return tree, err
	case Temporary:
		return newMount("tmpfs", map[string]string{"mode": "1777", "size": fmt.Sprint(m.Size), "nr_inodes": "20000"}, m.attributes())
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
	tree, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return none, err
	}
	set := unix.MountAttr{Attr_set: attributes}
	return tree, unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &set)
}

func newMount(kind string, options map[string]string, attributes uint64) (int, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return none, err
	}
	defer unix.Close(fs)
	for name, value := range options {
		if err := unix.FsconfigSetString(fs, name, value); err != nil {
			return none, fmt.Errorf("%s=%s: %w", name, value, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return none, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, int(attributes))
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
	var stat unix.Stat_t
	err := unix.Fstat(root, &stat)
	return &builder{root: root, made: []uint64{stat.Dev}, at: none}, err
}

func (b *builder) close() {
	if b.at != none {
		_ = unix.Close(b.at)
	}
}

// attach puts a mount into its place.
func (b *builder) attach(m *Mount, tree int) error {
	if m.Kind != Link && tree == none {
		return nil
	}
	name := strings.TrimPrefix(path.Clean(m.Target), "/")
	if err := b.enter(path.Dir(name)); err != nil {
		return err
	}
	if m.Kind == Link {
		return unix.Symlinkat(m.Source, b.at, path.Base(name))
	}
	defer unix.Close(tree)
	var stat unix.Stat_t
	if err := unix.Fstat(tree, &stat); err != nil {
		return err
	}
	if m.Kind == Temporary {
		b.made = append(b.made, stat.Dev)
	}
	const flags = unix.MOVE_MOUNT_F_EMPTY_PATH
	made := b.make(b.at, name, stat.Mode&unix.S_IFMT == unix.S_IFDIR)
	if made == nil {
		return unix.MoveMount(tree, "", b.at, path.Base(name), flags)
	}
	place, err := b.lookUp(name) // it may be there
	if err == unix.ENOENT {
		return made
	}
	if err != nil {
		return err
	}
	defer unix.Close(place)
	return unix.MoveMount(tree, "", place, "", flags|unix.MOVE_MOUNT_T_EMPTY_PATH)
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
	if err != unix.ENOENT || name == "." {
		return place, err
	}
	parent, err := b.directory(path.Dir(name))
	if err != nil {
		return none, err
	}
	defer unix.Close(parent)
	if err := b.make(parent, name, true); err != nil {
		return none, err
	}
	return b.lookUp(name)
}

// make makes a mount point, a directory or a file. Nothing is made on the host, where a mount shows a part of it.
func (b *builder) make(in int, name string, isDir bool) error {
	var stat unix.Stat_t
	if err := unix.Fstat(in, &stat); err != nil {
		return err
	}
	if !slices.Contains(b.made, stat.Dev) {
		return &os.PathError{Op: "make the mount point", Path: "/" + name, Err: unix.EROFS}
	}
	if isDir {
		return unix.Mkdirat(in, path.Base(name), 0o755)
	}
	return unix.Mknodat(in, path.Base(name), unix.S_IFREG|0o444, 0)
}

// lookUp opens a path as the program will see it.
func (b *builder) lookUp(name string) (int, error) {
	return unix.Openat2(b.root, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
}
