package client

import pb "github.com/provisor/provisor/proto/provisionerpb"

// ErrorOf is the error that a Complete carries: empty for a success, and for a Response that is no Complete.
func ErrorOf(resp *pb.Response) string {
	switch t := resp.GetType().(type) {
	case *pb.Response_Parse:
		return t.Parse.GetError()
	case *pb.Response_Init:
		return t.Init.GetError()
	case *pb.Response_Plan:
		return t.Plan.GetError()
	case *pb.Response_Apply:
		return t.Apply.GetError()
	case *pb.Response_Graph:
		return t.Graph.GetError()
	}
	return ""
}

// answered says whether a Complete follows the request.
func answered(req *pb.Request) bool {
	switch req.GetType().(type) {
	case *pb.Request_Parse, *pb.Request_Init, *pb.Request_Plan, *pb.Request_Apply, *pb.Request_Graph:
		return true
	}
	return false
}

func requestName(req *pb.Request) string {
	switch req.GetType().(type) {
	case *pb.Request_Config:
		return "config"
	case *pb.Request_Parse:
		return "parse"
	case *pb.Request_Init:
		return "init"
	case *pb.Request_Plan:
		return "plan"
	case *pb.Request_Apply:
		return "apply"
	case *pb.Request_Graph:
		return "graph"
	case *pb.Request_Cancel:
		return "cancel"
	}
	return "an empty request"
}

func responseName(resp *pb.Response) string {
	switch resp.GetType().(type) {
	case *pb.Response_Parse:
		return "parse"
	case *pb.Response_Init:
		return "init"
	case *pb.Response_Plan:
		return "plan"
	case *pb.Response_Apply:
		return "apply"
	case *pb.Response_Graph:
		return "graph"
	}
	return "no request"
}
