package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"path/filepath"
	"syscall"

	"github.com/provisor/provisor/host/internal/server/endpoint"
)

// Client asks a daemon's admin socket. It keeps connections; see Close.
type Client struct {
	socket string
	http   http.Client
}

// Dial returns a client of the daemon with that admin socket; empty = this user's own daemon. It connects when something is asked.
func Dial(socket string) (*Client, error) {
	if socket == "" {
		own, err := endpoint.Parse("")
		if err != nil {
			return nil, err
		}
		if socket, err = own.AdminSocket(); err != nil {
			return nil, err
		}
	}
	// What is asked for changes what programs run: it must not be somebody else who answers.
	if err := endpoint.CheckDirectory(filepath.Dir(socket)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("connect to the admin socket %s: %w", socket, err)
	}
	c := &Client{socket: socket}
	c.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		MaxResponseHeaderBytes: maxHeader,
	}
	return c, nil
}

// Close closes the client's connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Request is a request of a client.
type Request struct {
	Method, Path string
	Query        url.Values
	// Body is a JSON document to send; or Upload, whose length is Size, are the bytes themselves.
	Body   any
	Upload io.Reader
	Size   int64
	// Step is told of each step that the daemon says it is at; nil = nobody.
	Step func(text string)
}

// stepHeader carries what the daemon is doing, in informational responses before the final one.
const stepHeader = "Provisor-Step"

// Do sends a request and decodes the answer into v, unless that is nil. An *Error is what the daemon answered.
func (c *Client) Do(ctx context.Context, r Request, v any) error {
	req, err := c.request(ctx, r)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read the answer of the daemon at %s: %w", c.socket, err)
	}
	if resp.StatusCode/100 != 2 {
		failure := &Error{Status: resp.StatusCode}
		if json.Unmarshal(body, failure) != nil || failure.Text == "" {
			failure.Text = fmt.Sprintf("the daemon at %s answered %s", c.socket, resp.Status)
		}
		return failure
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("read the answer of the daemon at %s: %w; is it of another version?", c.socket, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	body := r.Upload
	if r.Body != nil {
		b, err := json.Marshal(r.Body)
		if err != nil {
			return nil, err
		}
		body, r.Size = bytes.NewReader(b), int64(len(b))
	}
	if r.Step != nil {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
			if text := header.Get(stepHeader); text != "" {
				r.Step(text)
			}
			return nil
		}})
	}
	u := url.URL{Scheme: "http", Host: "provisor", Path: r.Path, RawQuery: r.Query.Encode()}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = r.Size
	return req, nil
}

// explain says what to do where nobody answers.
func (c *Client) explain(err error) error {
	var failure *url.Error
	if errors.As(err, &failure) {
		err = failure.Err
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no daemon listens at the admin socket %s: start one with provisor serve, or name its socket with --admin-socket (%w)", c.socket, err)
	}
	return fmt.Errorf("ask the daemon at %s: %w", c.socket, err)
}

// Step tells the request's client what the daemon is doing now.
func Step(w http.ResponseWriter, text string) {
	w.Header().Set(stepHeader, text)
	w.WriteHeader(http.StatusProcessing)
	w.Header().Del(stepHeader)
}
