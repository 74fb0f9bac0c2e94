package kit

import (
	"archive/tar"
	"bytes"
	"io"
)

// entry is a file of an archive.
type entry struct {
	name    string
	content []byte
}

// pack makes a tar of the entries. Writing to memory can't fail, and the names are the kit's own.
func pack(entries ...entry) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		if w.WriteHeader(&tar.Header{Name: e.name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(e.content))}) == nil {
			_, _ = w.Write(e.content)
		}
	}
	_ = w.Close()
	return out.Bytes()
}

func emptyArchive() []byte { return pack() }

// with is the archive with more entries behind those it has.
func with(archive []byte, more ...entry) ([]byte, error) {
	var out bytes.Buffer
	w, r := tar.NewWriter(&out), tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := io.Copy(w, r); err != nil {
			return nil, err
		}
	}
	added := pack(more...)
	if err := w.Flush(); err != nil {
		return nil, err
	}
	return append(out.Bytes(), added...), nil
}

// cutShort ends in the middle of a file that the headers announce.
func cutShort() []byte {
	whole := pack(entry{"cut-short.txt", bytes.Repeat([]byte("whole\n"), 1000)})
	return whole[:512+1024]
}

// padding are bytes that no format takes for its own.
func padding(size int) entry {
	return entry{"kit-padding.bin", bytes.Repeat([]byte{0xfe, 0x00, 'k', 0xff}, size/4)}
}
