//go:build race

package jail

// detector is by how many times, as a power of two, a process takes more memory than otherwise.
const detector = 3
