package graph

import (
	"cmp"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/values"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// aiTasks are the coder_ai_tasks by address. The app is in two fields, as in the provider: older clients read sidebar_app.
func (x *extraction) aiTasks() ([]*pb.AITask, error) {
	var list []*pb.AITask
	for _, r := range x.byType["coder_ai_task"] {
		v := values.Parse(r.Address, r.Values)
		sidebarApp := ""
		if b, ok := v.Block("sidebar_app"); ok {
			sidebarApp = b.String("id")
		}
		app := cmp.Or(v.String("app_id"), sidebarApp)
		list = append(list, &pb.AITask{
			Id:         v.String("id"),
			AppId:      app,
			SidebarApp: &pb.AITaskSidebarApp{Id: app},
		})
		if err := v.Err(); err != nil {
			return nil, err
		}
	}
	return list, nil
}
