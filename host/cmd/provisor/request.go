package main

import (
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/provisor/provisor/host/internal/values"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// planRequest is what the flags say about the plan, without the state.
func planRequest(c *cli.Context, transition pb.WorkspaceTransition, dir string) (*pb.PlanRequest, error) {
	params, err := values.Parse(c.StringSlice("param-file"), c.StringSlice("param"))
	if err != nil {
		return nil, usagef("--param: %w", err)
	}
	vars, err := values.Parse(c.StringSlice("var-file"), c.StringSlice("var"))
	if err != nil {
		return nil, usagef("--var: %w", err)
	}
	metadata := defaultMetadata(dir)
	if file := c.String("metadata"); file != "" {
		if metadata, err = readMetadata(file); err != nil {
			return nil, err
		}
	}
	if transition != pb.WorkspaceTransition_START {
		metadata.WorkspaceTransition = transition
	}
	request := &pb.PlanRequest{Metadata: metadata}
	for _, p := range params {
		request.RichParameterValues = append(request.RichParameterValues, &pb.RichParameterValue{Name: p.Name, Value: p.Text})
	}
	for _, v := range vars {
		request.VariableValues = append(request.VariableValues, &pb.VariableValue{Name: v.Name, Value: v.Text})
	}
	return request, nil
}

func readMetadata(file string) (*pb.Metadata, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, usagef("--metadata: %w", err)
	}
	metadata := &pb.Metadata{}
	if err := protojson.Unmarshal(content, metadata); err != nil {
		return nil, usagef("--metadata %s: not a Metadata message in JSON: %w", file, err)
	}
	return metadata, nil
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// defaultMetadata describes a workspace of the current user named after the directory. The ids are derived from the
// directory's path, so that a second run is of the same workspace.
func defaultMetadata(dir string) *pb.Metadata {
	path, err := filepath.Abs(dir)
	if err != nil {
		path = dir
	}
	name := strings.Trim(notName.ReplaceAllString(strings.ToLower(filepath.Base(path)), "-"), "-")
	if name == "" {
		name = "workspace"
	}
	owner, fullName := "default", "Default"
	if u, err := user.Current(); err == nil {
		owner = strings.Trim(notName.ReplaceAllString(strings.ToLower(filepath.Base(u.Username)), "-"), "-")
		fullName = u.Name
	}
	id := func(what string) string {
		return uuid.NewSHA1(uuid.NameSpaceURL, []byte("file://"+filepath.ToSlash(path)+"#"+what)).String()
	}
	return &pb.Metadata{
		CoderUrl:            "http://localhost:3000/",
		WorkspaceTransition: pb.WorkspaceTransition_START,
		WorkspaceName:       name,
		WorkspaceId:         id("workspace"),
		WorkspaceBuildId:    id("build"),
		WorkspaceOwner:      owner,
		WorkspaceOwnerName:  fullName,
		WorkspaceOwnerId:    id("owner"),
		WorkspaceOwnerEmail: owner + "@localhost",
		TemplateName:        name,
		TemplateId:          id("template"),
		TemplateVersion:     "local",
		TemplateVersionId:   id("version"),
	}
}
