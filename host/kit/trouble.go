package kit

import (
	"context"
	"strings"
	"time"
)

// bad gives the plugin an archive that it must refuse, and then a good one.
func (c *check) bad(what string, archive []byte) {
	c.session(variant{}, "", func(p *play) {
		if a := p.ask(c.ctx, initRequest(archive)); a.err == "" && p.broken == nil {
			c.errorf("%s: init succeeded", what)
			return
		}
		c.alike("after "+what, p.ask(c.ctx, initRequest(c.good)), c.base().answers[0])
	})
}

func (c *check) garbage() {
	c.bad("an archive of text", []byte(strings.Repeat("This is no tar.\n", 100)))
	c.bad("an archive of a few bytes", []byte{0xff, 0x00, 0x7f})
}

func (c *check) cutShort() { c.bad("an archive that is cut short", cutShort()) }

func (c *check) outside() {
	for _, name := range []string{"../kit-outside.txt", "kit/../../kit-outside.txt", "/kit-outside.txt"} {
		c.bad("an archive with the path "+name, pack(entry{name, []byte("outside")}))
	}
}

func (c *check) empty() {
	for _, archive := range [][]byte{emptyArchive(), nil} {
		c.session(variant{}, "", func(p *play) { p.lifecycle(c.ctx, archive) })
	}
}

// canceled is the check that cancels requests of the kind: one before the plugin gets it, and one in the middle of its work where that
// takes long enough to be met.
func canceled(kind string) func(*check) {
	return func(c *check) {
		normal, ok := c.base().find(kind)
		if !ok {
			c.skipped = "the plugin can't be brought to answer " + kind + ": give it a template that it takes"
			return
		}
		met := c.cancelAtOnce(kind, normal)
		if middle := normal.took / 2; middle >= shortestDelay {
			met = c.cancelAfter(kind, normal, middle) || met
		}
		if !met && len(c.failures) == 0 {
			c.skipped = "each " + kind + " was answered before a cancel could reach it"
		}
	}
}

// shortestDelay is far more than sending takes, on a busy machine as well.
const shortestDelay = 20 * time.Millisecond

// cancelAtOnce sends the cancel right behind the request. A fresh instance has to be made in between, so that the cancel is nearly always
// there before the plugin is; if not, another try is made.
func (c *check) cancelAtOnce(kind string, normal answer) (met bool) {
	for try := 0; try < 5 && !met && c.ctx.Err() == nil && len(c.failures) == 0; try++ {
		met = c.cancel(kind, normal, variant{fresh: true}, func(p *play) answer {
			ctx, cancel := context.WithCancel(c.ctx)
			p.conn.sent = cancel
			defer func() { p.conn.sent = nil }()
			return p.ask(ctx, p.request(c.good, kind))
		})
	}
	return met
}

func (c *check) cancelAfter(kind string, normal answer, delay time.Duration) (met bool) {
	return c.cancel(kind, normal, variant{}, func(p *play) answer {
		request := p.request(c.good, kind)
		ctx, cancel := context.WithTimeout(c.ctx, delay)
		defer cancel()
		return p.ask(ctx, request)
	})
}

// cancel plays a session in which one request of the kind is canceled, and says whether the cancel came before the answer.
func (c *check) cancel(kind string, normal answer, v variant, ask func(*play) answer) (met bool) {
	c.session(v, "", func(p *play) {
		if !c.lead(p, kind) {
			return
		}
		a := ask(p)
		seen := c.events()
		met = seen.canceled > 0
		for _, text := range seen.failed {
			c.errorf("canceled, the host had to answer in the plugin's place: %s", firstLines(text))
		}
		c.follow(p, a, normal)
	})
	return met
}

// lead takes a session to where a request of the kind may be sent.
func (c *check) lead(p *play, kind string) bool {
	if kind == "init" {
		return true
	}
	if a := p.ask(c.ctx, initRequest(c.good)); a.err != "" {
		c.errorf("before the cancel, %s", a)
		return false
	}
	if kind == "apply" || kind == "graph" {
		if a := p.ask(c.ctx, p.planRequest()); a.err != "" {
			c.errorf("before the cancel, %s", a)
			return false
		}
	}
	return true
}

// follow has the plugin answer undisturbed what it was canceled at.
func (c *check) follow(p *play, canceled, normal answer) {
	switch {
	case canceled.kind == "init" && canceled.err == "":
		// It was faster than the cancel, and after an Init that succeeded none may follow.
		return
	case canceled.kind == "apply":
		// The plan is spent, applied or not. What there is by now is the template's business.
		if p.ask(c.ctx, p.planRequest()).err == "" {
			p.ask(c.ctx, applyRequest())
		}
		return
	}
	if again := p.ask(c.ctx, p.request(c.good, canceled.kind)); p.broken == nil {
		c.alike("after a cancel", again, normal)
	}
}

// deadline lets the longest of the requests run into its deadline. One that only computes is ended by the host, which is no fault; one
// that ran programs has to answer when they are gone.
func (c *check) deadline() {
	var longest time.Duration
	for _, a := range c.base().answers {
		longest = max(longest, a.took)
	}
	rt, err := c.runtime(c.ctx, variant{requestTimeout: max(longest*6/10, 10*time.Millisecond)})
	if err != nil {
		c.errorf("%v", err)
		return
	}
	c.events()
	p := open(c.ctx, rt, "")
	p.lifecycle(c.ctx, c.good)
	p.close()
	seen := c.events()
	if seen.canceled == 0 {
		c.skipped = "each request was answered before its deadline"
	}
	for _, text := range seen.failed {
		if strings.Contains(text, lateAnswer) {
			c.errorf("%s", firstLines(text))
		}
	}
	if p.broken != nil {
		c.errorf("the session broke: %v", p.broken)
	}
}

// lateAnswer stands in the host's message about a plugin that had its grace period and let it pass.
const lateAnswer = "the plugin did not answer within"

// What the memory check gives the plugin, and what it asks of it.
const (
	littleMemory = 64 << 20
	tooMuch      = 72 << 20
)

// memory sends a request that is larger than the memory, so that no plugin can take it.
func (c *check) memory() {
	rt, err := c.runtime(c.ctx, variant{memoryBytes: littleMemory})
	if err != nil {
		c.errorf("%v", err)
		return
	}
	p := open(c.ctx, rt, "")
	if a := p.ask(c.ctx, initRequest(pack(padding(tooMuch)))); a.err == "" && p.broken == nil {
		c.errorf("an init of %d MiB succeeded in %d MiB of memory", tooMuch>>20, littleMemory>>20)
		p.close()
		return
	}
	c.events() // the host may answer in its place here
	c.alike("after a request that did not fit", p.ask(c.ctx, initRequest(c.good)), c.base().answers[0])
	p.close()
	c.own(p)
}
