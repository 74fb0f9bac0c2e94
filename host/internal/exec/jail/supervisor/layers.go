package supervisor

// The layers of a jail, as failures name them.
const (
	LayerProcessTree     = "process-tree"
	LayerRoot            = "root"
	LayerLandlock        = "landlock"
	LayerSeccomp         = "seccomp"
	LayerNoNewPrivileges = "no-new-privs"
	LayerCapabilities    = "capabilities"
	LayerLimits          = "rlimits"
	LayerCgroup          = "cgroup"
	LayerUser            = "uid"
	LayerNetwork         = "network"
	LayerIPC             = "ipc"
)
