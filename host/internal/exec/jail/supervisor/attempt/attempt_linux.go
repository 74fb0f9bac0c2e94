// Package attempt is a program that tries, inside a jail, what the jail should keep it from: this one, executed under Name.
package attempt

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Name is the program's first argument. The others are what it tries: names of attempts, each with what it is tried on after an equals sign. It prints
// an Outcome for each.
const Name = "provisor-jail-attempts"

// Outcome is what came of an attempt.
type Outcome struct {
	Attempt string
	// Refused is why it failed; empty = it had success.
	Refused string
}

// It is here, and not in main, for programs that embed the host.
func init() {
	if len(os.Args) > 2 && os.Args[1] == Name {
		os.Exit(tryAll(os.Args[2:]))
	}
}

// attempts are what can be tried. An error means that the jail held.
func attempts() map[string]func(on string) error {
	return map[string]func(string) error{
		// Files.
		"read":  func(path string) error { _, err := os.ReadFile(path); return err },
		"write": func(path string) error { return os.WriteFile(path, []byte("spoiled"), 0o600) },
		"list":  func(path string) error { _, err := os.ReadDir(path); return err },
		"stat":  func(path string) error { _, err := os.Stat(path); return err },
		"chmod": func(path string) error { return os.Chmod(path, 0o666) },
		"touch": func(path string) error { return unix.Utimes(path, make([]unix.Timeval, 2)) },
		"chown": func(path string) error { return os.Lchown(path, 12345, 12345) },
		// Other processes.
		"signal":      func(pid string) error { return onNumber(pid, func(pid int) error { return unix.Kill(pid, 0) }) },
		"environment": func(pid string) error { _, err := os.ReadFile("/proc/" + pid + "/environ"); return err },
		"unix-socket": func(path string) error {
			return connect(unix.AF_UNIX, unix.SOCK_STREAM, &unix.SockaddrUnix{Name: path})
		},
		"shared-memory": sharedMemory,
		"leave":         leave,
		"wait":          func(string) error { return unix.Nanosleep(&unix.Timespec{Sec: 3}, nil) },
		// The network: a port of 127.0.0.1.
		"tcp": func(port string) error { return connectPort(unix.SOCK_STREAM, port) },
		"udp": func(port string) error { return connectPort(unix.SOCK_DGRAM, port) },
		// The kernel.
		"ptrace":         func(string) error { return wrongCall(unix.SYS_PTRACE, unix.PTRACE_CONT) },
		"user-namespace": userNamespace,
		"keyring":        func(string) error { return call(unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, ^uintptr(2)) },
		"io-uring":       func(string) error { return wrongCall(unix.SYS_IO_URING_SETUP, 0) },
		"clone3":         func(string) error { return wrongCall(unix.SYS_CLONE3, 0) },
		"vsock":          func(string) error { return socket(unix.AF_VSOCK, unix.SOCK_STREAM) },
		// Rights.
		"capabilities": capabilities,
		"bounding-set": func(string) error {
			return allowedIf(unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_ADMIN, 0, 0, 0))
		},
		"new-privileges": func(string) error {
			n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
			return allowedIf(1-n, err)
		},
		"same-user": func(uid string) error { return same("user", uid, os.Getuid()) },
		// Resources.
		"core-dump": func(string) error { return limited(unix.RLIMIT_CORE, 0) },
		"open-files": func(most string) error {
			return onNumber(most, func(n int) error { return limited(unix.RLIMIT_NOFILE, uint64(n)) })
		},
		"processes": func(most string) error {
			return onNumber(most, limitedProcesses)
		},
		"memory":        useMemory,
		"memory-flood":  floodMemory,
		"process-flood": floodProcesses,
		"descriptor": func(fd string) error {
			return onNumber(fd, func(fd int) error { _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); return err })
		},
	}
}

// tryAll makes the attempts that the arguments name.
func tryAll(arguments []string) int {
	known, out := attempts(), json.NewEncoder(os.Stdout)
	for _, argument := range arguments {
		name, on, _ := strings.Cut(argument, "=")
		outcome := Outcome{Attempt: name}
		if try, ok := known[name]; !ok {
			outcome.Refused = "there is no such attempt"
		} else if err := try(on); err != nil {
			outcome.Refused = err.Error()
		}
		if out.Encode(outcome) != nil {
			return 1
		}
	}
	return 0
}

func onNumber(number string, do func(int) error) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	return do(n)
}

