package graph

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/provisor/provisor/plugins/terraform/internal/graph/show"
	"github.com/provisor/provisor/plugins/terraform/internal/graph/values"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// appSlug is what the slug of an app looks like: it becomes a part of URLs and host names.
var appSlug = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)

func (x *extraction) attachApps(to *agents) error {
	parsed, err := x.parseApps()
	if err != nil {
		return err
	}
	for i, r := range x.byType["coder_app"] {
		if err := x.attachOne(r, parsed[i], to, x.addApp); err != nil {
			return err
		}
	}
	return nil
}

// parseApps has the values of all apps, and checks their slugs, also of those that belong to no agent.
func (x *extraction) parseApps() ([]values.Object, error) {
	var parsed []values.Object
	seen := make(map[string]string)
	for _, r := range x.byType["coder_app"] {
		v := values.Parse(r.Address, r.Values)
		slug := slugOf(r.Resource, v)
		if err := v.Err(); err != nil {
			return nil, err
		}
		if !appSlug.MatchString(slug) {
			return nil, fmt.Errorf("the app slug %q (%s) does not match %q", slug, r.Address, appSlug)
		}
		if other, ok := seen[slug]; ok {
			return nil, fmt.Errorf("duplicate app slug %q: %s and %s have the same, it must be unique in the template", slug, other, r.Address)
		}
		seen[slug] = r.Address
		parsed = append(parsed, v)
	}
	return parsed, nil
}

func (x *extraction) addApp(r *show.Resource, v values.Object, agent *pb.Agent) {
	agent.Apps = append(agent.Apps, x.newApp(r, v))
}

func (x *extraction) newApp(r *show.Resource, v values.Object) *pb.App {
	slug := slugOf(r, v)
	app := &pb.App{
		Slug:         slug,
		DisplayName:  cmp.Or(v.String("display_name"), v.String("name"), slug),
		Command:      v.String("command"),
		Url:          v.String("url"),
		Icon:         v.String("icon"),
		Subdomain:    v.Bool("subdomain"),
		Healthcheck:  healthcheck(v),
		SharingLevel: sharingLevel(v.String("share")),
		External:     v.Bool("external"),
		Order:        v.Int64("order"),
		Hidden:       v.Bool("hidden"),
		OpenIn:       openIn(v.String("open_in")),
		Group:        v.String("group"),
		Tooltip:      v.String("tooltip"),
		Id:           v.String("id"),
	}
	if app.Id == "" {
		app.Id = x.NewID()
	}
	return app
}

// slugOf: old templates have none.
func slugOf(r *show.Resource, v values.Object) string {
	return cmp.Or(v.String("slug"), r.Name)
}

func healthcheck(v values.Object) *pb.Healthcheck {
	b, ok := v.Block("healthcheck")
	if !ok {
		return nil
	}
	return &pb.Healthcheck{Url: b.String("url"), Interval: b.Int32("interval"), Threshold: b.Int32("threshold")}
}

func sharingLevel(share string) pb.AppSharingLevel {
	switch strings.ToLower(share) {
	case "authenticated":
		return pb.AppSharingLevel_AUTHENTICATED
	case "public":
		return pb.AppSharingLevel_PUBLIC
	default:
		return pb.AppSharingLevel_OWNER
	}
}

func openIn(where string) pb.AppOpenIn {
	if strings.ToLower(where) == "tab" {
		return pb.AppOpenIn_TAB
	}
	return pb.AppOpenIn_SLIM_WINDOW
}
