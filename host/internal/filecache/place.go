package filecache

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// place copies an entry into a work directory: first all of it aside, then, once it has proved whole, into its place. An open
// directory, not its path, is what everything is relative to: no symlink that a session's program made leads out of it.
func place(ctx context.Context, entry string, m *manifest, work string) (err error) {
	root, err := os.OpenRoot(work)
	if err != nil {
		return err
	}
	defer root.Close()
	aside := ".restore-" + strings.ToLower(rand.Text())
	if err := root.Mkdir(aside, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.RemoveAll(aside)) }()
	if err := copyOut(ctx, root, aside, entry, m); err != nil {
		return err
	}
	for _, p := range m.Paths {
		if err := root.MkdirAll(path.Dir(p), 0o700); err != nil {
			return err
		}
		if err := root.RemoveAll(p); err != nil {
			return err
		}
		if err := root.Rename(path.Join(aside, p), p); err != nil {
			return err
		}
	}
	return nil
}

// copyOut copies an entry into the directory dir of root.
func copyOut(ctx context.Context, root *os.Root, dir, entry string, m *manifest) error {
	for _, p := range m.Paths {
		if err := root.MkdirAll(path.Join(dir, path.Dir(p)), 0o700); err != nil {
			return err
		}
	}
	for i, n := range m.Nodes {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := n.make(ctx, root, path.Join(dir, n.Name), contentPath(entry, i)); err != nil {
			return err
		}
	}
	// Last, and from the inside out: nothing can be made in a directory that may not be written.
	for _, n := range slices.Backward(m.Nodes) {
		if n.Mode.IsDir() {
			if err := root.Chmod(path.Join(dir, n.Name), n.Mode.Perm()|0o700); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *node) make(ctx context.Context, root *os.Root, name, content string) error {
	switch {
	case n.Mode.IsDir():
		return root.Mkdir(name, 0o700)
	case n.Link != "":
		return root.Symlink(n.Link, name)
	}
	in, err := os.Open(content)
	if err != nil {
		return &damageError{err}
	}
	defer in.Close()
	out, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	size, err := copyContent(ctx, out, in, n.Size, sum)
	if err == nil && (size != n.Size || !bytes.Equal(sum.Sum(nil), n.SHA256)) {
		err = &damageError{fmt.Errorf("the content of %q is not what was saved", n.Name)}
	}
	return errors.Join(err, out.Chmod(n.Mode&fs.ModePerm), out.Close())
}
