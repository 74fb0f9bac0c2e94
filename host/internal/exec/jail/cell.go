package jail

// Cell is what one program may reach of the host, beside the system's programs and libraries. All paths are absolute.
type Cell struct {
	// Execute are files and directories to read and execute.
	Execute []string
	// Read are files and directories to read.
	Read []string
	// Write are directories that are the program's own: to read, write and execute.
	Write []string
	// Tmp is one of them, which is /tmp as well where the program has a root of its own.
	Tmp string
	// Offline denies the network.
	Offline bool
	// FileSize is the most bytes of one file, Memory the most bytes of memory, Processes the most processes and threads at a time; 0 = no limit.
	FileSize, Memory, Processes uint64
}
