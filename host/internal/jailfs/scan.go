package jailfs

import (
	"errors"
	"io"
	"io/fs"
	"path"

	"github.com/tetratelabs/wazero/experimental/sys"
	wasys "github.com/tetratelabs/wazero/sys"
)

// scanPrice is how many entries of a scan one limit that was hit pays for: a guest that runs into its limits all day makes
// the host read no more than that many entries each time.
const scanPrice = 64

// scan credits what other programs took away of the guest's files. The lock is held.
func (q *Quota) scan() {
	q.sinceScan++
	if q.scanned > q.sinceScan*scanPrice {
		return
	}
	s := scan{charges: q.charges, seen: make(map[fileID]int64, len(q.charges))}
	for _, mount := range q.mounts {
		if err := s.walk(mount); err != nil {
			return // what was not seen may be there: no credit
		}
	}
	q.scanned, q.sinceScan = s.entries, 0
	for id, c := range q.charges {
		if c.opens > 0 {
			continue
		}
		size, ok := s.seen[id]
		if !ok {
			q.release(id, c)
			continue
		}
		gone := max(0, c.bytes-size)
		c.bytes -= gone
		q.usage.Bytes -= gone
	}
}

// A scan looks for the files that were charged.
type scan struct {
	charges map[fileID]*charge
	seen    map[fileID]int64 // their sizes
	entries int64
}

func (s *scan) walk(mount *FS) error {
	dirs := []string{"."}
	for len(dirs) > 0 {
		dir := dirs[len(dirs)-1]
		dirs = dirs[:len(dirs)-1]
		below, err := s.read(mount, dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		dirs = append(dirs, below...)
	}
	return nil
}

// read looks at one directory and returns those below it.
func (s *scan) read(mount *FS, dir string) (below []string, err error) {
	f, err := mount.root.OpenFile(dir, openDirFlags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r direntReader
	for {
		entries, err := r.read(f, 256)
		s.entries += int64(len(entries))
		for _, e := range entries {
			name := path.Join(dir, e.Name)
			if e.Type == fs.ModeDir {
				below = append(below, name)
			}
			s.look(mount, name, e)
		}
		if err == io.EOF {
			return below, nil
		} else if err != nil {
			return nil, err
		}
	}
}

func (s *scan) look(mount *FS, name string, e sys.Dirent) {
	if e.Ino != 0 {
		if _, charged := s.charges[fileID{mount.dev, e.Ino}]; !charged {
			return // spares a stat of every file that is not the guest's
		}
	}
	info, err := mount.root.Lstat(name)
	if err != nil {
		return
	}
	st := wasys.NewStat_t(info)
	s.seen[mount.id(name, &st)] = st.Size
}
