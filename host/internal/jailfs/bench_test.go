package jailfs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/experimental/sysfs"

	"github.com/provisor/provisor/host/internal/jailfs"
)

// BenchmarkFiles reads a directory of 1000 files and the files, and compares with wazero's mount, which holds nothing back.
func BenchmarkFiles(b *testing.B) {
	m := newMounts(b, jailfs.QuotaLimits{Bytes: 1 << 30, Files: 10_000, OpenFiles: 100})
	must(b, os.Mkdir(filepath.Join(m.work, "d"), 0o700))
	for i := range 1000 {
		must(b, os.WriteFile(filepath.Join(m.work, "d", fmt.Sprint(i)), make([]byte, 2000), 0o600))
	}
	for _, v := range []struct {
		name string
		fs   sys.FS
	}{{"jailfs", m.workFS}, {"wazero", sysfs.DirFS(m.work)}} {
		b.Run("read/"+v.name, func(b *testing.B) {
			buf := make([]byte, 4096)
			for i := 0; b.Loop(); i++ {
				f, errno := v.fs.OpenFile("d/"+fmt.Sprint(i%1000), sys.O_RDONLY, 0o600)
				if errno != 0 {
					b.Fatal(errno)
				}
				for n := 1; n > 0; {
					n, _ = f.Read(buf)
				}
				f.Close()
			}
		})
		b.Run("list/"+v.name, func(b *testing.B) {
			for b.Loop() {
				f, errno := v.fs.OpenFile("d", sys.O_RDONLY, 0o600)
				if errno != 0 {
					b.Fatal(errno)
				}
				if all, errno := f.Readdir(-1); errno != 0 || len(all) != 1000 {
					b.Fatal(len(all), errno)
				}
				f.Close()
			}
		})
	}
}
