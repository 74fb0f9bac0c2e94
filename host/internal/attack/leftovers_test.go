package attack

import (
	"os"
	"testing"
)

// descriptors is how many descriptors this process has open. Where the system does not tell, it is none.
func descriptors(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return len(entries) - 1 // that of the directory itself
}
