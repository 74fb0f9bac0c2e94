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
	// User is the id of the user, and group, that the program runs as, where the layer User holds; 0 = the daemon's. What it may write is to be
	// this user's.
	User int
	// Offline denies the network.
	Offline bool
	// FileSize is the most bytes of one file, Memory the most bytes of memory, Processes the most processes and threads at a time; 0 = no limit.
	FileSize, Memory, Processes uint64
}
