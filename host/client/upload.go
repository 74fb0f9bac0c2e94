package client

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// MaxUpload is the largest upload that Upload takes: several times what a plugin packs (20 MiB of module files).
const MaxUpload = 256 << 20

// Upload puts a DataUpload and its ChunkPieces together again. The zero value is ready for use.
type Upload struct {
	head  *pb.DataUpload
	data  []byte
	next  int32
	whole bool
}

// Add takes the next DataUpload or ChunkPiece. It checks the order, the sizes and, with the last piece, the sha256.
func (u *Upload) Add(resp *pb.Response) error {
	switch t := resp.GetType().(type) {
	case *pb.Response_DataUpload:
		return u.begin(t.DataUpload)
	case *pb.Response_ChunkPiece:
		return u.piece(t.ChunkPiece)
	}
	return fmt.Errorf("a %s response is no part of an upload", responseName(resp))
}

// Data is what was uploaded; nil until the last piece has come.
func (u *Upload) Data() []byte {
	if !u.whole {
		return nil
	}
	return u.data
}

// Fill places the upload into the InitComplete that refers to it. A Complete that refers to none stays as it is, unless pieces came
// before it: then something is missing, and that is an error.
func (u *Upload) Fill(resp *pb.Response) error {
	hash := resp.GetInit().GetModuleFilesHash()
	switch {
	case u.head == nil && len(hash) == 0:
		return nil
	case u.head == nil:
		return errors.New("the init answer refers to module files that were not uploaded")
	case !u.whole:
		return fmt.Errorf("upload of %d bytes: %d of %d pieces came before the Complete", u.head.FileSize, u.next, u.head.Chunks)
	case !bytes.Equal(hash, u.head.DataHash):
		return errors.New("the Complete refers to other data than was uploaded")
	}
	resp.GetInit().ModuleFiles = u.data
	return nil
}

func (u *Upload) begin(head *pb.DataUpload) error {
	switch {
	case u.head != nil:
		return errors.New("a second upload began for the same request")
	case head.UploadType != pb.DataUploadType_UPLOAD_TYPE_MODULE_FILES:
		return fmt.Errorf("an upload of the unknown type %d", head.UploadType)
	case len(head.DataHash) != sha256.Size:
		return fmt.Errorf("upload: a sha256 has %d bytes, this one %d", sha256.Size, len(head.DataHash))
	case head.FileSize < 0 || head.FileSize > MaxUpload:
		return fmt.Errorf("upload of %d bytes: the limit is %d", head.FileSize, MaxUpload)
	case head.Chunks < 0 || int64(head.Chunks) > head.FileSize || (head.Chunks == 0) != (head.FileSize == 0):
		return fmt.Errorf("upload of %d bytes in %d pieces: not possible", head.FileSize, head.Chunks)
	}
	u.head = head
	return u.finish()
}

func (u *Upload) piece(p *pb.ChunkPiece) error {
	switch {
	case u.head == nil:
		return errors.New("a piece came before its upload")
	case u.whole:
		return fmt.Errorf("piece %d came after the last of %d", p.PieceIndex, u.head.Chunks)
	case p.PieceIndex != u.next:
		return fmt.Errorf("piece %d came where %d was due", p.PieceIndex, u.next)
	case !bytes.Equal(p.FullDataHash, u.head.DataHash):
		return fmt.Errorf("piece %d belongs to another upload", p.PieceIndex)
	case len(p.Data) == 0:
		return fmt.Errorf("piece %d is empty", p.PieceIndex) // there could be millions of them
	case int64(len(u.data)+len(p.Data)) > u.head.FileSize:
		return fmt.Errorf("piece %d goes past the upload's %d bytes", p.PieceIndex, u.head.FileSize)
	}
	u.data = append(u.data, p.Data...)
	u.next++
	return u.finish()
}

// finish checks the whole, once the last piece is there.
func (u *Upload) finish() error {
	if u.next < u.head.Chunks {
		return nil
	}
	if int64(len(u.data)) != u.head.FileSize {
		return fmt.Errorf("upload: %d bytes came, %d were announced", len(u.data), u.head.FileSize)
	}
	if sum := sha256.Sum256(u.data); !bytes.Equal(sum[:], u.head.DataHash) {
		return fmt.Errorf("upload of %d bytes: the sha256 does not match", len(u.data))
	}
	u.whole = true
	return nil
}
