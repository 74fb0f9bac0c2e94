package main

import (
	"os"
	"testing"
)

// TestHeader keeps the committed header equal to the constants.
func TestHeader(t *testing.T) {
	committed, err := os.ReadFile("../../provisor.h")
	if err != nil {
		t.Fatal(err)
	}
	if string(committed) != Header() {
		t.Error("abi/provisor.h is out of date: run go generate ./abi")
	}
}
