package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/provisor/provisor/sdk-guest"
)

const (
	inventoryName = "inventory.txt"
	// maxFile is the size of the largest file that is read of a template, in bytes.
	maxFile = 1 << 20
)

// plannedFile and stateFile are in the scratch directory, where no template puts anything.
func plannedFile() string { return filepath.Join(guest.TmpDir(), "planned") }
func stateFile() string   { return filepath.Join(guest.TmpDir(), "state") }

func readInventory() ([]resource, error) {
	content, err := readTemplateFile(inventoryName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: the template has no such file", inventoryName)
	}
	if err != nil {
		return nil, err
	}
	return parseInventory(inventoryName, content)
}

func readTemplateFile(name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(guest.WorkDir(), name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: it can't be read", name)
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("%s: more than %d bytes", name, maxFile)
	}
	return content, nil
}

// keep writes resources to a file of the scratch directory, for the requests that follow.
func keep(file string, resources []resource) error {
	return os.WriteFile(file, format(resources), 0o600)
}

// kept reads them; without a file there are none.
func kept(file string) ([]resource, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseInventory(filepath.Base(file), content)
}

// forgetPlan removes the plan of an earlier request: should the one that begins fail, there is none.
func forgetPlan() error {
	if err := os.Remove(plannedFile()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
