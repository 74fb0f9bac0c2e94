package admin

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/provisor/provisor/host/internal/daemontest"
	"github.com/provisor/provisor/host/internal/server/endpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves what set hangs on a server until the test ends, and returns a client of it.
func serve(t *testing.T, set func(*Server)) *Client {
	t.Helper()
	s, err := Listen(filepath.Join(daemontest.SocketDir(t), "s"), nil)
	if err != nil {
		t.Fatal(err)
	}
	set(s)
	daemontest.Serve(t, s.Serve)
	c, err := Dial(s.Socket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

type greeting struct {
	Name string `json:"name"`
}

func greet(w http.ResponseWriter, r *http.Request) (any, error) {
	var g greeting
	if err := ReadJSON(w, r, &g); err != nil {
		return nil, err
	}
	switch g.Name {
	case "nobody":
		return nil, Errorf(http.StatusConflict, "there is nobody")
	case "broken":
		return nil, errors.New("it broke")
	case "panic":
		panic("oh no")
	}
	Step(w, "thinking of "+g.Name)
	Step(w, "greeting "+g.Name)
	return greeting{"hello " + g.Name}, nil
}

func TestDo(t *testing.T) {
	c := serve(t, func(s *Server) { s.Handle("POST /greet", Handler(greet)) })
	for name, tt := range map[string]struct {
		request Request
		want    string
		status  int
	}{
		"an answer":          {Request{Method: "POST", Path: "/greet", Body: greeting{"you"}}, "hello you", 0},
		"a failure":          {Request{Method: "POST", Path: "/greet", Body: greeting{"nobody"}}, "there is nobody", 409},
		"the daemon's own":   {Request{Method: "POST", Path: "/greet", Body: greeting{"broken"}}, "it broke", 500},
		"an unknown path":    {Request{Method: "GET", Path: "/nowhere"}, "of another version", 404},
		"an unknown method":  {Request{Method: "GET", Path: "/greet"}, "of another version", 404},
		"no JSON":            {Request{Method: "POST", Path: "/greet", Upload: strings.NewReader("{"), Size: 1}, "not the JSON that is wanted", 400},
		"an unknown field":   {Request{Method: "POST", Path: "/greet", Body: map[string]int{"age": 7}}, `unknown field "age"`, 400},
		"two documents":      {Request{Method: "POST", Path: "/greet", Upload: strings.NewReader("{}{}"), Size: 4}, "more behind the document", 400},
		"a document too big": {Request{Method: "POST", Path: "/greet", Body: greeting{strings.Repeat("x", maxBody)}}, "too large", 400},
	} {
		t.Run(name, func(t *testing.T) {
			var steps []string
			tt.request.Step = func(text string) { steps = append(steps, text) }
			var answer greeting
			err := c.Do(t.Context(), tt.request, &answer)
			if tt.status == 0 {
				if err != nil || answer.Name != tt.want {
					t.Errorf("got %q, %v, want %q", answer.Name, err, tt.want)
				}
				if got := strings.Join(steps, ", "); got != "thinking of you, greeting you" {
					t.Errorf("steps: %s", got)
				}
				return
			}
			var failure *Error
			if !errors.As(err, &failure) || failure.Status != tt.status || !strings.Contains(failure.Text, tt.want) {
				t.Errorf("got %v, want %d and %q", err, tt.status, tt.want)
			}
		})
	}
	// A panic ends the request, not the daemon.
	if err := c.Do(t.Context(), Request{Method: "POST", Path: "/greet", Body: greeting{"panic"}}, nil); err == nil {
		t.Error("no error for a request that panicked")
	}
	if err := c.Do(t.Context(), Request{Method: "POST", Path: "/greet", Body: greeting{"you"}}, nil); err != nil {
		t.Errorf("after a panic: %v", err)
	}
}

func TestSocket(t *testing.T) {
	path := filepath.Join(daemontest.SocketDir(t), "s")
	s, err := Listen(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v, want mode 0600", info.Mode(), err)
	}
	if _, err := Listen(path, nil); !errors.Is(err, endpoint.ErrInUse) {
		t.Errorf("a second daemon: %v, want %v", err, endpoint.ErrInUse)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestNobodyListens(t *testing.T) {
	c, err := Dial(filepath.Join(daemontest.SocketDir(t), "s"))
	if err != nil {
		t.Fatal(err)
	}
	err = c.Do(t.Context(), Request{Method: "GET", Path: "/"}, nil)
	if err == nil || !strings.Contains(err.Error(), "no daemon listens at the admin socket") || !strings.Contains(err.Error(), "--admin-socket") {
		t.Errorf("got %v", err)
	}
}

// TestEndOfServe ends a daemon while a request runs: its context ends, and it is answered.
func TestEndOfServe(t *testing.T) {
	s, err := Listen(filepath.Join(daemontest.SocketDir(t), "s"), nil)
	if err != nil {
		t.Fatal(err)
	}
	running := make(chan struct{})
	s.Handle("GET /wait", Handler(func(_ http.ResponseWriter, r *http.Request) (any, error) {
		close(running)
		<-r.Context().Done()
		return nil, Errorf(http.StatusServiceUnavailable, "the daemon ends")
	}))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	c, err := Dial(s.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answer := make(chan error, 1)
	go func() { answer <- c.Do(t.Context(), Request{Method: "GET", Path: "/wait"}, nil) }()
	<-running
	cancel()
	var failure *Error
	if err := <-answer; !errors.As(err, &failure) || failure.Status != http.StatusServiceUnavailable {
		t.Errorf("got %v, want an answer", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
