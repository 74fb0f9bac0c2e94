package graph

import (
	"fmt"

	"github.com/provisor/provisor/plugins/terraform/dot"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// Complete is the answer for either source, from the graph as engines print it: FromPlan or FromState, with the error as the answer's.
func Complete(source pb.GraphSource, shown, dotText []byte, o Options) *pb.GraphComplete {
	answer, err := complete(source, shown, dotText, o)
	if err != nil {
		return &pb.GraphComplete{Error: err.Error()}
	}
	return answer
}

func complete(source pb.GraphSource, shown, dotText []byte, o Options) (*pb.GraphComplete, error) {
	dependencies, err := dot.Parse(string(dotText))
	if err != nil {
		err = fmt.Errorf("read the dependency graph: %w", err)
	}
	switch {
	case err != nil:
		return nil, err
	case source == pb.GraphSource_SOURCE_PLAN:
		plan, err := show.ReadPlan(shown)
		if err != nil {
			return nil, err
		}
		return FromPlan(plan, dependencies, o)
	case source == pb.GraphSource_SOURCE_STATE:
		state, err := show.ReadState(shown)
		if err != nil {
			return nil, err
		}
		return FromState(state, dependencies, o)
	}
	return nil, fmt.Errorf("unknown graph source: %q", source)
}

func readDependencies(dotText []byte) (*dependencies, error) {
	parsed, err := dot.Parse(string(dotText))
	if err != nil {
		return nil, err
	}
	return newDependencies(parsed), nil
}