func socket(family, kind int) error {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func connect(family, kind int, to unix.Sockaddr) error {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, to)
}

func connectPort(kind int, port string) error {
	return onNumber(port, func(port int) error {
		fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil || kind == unix.SOCK_STREAM {
			return err
		}
		// A datagram says nothing. Whether somebody listens comes back with the next one.
		for range 2 {
			if _, err := unix.Write(fd, []byte("x")); err != nil {
				return err
			}
			unix.Nanosleep(&unix.Timespec{Nsec: 10e6}, nil)
		}
		return nil
	})
}

func sharedMemory(id string) error {
	return onNumber(id, func(id int) error {
		_, _, errno := unix.Syscall(unix.SYS_SHMAT, uintptr(id), 0, unix.SHM_RDONLY)
		return orNil(errno)
	})
}

// leave starts a process that stays for some seconds and has nothing to do with this one but its output.
func leave(string) error {
	_, err := syscall.ForkExec("/proc/self/exe", []string{"left", Name, "wait"}, &syscall.ProcAttr{
		Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	return err
}

func call(number, a, b uintptr) error {
	_, _, errno := unix.Syscall(number, a, b, 0)
	return orNil(errno)
}

// userNamespace has a process begin in a user namespace, where it would have all capabilities.
func userNamespace(string) error {
	pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}})
	if err != nil {
		return err
	}
	_, err = unix.Wait4(pid, nil, 0, nil)
	return err
}

// wrongCall makes a system call with arguments that are wrong. The kernel saying so means that the call can be made.
func wrongCall(number uintptr, a uintptr) error {
	_, _, errno := unix.Syscall(number, a, 0, 0)
	if errno == unix.EINVAL || errno == unix.EFAULT || errno == unix.ESRCH {
		return nil
	}
	return orNil(errno)
}

func orNil(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// allowedIf is an error if the value is 0.
func allowedIf(value int, err error) error {
	if err == nil && value == 0 {
		return fmt.Errorf("there is none")
	}
	return err
}

func capabilities(string) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	return allowedIf(int(data[0].Permitted|data[1].Permitted|data[0].Effective|data[1].Effective), err)
}

// same is an error unless the number is the expected one.
func same(what, want string, got int) error {
	if want != strconv.Itoa(got) {
		return fmt.Errorf("%s %d", what, got)
	}
	return nil
}

// limited is an error if a resource's limit is no higher than that.
func limited(resource int, most uint64) error {
	var l unix.Rlimit
	if err := unix.Getrlimit(resource, &l); err != nil {
		return err
	}
	if l.Max <= most {
		return fmt.Errorf("limited to %d", l.Max)
	}
	return nil
}

// limitedProcesses is limited for the number of processes: the soft limit is there from the beginning, the hard one soon.
func limitedProcesses(most int) error {
	for range 1000 {
		var l unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NPROC, &l); err != nil {
			return err
		}
		if l.Cur > uint64(most) || l.Max <= uint64(most) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return limited(unix.RLIMIT_NPROC, uint64(most))
}

// floodMemory has another process take so many bytes of memory.
func floodMemory(bytes string) error {
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"memory", Name, "memory=" + bytes}, &syscall.ProcAttr{})
	if err != nil {
		return err
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil {
		return err
	}
	if status.Signaled() {
		return fmt.Errorf("it was ended by %v", status.Signal())
	}
	return nil
}

// floodProcesses starts so many processes.
func floodProcesses(number string) error {
	return onNumber(number, func(n int) (err error) {
		spareThreads(4)
		var pids []int
		for range n {
			var pid int
			if pid, err = syscall.ForkExec("/proc/self/exe", []string{"wait", Name, "wait"}, &syscall.ProcAttr{}); err != nil {
				break
			}
			pids = append(pids, pid)
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
			_, _ = unix.Wait4(pid, nil, 0, nil)
		}
		return err
	})
}

// spareThreads has Go's runtime make threads while it can. Without one when it wants one, it ends the process.
func spareThreads(n int) {
	var there, done sync.WaitGroup
	there.Add(n)
	for range n {
		done.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			there.Done()
			there.Wait()
		})
	}
	done.Wait()
}

// useMemory takes so many bytes of memory. Whoever takes too much does not live to say so.
func useMemory(bytes string) error {
	return onNumber(bytes, func(bytes int) error {
		b, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return err
		}
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		return unix.Munmap(b)
	})
}
