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

// canceled is the check that cancels requests of the kind: one at its beginning, one in its middle.
func canceled(kind string) func(*check) {
	return func(c *check) {
		normal, ok := c.base().find(kind)
		if !ok {
			c.skipped = "the plugin can't be brought to answer " + kind + ": give it a template that it takes"
			return
		}
		for _, delay := range []time.Duration{time.Millisecond, normal.took / 2} {
			c.session(variant{}, "", func(p *play) {
				if c.lead(p, kind) {
					after := c.cancel(p, kind, max(delay, time.Millisecond))
					c.follow(p, after, normal)
				}
			})
		}
	}
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

// shortestDelay is far more than sending takes, on a busy machine as well.
const shortestDelay = 20 * time.Millisecond

// cancel sends the request and, after the delay, the cancel.
func (c *check) cancel(p *play, kind string, delay time.Duration) answer {
	request := p.request(c.good, kind)
	// A request whose time is up before it is sent is not sent at all, so the time is never that short.
	ctx, stop := context.WithTimeout(c.ctx, max(delay, shortestDelay))
	defer stop()
	a := p.ask(ctx, request)
	failed, _ := c.events()
	for _, text := range failed {
		c.errorf("canceled after %v, the host had to answer in the plugin's place: %s", delay.Round(time.Millisecond), firstLines(text))
	}
	return a
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
	failed, _ := c.events()
	for _, text := range failed {
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
