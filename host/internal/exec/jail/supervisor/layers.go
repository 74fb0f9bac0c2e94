package supervisor

// The parts of a jail.
const (
	LayerProcessTree = "process-tree"
)
