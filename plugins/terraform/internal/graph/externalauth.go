package graph

import (
	"maps"
	"slices"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/values"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// externalAuthProviders are the services that the user has to log in to, by id. coder_git_auth is what coder_external_auth
// was called before; where both name an id, the new one counts. A service that is named twice is optional only if it is
// each time.
func (x *extraction) externalAuthProviders() ([]*pb.ExternalAuthProviderResource, error) {
	byID := make(map[string]*pb.ExternalAuthProviderResource)
	for _, resourceType := range []string{"coder_git_auth", "coder_external_auth"} {
		ofType := make(map[string]*pb.ExternalAuthProviderResource)
		for _, r := range x.dataOfType(resourceType) {
			v := values.Parse(r.Address, r.Values)
			provider := &pb.ExternalAuthProviderResource{Id: v.String("id"), Optional: v.Bool("optional")}
			if err := v.Err(); err != nil {
				return nil, err
			}
			if other := ofType[provider.GetId()]; other != nil {
				provider.Optional = provider.GetOptional() && other.GetOptional()
			}
			ofType[provider.GetId()] = provider
		}
		maps.Copy(byID, ofType)
	}
	var list []*pb.ExternalAuthProviderResource
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		list = append(list, byID[id])
	}
	return list, nil
}
