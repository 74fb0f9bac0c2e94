package jail

import (
	"encoding/binary"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// deniedCalls are system calls that no engine, provider or usual tool needs, and that lead to much code in the kernel, to other processes
// or to the machine as a whole.
var deniedCalls = append([]uint32{
	// Other processes.
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
	// Mounts and namespaces; clone and unshare are looked at more closely.
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_SETNS, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN,
	unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_OPEN_BY_HANDLE_AT,
	// The machine.
	unix.SYS_REBOOT, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME,
	unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_SYSLOG, unix.SYS_VHANGUP, unix.SYS_NFSSERVCTL, unix.SYS_LOOKUP_DCOOKIE,
	// Much code for few users, with a history.
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_FANOTIFY_INIT, unix.SYS_MOVE_PAGES, unix.SYS_MIGRATE_PAGES,
}, deniedCallsHere...)

const (
	namespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	// x32 is the bit of the system calls of a third kind of programs on amd64; on arm64 no number is so high.
	x32 = 0x40000000
)

// Where struct seccomp_data has what: the number, the architecture, and the lower half of the arguments, on a little-endian machine.
const (
	dataNumber   = 0
	dataArch     = 4
	dataArgument = 16
)

var (
	allow = bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	deny  = refuse(unix.EPERM)
)

func refuse(errno unix.Errno) bpf.Instruction {
	return bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(errno)}
}

func load(offset uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: offset, Size: 4} }

// baseFilter denies what no engine needs.
func baseFilter() ([]byte, error) {
	program := append(beginning(), denied(slices.Sorted(slices.Values(deniedCalls)))...)
	// Its arguments are in memory, where a filter can't look. The C library falls back to clone.
	program = append(program, when(unix.SYS_CLONE3, refuse(unix.ENOSYS))...)
	program = append(program, when(unix.SYS_CLONE, hasBits(0, namespaceFlags)...)...)
	program = append(program, when(unix.SYS_UNSHARE, hasBits(0, namespaceFlags|unix.CLONE_NEWTIME)...)...)
	// What is written into a terminal's input, its shell executes.
	program = append(program, when(unix.SYS_IOCTL, isOneOf(1, deny, allow, unix.TIOCSTI, unix.TIOCLINUX)...)...)
	unknown := refuse(unix.EAFNOSUPPORT)
	program = append(program, when(unix.SYS_SOCKET, isOneOf(0, allow, unknown, unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK)...)...)
	return assemble(append(program, allow))
}

// offlineFilter denies all sockets but those of the machine itself. Descriptors of others can't come from outside: the daemon passes none on.
func offlineFilter() ([]byte, error) {
	unknown := refuse(unix.EAFNOSUPPORT)
	program := append(beginning(), when(unix.SYS_SOCKET, isOneOf(0, allow, unknown, unix.AF_UNIX, unix.AF_NETLINK)...)...)
	for _, ring := range []uint32{unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER} {
		program = append(program, when(ring, deny)...) // they make sockets, too
	}
	return assemble(append(program, allow))
}

// beginning refuses what a filter does not know how to read, and ends with the call's number at hand.
func beginning() []bpf.Instruction {
	return []bpf.Instruction{
		// A program for another architecture numbers its calls differently: nothing that follows would hold.
		load(dataArch),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS},
		load(dataNumber),
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: x32, SkipFalse: 1},
		refuse(unix.ENOSYS),
	}
}

// denied denies system calls, in the order of their numbers, by bisection: the kernel runs a filter that is installed for each call there is, to
// know which are always allowed.
func denied(calls []uint32) []bpf.Instruction {
	const few = 8
	if len(calls) > few {
		half := len(calls) / 2
		low, high := denied(calls[:half]), denied(calls[half:])
		low = append(low, bpf.Jump{Skip: uint32(len(high))})
		return slices.Concat([]bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: calls[half], SkipTrue: uint8(len(low))}}, low, high)
	}
	var program []bpf.Instruction
	for i, call := range calls {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: call, SkipTrue: uint8(len(calls) - i)})
	}
	return append(program, bpf.Jump{Skip: 1}, deny)
}

// when does something, which must end in a verdict, for one system call.
func when(call uint32, then ...bpf.Instruction) []bpf.Instruction {
	return append([]bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: uint8(len(then))}}, then...)
}

// hasBits denies a call if an argument has one of the bits.
func hasBits(argument, bits uint32) []bpf.Instruction {
	return []bpf.Instruction{load(dataArgument + 8*argument), bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: bits, SkipFalse: 1}, deny, allow}
}

// isOneOf gives one verdict if an argument is one of the values, and the other if not.
func isOneOf(argument uint32, is, isNot bpf.Instruction, values ...uint32) []bpf.Instruction {
	program := []bpf.Instruction{load(dataArgument + 8*argument)}
	for i, v := range values {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: uint8(len(values) - i)})
	}
	return append(program, isNot, is)
}

// assemble is the program as an array of struct sock_filter.
func assemble(program []bpf.Instruction) ([]byte, error) {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, err
	}
	var code []byte
	for _, r := range raw {
		code = binary.NativeEndian.AppendUint16(code, r.Op)
		code = append(code, r.Jt, r.Jf)
		code = binary.NativeEndian.AppendUint32(code, r.K)
	}
	return code, nil
}
