package kit

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	pb "github.com/provisor/provisor/proto/provisionerpb"
)

// baseline is what the plugin answers when nothing is special.
type baseline struct {
	seen
	answers []answer
	// broken is what ended the session, or nil.
	broken error
}

// find is the first answer to a request of the kind.
func (b *baseline) find(kind string) (answer, bool) {
	for _, a := range b.answers {
		if a.kind == kind {
			return a, true
		}
	}
	return answer{}, false
}

// session plays a session on that variant of the host. It fails the case if the host had to answer in the plugin's place, or if the
// session broke.
func (c *check) session(v variant, level string, f func(*play)) {
	rt, err := c.runtime(c.ctx, v)
	if err != nil {
		c.errorf("%v", err)
		return
	}
	c.events()
	p := open(c.ctx, rt, level)
	f(p)
	p.close()
	c.own(p)
}

func (c *check) events() seen { return c.watch.events.take() }

// own fails the case if the plugin did not answer itself.
func (c *check) own(p *play) {
	for _, text := range c.events().failed {
		c.errorf("the host had to answer in the plugin's place: %s", firstLines(text))
	}
	if p.broken != nil {
		c.errorf("the session broke: %v", p.broken)
	}
}

// base is the baseline, found where it is not known yet.
func (c *check) base() *baseline {
	if c.normal != nil {
		return c.normal
	}
	rt, err := c.runtime(c.ctx, variant{})
	if err != nil {
		c.normal = &baseline{broken: err}
		return c.normal
	}
	c.events()
	p := open(c.ctx, rt, "")
	b := &baseline{answers: p.lifecycle(c.ctx, c.good)}
	p.close()
	b.seen = c.events()
	b.broken = p.broken
	c.normal = b
	return b
}

// same fails the case if answers differ from the baseline's.
func (c *check) same(when string, got []answer) {
	want := c.base().answers
	for i, w := range want {
		if i >= len(got) {
			c.errorf("%s, %s was not reached: %s", when, w.kind, got[len(got)-1])
			return
		}
		c.alike(when, got[i], w)
	}
}

func (c *check) alike(when string, got, want answer) {
	if (got.err == "") != (want.err == "") || got.shape != want.shape {
		c.errorf("%s, %s; otherwise %s", when, got, want)
	}
}

func (c *check) module() {
	if c.problem != nil {
		c.errorf("%v", c.problem)
	}
}

func (c *check) answers() {
	b := c.base()
	for _, text := range b.failed {
		c.errorf("the host had to answer in the plugin's place: %s", firstLines(text))
	}
	if b.broken != nil {
		c.errorf("the session broke: %v", b.broken)
	}
	for _, a := range b.answers {
		if c.demands(a.kind) && a.err != "" {
			c.errorf("%s", a)
		}
	}
}

func (c *check) respondOnce() {
	for _, text := range c.base().refused {
		c.errorf("refused %s", text)
	}
	for _, text := range c.base().failed {
		c.errorf("no answer: %s", firstLines(text))
	}
}

func (c *check) order() {
	c.session(variant{}, "", func(p *play) {
		if a := p.ask(c.ctx, initRequest(c.good)); a.err != "" {
			c.alike("the first time", a, c.base().answers[0])
			return
		}
		plan := func() bool { return p.ask(c.ctx, p.planRequest()).err == "" }
		graph := func(source pb.GraphSource) { p.ask(c.ctx, graphRequest(source)) }
		p.ask(c.ctx, parseRequest())
		p.ask(c.ctx, parseRequest())
		plan()
		planned := plan()
		p.ask(c.ctx, parseRequest())
		graph(pb.GraphSource_SOURCE_STATE) // there may be none
		graph(pb.GraphSource_SOURCE_PLAN)
		if planned {
			p.ask(c.ctx, applyRequest())
		}
		graph(pb.GraphSource_SOURCE_PLAN)
		graph(pb.GraphSource_SOURCE_UNKNOWN)
		p.ask(c.ctx, parseRequest())
		destroy := p.planRequest()
		destroy.GetPlan().Metadata.WorkspaceTransition = pb.WorkspaceTransition_DESTROY
		if p.ask(c.ctx, destroy).err == "" {
			p.ask(c.ctx, applyRequest())
		}
	})
}

