package configgraph

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/provisor/provisor/plugins/terraform/internal/graph"
	"github.com/provisor/provisor/plugins/terraform/internal/statefile"
)

// elsewhere are what an engine has below the work directory if its state may not be where it is looked for.
var elsewhere = []string{"terraform.tfstate.d", ".terraform/environment"}

// checkState refuses a state that adds to the graph: with resources that the configuration has no more, or with objects that are still
// to be destroyed.
func checkState(work fs.FS, tree []*node) error {
	for _, name := range elsewhere {
		if _, err := fs.Stat(work, name); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there", name)
		}
	}
	info, err := fs.Stat(work, statefile.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", statefile.Name)
	}
	f, err := work.Open(statefile.Name)
	if err != nil {
		return err
	}
	defer f.Close()
	configured := make(map[string]bool)
	for _, n := range tree {
		for name := range n.resources {
			configured[n.within(name)] = true
		}
	}
	return readState(f, func(address string, deposed bool) error {
		switch {
		case deposed:
			return fmt.Errorf("the state has an object of %s that is still to be destroyed", address)
		case !configured[graph.WithoutKeys(address)]:
			return fmt.Errorf("the state has %s, and the configuration has not", address)
		}
		return nil
	})
}

// readState calls use with each resource that has instances, and says whether one of them has been deposed.
func readState(state io.Reader, use func(address string, deposed bool) error) error {
	s := stateReader{jsontext.NewDecoder(state, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
	if s.PeekKind() == jsontext.KindInvalid {
		if _, err := s.ReadToken(); err == io.EOF {
			return nil // engines take an empty file for no state as well
		}
	}
	known := false
	err := s.object(func(name string) error {
		switch name {
		case "version":
			version, err := s.ReadValue()
			known = string(version) == "4"
			return err
		case "resources":
			return s.array(func() error { return s.resource(use) })
		}
		return s.SkipValue()
	})
	if err == nil && !known {
		err = errors.New("a state of another version")
	}
	return err
}

type stateReader struct{ *jsontext.Decoder }

func (s stateReader) resource(use func(address string, deposed bool) error) error {
	var module, mode, kind, name string
	instances, deposed := 0, false
	texts := map[string]*string{"module": &module, "mode": &mode, "type": &kind, "name": &name}
	err := s.object(func(member string) error {
		if text := texts[member]; text != nil {
			t, err := s.ReadToken()
			if err == nil && t.Kind() == '"' {
				*text = t.String()
			}
			return err
		}
		if member != "instances" {
			return s.SkipValue()
		}
		return s.array(func() error {
			instances++
			return s.object(func(member string) error {
				deposed = deposed || member == "deposed"
				return s.SkipValue()
			})
		})
	})
	if err != nil || instances == 0 {
		return err
	}
	address := kind + "." + name
	if mode == "data" {
		address = "data." + address
	}
	if module != "" {
		address = module + "." + address
	}
	return use(address, deposed)
}

func (s stateReader) object(member func(name string) error) error {
	t, err := s.ReadToken()
	if err != nil {
		return err
	}
	if t.Kind() != '{' {
		return errors.New("no state")
	}
	for s.PeekKind() != '}' {
		name, err := s.ReadToken()
		if err == nil {
			err = member(name.String())
		}
		if err != nil {
			return err
		}
	}
	_, err = s.ReadToken()
	return err
}

func (s stateReader) array(element func() error) error {
	t, err := s.ReadToken()
	if err != nil || t.Kind() == 'n' {
		return err
	}
	if t.Kind() != '[' {
		return errors.New("no state")
	}
	for s.PeekKind() != ']' {
		if err := element(); err != nil {
			return err
		}
	}
	_, err = s.ReadToken()
	return err
}
