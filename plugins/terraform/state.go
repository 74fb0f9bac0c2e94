package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/provisor/provisor/plugins/terraform/internal/statefile"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	guest "github.com/provisor/provisor/sdk-guest"
)

// nothingToDestroy is logged where a destroy has no state.
const nothingToDestroy = "The terraform state does not exist, there is nothing to do"

func isDestroy(m *pb.Metadata) bool {
	return m.GetWorkspaceTransition() == pb.WorkspaceTransition_DESTROY
}

// stateDir is the work directory as one that has state files. What can't be in an answer is not read.
func stateDir() statefile.Dir {
	return statefile.Dir{Path: guest.WorkDir(), MaxBytes: int64(guest.SessionInfo().GetLimits().GetResponseBytes())}
}

// plannedState marks a state file that a plan's request brought and that no apply has begun to change.
func plannedState() string { return filepath.Join(guest.TmpDir(), "state-of-plan") }

// placeState puts the request's state where the engine looks for it. A request without one means that there is none, unless an
// apply of this session made the one that is there.
func placeState(state []byte) error {
	if len(state) > 0 {
		if err := os.WriteFile(plannedState(), nil, 0o600); err != nil {
			return err
		}
		return stateDir().Write(state)
	}
	err := os.Remove(plannedState())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return stateDir().Remove(statefile.Name)
}