func (c *check) unknownFields() {
	c.session(variant{}, "", func(p *play) {
		// Field 2000, a string: beyond what the protocol has.
		unknown := []byte{0x82, 0x7d, 3, 'n', 'e', 'w'}
		for i, req := range []*pb.Request{initRequest(c.good), parseRequest(), p.planRequest(), graphRequest(pb.GraphSource_SOURCE_PLAN), applyRequest()} {
			message := req.ProtoReflect()
			field := message.WhichOneof(message.Descriptor().Oneofs().ByName("type"))
			message.Mutable(field).Message().SetUnknown(unknown)
			message.SetUnknown(unknown)
			a := p.ask(c.ctx, req)
			if i < len(c.base().answers) {
				c.alike("with unknown fields", a, c.base().answers[i])
			}
			if a.err != "" && (a.kind == "init" || a.kind == "plan") {
				return
			}
		}
	})
}

func (c *check) largeArchive() {
	large, err := with(c.good, padding(8<<20))
	if err != nil {
		c.errorf("enlarge the template: %v", err)
		return
	}
	c.session(variant{}, "", func(p *play) { c.same("with 8 MiB more in the template", p.lifecycle(c.ctx, large)) })
}

func (c *check) largeValues() {
	c.session(variant{}, "", func(p *play) {
		if p.ask(c.ctx, initRequest(c.good)).err != "" {
			return
		}
		text := strings.Repeat("large ", 1<<20/6)
		plan := p.planRequest()
		plan.GetPlan().State = []byte(`{"kit": "` + strings.Repeat(text, 4) + `"}`)
		p.ask(c.ctx, plan)
		plan = p.planRequest()
		plan.GetPlan().VariableValues = []*pb.VariableValue{{Name: "kit", Value: text}}
		plan.GetPlan().RichParameterValues = []*pb.RichParameterValue{{Name: "kit", Value: text}}
		p.ask(c.ctx, plan)
	})
}

func (c *check) freshInstance() {
	c.session(variant{fresh: true}, "", func(p *play) {
		c.same("with a fresh instance for each request", p.lifecycle(c.ctx, c.good))
	})
}

func (c *check) logLevel() {
	c.session(variant{}, "error", func(p *play) {
		c.same("with logs of level error only", p.lifecycle(c.ctx, c.good))
		if p.low > 0 {
			c.errorf("%d of %d logs were below the level", p.low, p.logs)
		}
	})
}

// sessionsAtOnce is how many sessions are run at once.
const sessionsAtOnce = 4

// atOnce has every second session use another template, so that an answer that went astray is noticed.
func (c *check) atOnce() {
	rt, err := c.runtime(c.ctx, variant{})
	if err != nil {
		c.errorf("%v", err)
		return
	}
	templates := [][]byte{c.good, emptyArchive()}
	var alone [2][]answer
	for i, archive := range templates {
		p := open(c.ctx, rt, "")
		alone[i] = p.lifecycle(c.ctx, archive)
		p.close()
	}
	c.events()
	var group sync.WaitGroup
	plays, answers := make([]*play, sessionsAtOnce), make([][]answer, sessionsAtOnce)
	for i := range sessionsAtOnce {
		group.Go(func() {
			plays[i] = open(c.ctx, rt, "")
			answers[i] = plays[i].lifecycle(c.ctx, templates[i%2])
			plays[i].close()
		})
	}
	group.Wait()
	for i, p := range plays {
		c.own(p)
		describe := func(a answer) string { return fmt.Sprintf("%s/%t/%s", a.kind, a.err == "", a.shape) }
		if !slices.EqualFunc(answers[i], alone[i%2], func(a, b answer) bool { return describe(a) == describe(b) }) {
			c.errorf("session %d of %d at once: %v; alone %v", i+1, sessionsAtOnce, answers[i], alone[i%2])
		}
	}
}
