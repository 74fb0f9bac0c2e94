package kit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/provisor/provisor/host"
	"github.com/provisor/provisor/host/client"
	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// play is one session with the plugin. After it broke, nothing more is asked.
type play struct {
	session *client.Session
	conn    *hasty
	level   pb.LogLevel
	// logs counts what the plugin logged, low what came below the level.
	logs, low int
	// state is the state after the latest apply.
	state  []byte
	broken error
}

// answer is what came of a request.
type answer struct {
	kind string
	// err is the Complete's error; shape is what the Complete holds that does not differ from run to run.
	err, shape string
	took       time.Duration
}

func (a answer) String() string {
	if a.err != "" {
		return fmt.Sprintf("%s failed: %s", a.kind, firstLines(a.err))
	}
	return fmt.Sprintf("%s succeeded (%s)", a.kind, a.shape)
}

// open opens a session that is configured.
func open(ctx context.Context, rt *host.Runtime, level string) *play {
	local := client.InProcess(ctx, func(ctx context.Context, s client.Stream) error {
		return rt.Session(ctx, host.DefaultTenant, s)
	})
	conn := &hasty{Local: local}
	p := &play{session: client.NewSession(conn), conn: conn}
	if level == "error" {
		p.level = pb.LogLevel_ERROR
	}
	p.broken = p.session.Configure(&pb.Config{ProvisionerLogLevel: level})
	return p
}

// close ends the session, and waits until it has left nothing behind.
func (p *play) close() {
	_ = p.session.CloseSend()
	_ = p.conn.Close()
}

// hasty is a connection that can do something right after each message that is sent.
type hasty struct {
	*client.Local
	sent func()
}

// Send implements client.Conn.
func (h *hasty) Send(b []byte) error {
	err := h.Local.Send(b)
	if h.sent != nil {
		h.sent()
	}
	return err
}

// ask sends the request, and a cancel when ctx ends.
func (p *play) ask(ctx context.Context, req *pb.Request) answer {
	a := answer{kind: kindOf(req)}
	if p.broken != nil {
		a.err = "not asked, the session is broken"
		return a
	}
	began := time.Now()
	resp, err := p.session.Do(ctx, req, func(l *pb.Log) {
		p.logs++
		if l.GetLevel() < p.level {
			p.low++
		}
	})
	a.took = time.Since(began)
	if err != nil {
		p.broken = err
		a.err = err.Error()
		return a
	}
	a.err, a.shape = client.ErrorOf(resp), shapeOf(resp)
	if resp.GetApply() != nil {
		p.state = resp.GetApply().GetState()
	}
	return a
}

// lifecycle asks all there is to ask of a template, from its extraction to the graph of what was applied.
func (p *play) lifecycle(ctx context.Context, archive []byte) []answer {
	answers := []answer{p.ask(ctx, initRequest(archive))}
	if answers[0].err != "" {
		return answers
	}
	answers = append(answers, p.ask(ctx, parseRequest()), p.ask(ctx, p.planRequest()), p.ask(ctx, graphRequest(pb.GraphSource_SOURCE_PLAN)))
	if answers[2].err == "" {
		answers = append(answers, p.ask(ctx, applyRequest()), p.ask(ctx, graphRequest(pb.GraphSource_SOURCE_STATE)))
	}
	return answers
}

// request is a request of the kind, with the archive if it is an init.
func (p *play) request(archive []byte, kind string) *pb.Request {
	switch kind {
	case "init":
		return initRequest(archive)
	case "parse":
		return parseRequest()
	case "plan":
		return p.planRequest()
	case "apply":
		return applyRequest()
	}
	return graphRequest(pb.GraphSource_SOURCE_PLAN)
}

func initRequest(archive []byte) *pb.Request {
	return &pb.Request{Type: &pb.Request_Init{Init: &pb.InitRequest{TemplateSourceArchive: archive}}}
}

func parseRequest() *pb.Request {
	return &pb.Request{Type: &pb.Request_Parse{Parse: &pb.ParseRequest{}}}
}

func (p *play) planRequest() *pb.Request {
	return &pb.Request{Type: &pb.Request_Plan{Plan: &pb.PlanRequest{Metadata: metadata(), State: p.state}}}
}

func applyRequest() *pb.Request {
	return &pb.Request{Type: &pb.Request_Apply{Apply: &pb.ApplyRequest{Metadata: metadata()}}}
}

func graphRequest(source pb.GraphSource) *pb.Request {
	return &pb.Request{Type: &pb.Request_Graph{Graph: &pb.GraphRequest{Metadata: metadata(), Source: source}}}
}

// metadata describes a workspace that is no one's.
func metadata() *pb.Metadata {
	const id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	return &pb.Metadata{
		CoderUrl: "http://localhost:3000/", WorkspaceTransition: pb.WorkspaceTransition_START,
		WorkspaceName: "kit", WorkspaceId: id, WorkspaceBuildId: id, WorkspaceOwner: "kit", WorkspaceOwnerName: "Kit",
		WorkspaceOwnerId: id, WorkspaceOwnerEmail: "kit@localhost", TemplateName: "kit", TemplateId: id, TemplateVersion: "kit", TemplateVersionId: id,
	}
}

func kindOf(req *pb.Request) string {
	switch req.GetType().(type) {
	case *pb.Request_Init:
		return "init"
	case *pb.Request_Parse:
		return "parse"
	case *pb.Request_Plan:
		return "plan"
	case *pb.Request_Apply:
		return "apply"
	}
	return "graph"
}

// shapeOf sums up a Complete. Ids and times in it are new each time, so that only names and numbers are compared.
func shapeOf(resp *pb.Response) string {
	switch t := resp.GetType().(type) {
	case *pb.Response_Init:
		return names("modules", t.Init.GetModules(), (*pb.Module).GetKey)
	case *pb.Response_Parse:
		return names("variables", t.Parse.GetTemplateVariables(), (*pb.TemplateVariable).GetName)
	case *pb.Response_Plan:
		return fmt.Sprintf("plan: %t, daily cost: %d", len(t.Plan.GetPlan()) > 0, t.Plan.GetDailyCost())
	case *pb.Response_Apply:
		return fmt.Sprintf("state: %t", len(t.Apply.GetState()) > 0)
	case *pb.Response_Graph:
		return names("resources", t.Graph.GetResources(), func(r *pb.Resource) string { return r.GetType() + "." + r.GetName() }) +
			", " + names("parameters", t.Graph.GetParameters(), (*pb.RichParameter).GetName)
	}
	return ""
}

func names[T any](what string, list []T, name func(T) string) string {
	var all []string
	for _, item := range list {
		all = append(all, name(item))
	}
	slices.Sort(all)
	return fmt.Sprintf("%s: %d %s", what, len(all), strings.Join(all, " "))
}

// firstLines keeps a message short enough for a report.
func firstLines(text string) string {
	const most = 400
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}
