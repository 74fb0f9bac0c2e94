package exec

import (
	"os"

	"github.com/provisor/provisor/proto/guestpb"
)

// killedExitCode is what a job object gives the processes that it ends.
const killedExitCode = 0xC000013A

func exitOf(state *os.ProcessState) *guestpb.ExecResult {
	return &guestpb.ExecResult{ExitCode: int32(state.ExitCode())}
}

func wasKilled(state *os.ProcessState) bool { return uint32(state.ExitCode()) == killedExitCode }
