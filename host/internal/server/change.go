package server

import (
	"errors"
	"fmt"

	"github.com/provisor/provisor/host/internal/server/endpoint"
)

// Change is other options for a server, found good and not in force yet. Commit or Discard is to be called once.
type Change struct {
	server  *Server
	options *Options
	// listeners are all that there will be, with their settings; those that are new are open already.
	listeners []*listener
	settings  []*settings
	opened    []*listener
}

// Prepare gets all ready for other options: new addresses are opened, certificates are read. Nothing changes for clients before Commit,
// which can't fail. No two changes may be prepared at once.
func (s *Server) Prepare(o Options) (_ *Change, err error) {
	o = o.withDefaults()
	c := &Change{server: s, options: &o}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Discard())
		}
	}()
	if err := c.checkFixed(); err != nil {
		return nil, err
	}
	var errs []error
	for _, l := range o.Listeners {
		errs = append(errs, c.add(l))
	}
	return c, errors.Join(errs...)
}

// checkFixed says which options can't change any more.
func (c *Change) checkFixed() error {
	old := c.server.options.Load()
	if old == nil {
		return c.options.check()
	}
	fixed := func(setting string, same bool) error {
		if same {
			return nil
		}
		return fmt.Errorf("%s can't change while the daemon runs: restart it, or leave it as it is", setting)
	}
	return errors.Join(c.options.check(),
		fixed(settingMaxMessage, old.MaxMessage == c.options.MaxMessage),
		fixed(settingKeepalive, old.Keepalive == c.options.Keepalive),
		fixed(settingStreamsPerConnection, old.StreamsPerConnection == c.options.StreamsPerConnection),
	)
}

// add gets a listener ready.
func (c *Change) add(o Listener) error {
	e, err := endpoint.Parse(o.Address)
	if err != nil {
		return err
	}
	for _, l := range c.listeners {
		if l.endpoint == e {
			return fmt.Errorf("listen on %s: it is listed twice", e)
		}
	}
	if err := o.check(e, c.options.Access); err != nil {
		return fmt.Errorf("listen on %s: %w", e, err)
	}
	set, err := newSettings(o)
	if err != nil {
		return fmt.Errorf("listen on %s: set up TLS: %w", e, err)
	}
	l := c.server.listenerOf(e)
	if l == nil {
		if l, err = c.server.openListener(e, c.options, set); err != nil {
			return err
		}
		c.opened = append(c.opened, l)
	}
	c.listeners, c.settings = append(c.listeners, l), append(c.settings, set)
	return nil
}

// listenerOf is the open listener of an endpoint, or nil.
func (s *Server) listenerOf(e endpoint.Endpoint) *listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.open {
		if l.endpoint == e {
			return l
		}
	}
	return nil
}

// Commit puts the options into force. Sessions that are open go on as they began, also on addresses that are no more.
func (c *Change) Commit() {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		c.discard()
		return
	}
	s.options.Store(c.options)
	s.access.Store(c.options.Access)
	s.streams.setLimit(c.options.Streams)
	kept := make(map[*listener]bool, len(c.listeners))
	for i, l := range c.listeners {
		l.settings.Store(c.settings[i])
		kept[l] = true
	}
	for _, l := range s.open {
		if !kept[l] {
			c.options.Log.Info("listening no more", "address", l.address())
			if err := s.drainListener(l); err != nil {
				c.options.Log.Warn("close a listener", "address", l.address(), "error", err)
			}
		}
	}
	s.open = c.listeners
	for _, l := range c.opened {
		c.announce(l)
		if s.serving {
			s.serve(l)
		}
	}
}

// announce says in the log who is let in at the listener.
func (c *Change) announce(l *listener) {
	set, log := l.settings.Load(), c.options.Log
	log.Info("listening", "address", l.address(), "tls", set.tls, "tokens", c.options.Access.Tokens(), "anonymous", set.anonymous.Name())
	if c.options.Access.Tokens() > 0 && !set.tls && !l.endpoint.Loopback() {
		log.Warn("tokens cross the network in the clear: give a TLS certificate", "address", l.address())
	}
}

// Discard closes what Prepare has opened.
func (c *Change) Discard() error { return c.discard() }

func (c *Change) discard() error {
	var errs []error
	for _, l := range c.opened {
		l.grpc.Stop()
		errs = append(errs, l.close())
	}
	c.opened = nil
	return errors.Join(errs...)
}
