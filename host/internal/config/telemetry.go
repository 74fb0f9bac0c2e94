package config

import (
	"strings"

	"github.com/provisor/provisor/host/internal/server/endpoint"
)

// Telemetry says how a daemon is watched from outside.
type Telemetry struct {
	// Listen is where metrics and health are served: unix:PATH or HOST:PORT; empty = nowhere.
	Listen string
	// Insecure lets others than this machine reach that.
	Insecure bool
}

func (r *reader) telemetry(s *telemetryShape) {
	if s == nil {
		return
	}
	c := &r.config.Telemetry
	c.Insecure = deref(s.Insecure)
	if s.Listen == nil {
		if c.Insecure {
			r.problem(s.Body, "insecure", "insecure is for a listen address, and there is none: leave it out")
		}
		return
	}
	c.Listen = *s.Listen
	e, err := endpoint.Parse(c.Listen)
	switch {
	case c.Listen == "":
		r.problem(s.Body, "listen", "listen is empty: want unix:PATH or HOST:PORT")
	case err != nil:
		r.problem(s.Body, "listen", "%v", err)
	case !e.Loopback() && !c.Insecure:
		r.problem(s.Body, "listen", "whoever reaches %s could read the names of tenants and plugins, and how busy they are: "+
			"listen on localhost, or say insecure = true", c.Listen)
	case e.Loopback() && c.Insecure:
		r.problem(s.Body, "insecure", "only this machine reaches %s, and insecure changes nothing: leave it out", c.Listen)
	}
	if path, ok := strings.CutPrefix(c.Listen, "unix:"); ok && !strings.HasPrefix(path, "/") {
		c.Listen = "unix:" + r.path(&path)
	}
}
