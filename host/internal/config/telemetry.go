package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/provisor/provisor/host/internal/server/endpoint"
)

// Telemetry says how a daemon is watched from outside.
type Telemetry struct {
	// Listen is where metrics and health are served: unix:PATH or HOST:PORT; empty = nowhere.
	Listen string
	// Insecure lets others than this machine reach that.
	Insecure bool
	Traces   Traces
}

// Traces says where spans of sessions are sent.
type Traces struct {
	// Endpoint is the HOST:PORT of a collector that takes OTLP over gRPC; empty = nowhere.
	Endpoint string
	// Insecure speaks to it without TLS; CA is a file with the certificates that sign its own.
	Insecure bool
	CA       string
	// HeadersFile has what is sent along; see ReadHeaders.
	HeadersFile string
	// SampleRatio is the share of sessions that are traced, from 0 to 1.
	SampleRatio float64
}

func (r *reader) telemetry(s *telemetryShape) {
	if s == nil {
		return
	}
	c := &r.config.Telemetry
	c.Insecure = deref(s.Insecure)
	r.traces(s.Traces)
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

func (r *reader) traces(s *tracesShape) {
	if s == nil {
		return
	}
	c := &r.config.Telemetry.Traces
	*c = Traces{
		Endpoint: s.Endpoint, Insecure: deref(s.Insecure), CA: r.file(s.Body, "ca", s.CA), HeadersFile: r.file(s.Body, "headers_file", s.HeadersFile),
		SampleRatio: 1,
	}
	if host, port, err := net.SplitHostPort(c.Endpoint); err != nil || host == "" || port == "" || strings.Contains(port, "/") {
		r.problem(s.Body, "endpoint", "endpoint is %q: want the HOST:PORT of a collector that takes OTLP over gRPC, such as \"localhost:4317\"", c.Endpoint)
	}
	if c.Insecure && c.CA != "" {
		r.problem(s.Body, "ca", "ca is for TLS, and insecure = true is without: leave one of them out")
	}
	if s.SampleRatio != nil {
		c.SampleRatio = *s.SampleRatio
		if !(c.SampleRatio >= 0 && c.SampleRatio <= 1) {
			r.problem(s.Body, "sample_ratio", "sample_ratio is %v: want a share from 0 to 1", c.SampleRatio)
		}
	}
	if c.HeadersFile != "" && r.files.isFile(c.HeadersFile) == nil {
		if err := r.files.headers(c.HeadersFile); err != nil {
			r.problem(s.Body, "headers_file", "%v", err)
		}
	}
}

// maxHeaders is the largest file of headers, in bytes.
const maxHeaders = 64 << 10

// ReadHeaders reads a file with a header in each line, NAME: VALUE. No value of it is in an error.
func ReadHeaders(path string) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxHeaders {
		err = fmt.Errorf("%s has more than %d bytes", path, maxHeaders)
	}
	if err != nil {
		return nil, fmt.Errorf("read the headers: %w", err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the headers: %w", err)
	}
	headers, err := parseHeaders(string(content))
	if err != nil {
		return nil, fmt.Errorf("read the headers in %s: %w", path, err)
	}
	return headers, nil
}

func parseHeaders(content string) (map[string]string, error) {
	headers := make(map[string]string)
	n := 0
	for line := range strings.Lines(content) {
		n++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) || strings.HasPrefix(name, "grpc-") {
			return nil, fmt.Errorf("line %d: want NAME: VALUE", n)
		}
		if _, twice := headers[name]; twice {
			return nil, fmt.Errorf("line %d: the header is there already", n)
		}
		headers[name] = value
	}
	if len(headers) == 0 {
		return nil, errors.New("there are none")
	}
	return headers, nil
}
