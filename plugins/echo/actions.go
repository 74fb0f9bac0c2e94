package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/provisor/provisor/plugins/echo/internal/script"
	pb "github.com/provisor/provisor/proto/provisionerpb"
	"github.com/provisor/provisor/sdk-guest"
)

// mark lies in the module's data. Whoever needs several builds that can be told apart overwrites it there, with as many bytes.
var mark = "echo-mark:00000000"

// actions do the steps of package script.
var actions = map[string]func(*performance, script.Step) error{
	"complete": (*performance).setComplete,
	"error":    func(p *performance, s script.Step) error { setError(p.complete, s.Text); return nil },
	"pad":      (*performance).pad,
	"cancel":   func(p *performance, s script.Step) error { p.onCancel = s.Text; return nil },

	"log":     func(_ *performance, s script.Step) error { guest.Log(s.Level, s.Text); return nil },
	"flood":   (*performance).flood,
	"stdout":  func(_ *performance, s script.Step) error { _, err := fmt.Fprintln(os.Stdout, s.Text); return err },
	"stderr":  func(_ *performance, s script.Step) error { _, err := fmt.Fprintln(os.Stderr, s.Text); return err },
	"request": (*performance).logRequest,
	"info":    func(*performance, script.Step) error { return logJSON(guest.SessionInfo()) },
	"mark":    func(*performance, script.Step) error { guest.Info(mark); return nil },

	"sleep":  (*performance).sleep,
	"busy":   (*performance).busy,
	"memory": (*performance).takeMemory,

	"write":  (*performance).write,
	"append": (*performance).append,
	"fill":   (*performance).fill,
	"files":  (*performance).makeFiles,
	"open":   (*performance).open,
	"read":   (*performance).read,
	"remove": func(p *performance, s script.Step) error { return os.RemoveAll(p.path(s.Path)) },
	"chmod":  (*performance).chmod,

	"env":   func(p *performance, s script.Step) error { p.env = append(p.env, s.Text); return nil },
	"dir":   func(p *performance, s script.Step) error { p.dir = s.Path; return nil },
	"stdin": func(p *performance, s script.Step) error { p.stdin, p.hasStdin = s.Text, true; return nil },
	"run":   (*performance).run,
	"start": (*performance).start,

	"cache-save":    func(_ *performance, s script.Step) error { return guest.CacheSave(s.Words[0], s.Words[1:]...) },
	"cache-restore": (*performance).restore,

	"respond":       (*performance).respondStep,
	"respond-bytes": func(p *performance, s script.Step) error { p.respond([]byte(s.Text)); return nil },
	"return":        (*performance).returnStatus,
	"panic":         func(_ *performance, s script.Step) error { panic(s.Text) },
	"crash":         (*performance).crash,
	"trap":          func(*performance, script.Step) error { return trap() },
	"exit":          func(_ *performance, s script.Step) error { os.Exit(int(s.Number)); return nil },
	"exhaust":       (*performance).exhaust,
	"spin":          func(*performance, script.Step) error { return spin() },
	"hang":          func(*performance, script.Step) error { return hang() },
	"abuse":         func(*performance, script.Step) error { return abuse() },
}

func (p *performance) setComplete(s script.Step) error {
	proto.Reset(p.complete)
	return protojson.Unmarshal(s.JSON, p.complete)
}

// setError sets the field that every Complete has.
func setError(complete proto.Message, text string) {
	text = strings.ToValidUTF8(text, "\uFFFD")
	switch c := complete.(type) {
	case *pb.InitComplete:
		c.Error = text
	case *pb.ParseComplete:
		c.Error = text
	case *pb.PlanComplete:
		c.Error = text
	case *pb.ApplyComplete:
		c.Error = text
	case *pb.GraphComplete:
		c.Error = text
	}
}

// pad makes the Complete's largest field that many bytes long.
func (p *performance) pad(s script.Step) error {
	padding := bytes.Repeat([]byte("."), int(s.Number))
	switch c := p.complete.(type) {
	case *pb.InitComplete:
		c.ModuleFiles = padding
	case *pb.ParseComplete:
		c.Readme = padding
	case *pb.PlanComplete:
		c.Plan = padding
	case *pb.ApplyComplete:
		c.State = padding
	case *pb.GraphComplete:
		c.Resources = append(c.Resources, &pb.Resource{Name: "padding", Icon: string(padding)})
	}
	return nil
}

func (p *performance) flood(s script.Step) error {
	for range s.Number {
		if p.stopped() {
			return p.ctx.Err()
		}
		guest.Log(s.Level, s.Text)
	}
	return nil
}

// logRequest logs the request, but the archive only by its size.
func (p *performance) logRequest(script.Step) error {
	if req, ok := p.req.(*pb.InitRequest); ok {
		guest.Info(fmt.Sprintf("the archive has %d bytes", len(req.GetTemplateSourceArchive())))
		return logJSON(&pb.InitRequest{OmitModuleFiles: req.GetOmitModuleFiles()})
	}
	return logJSON(p.req)
}

// logJSON logs a message as compact JSON, whose spaces package protojson leaves open on purpose.
func logJSON(m proto.Message) error {
	b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, b); err != nil {
		return err
	}
	guest.Info(compact.String())
	return nil
}
