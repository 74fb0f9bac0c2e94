package sandbox

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// seal puts the pieces into a file in memory that nobody can change any more.
func seal(size uint64, pieces []piece) (_ *os.File, err error) {
	const name, flags = "provisor-memory", unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags) // Linux before 6.3
	}
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), name)
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	if err := file.Truncate(int64(size)); err != nil {
		return nil, err
	}
	for _, p := range pieces {
		if _, err := file.WriteAt(p.bytes, int64(p.offset)); err != nil {
			return nil, err
		}
	}
	_, err = unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	return file, err
}

// mapPrivate puts a copy of the file in the place of b, each page of it made when it is written to.
func mapPrivate(file *os.File, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := unix.MmapPtr(int(file.Fd()), 0, unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b)),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_NORESERVE)
	if err != nil {
		return fmt.Errorf("map an instance's memory: %w", err)
	}
	return nil
}
