package environ

import pb "github.com/provisor/provisor/proto/provisionerpb"

// What encoding/json makes of a type when it is first used is made while the plugin initialises: of that a host keeps a snapshot.
func init() {
	_, _ = Apply(&pb.Metadata{WorkspaceOwnerGroups: []string{""}, WorkspaceOwnerRbacRoles: []*pb.Role{{}}}, false)
}
