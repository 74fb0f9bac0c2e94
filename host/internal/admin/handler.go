package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Handler answers requests with what it returns, as JSON. An *Error says which status a failure has; any other error is the daemon's own.
type Handler func(w http.ResponseWriter, r *http.Request) (any, error)

// Error is a failure as clients get it.
type Error struct {
	// Status is HTTP's.
	Status int `json:"-"`
	// Text says what was tried, what is wrong, and what can be done.
	Text string `json:"error"`
}

// Error is the text.
func (e *Error) Error() string { return e.Text }

// Errorf makes an error with that status.
func Errorf(status int, format string, args ...any) *Error {
	return &Error{Status: status, Text: fmt.Sprintf(format, args...)}
}

// ServeHTTP implements http.Handler.
func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := h(w, r)
	if err == nil {
		write(w, http.StatusOK, answer)
		return
	}
	var failure *Error
	if !errors.As(err, &failure) {
		failure = &Error{Status: http.StatusInternalServerError, Text: err.Error()}
	}
	write(w, failure.Status, failure)
}

func write(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"the answer can't be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that has gone misses it.
	_, _ = w.Write(append(b, '\n'))
}

// maxBody is the largest JSON document in a request, in bytes.
const maxBody = 1 << 20

// ReadJSON reads the request's body into v: one JSON document without fields that v lacks.
func ReadJSON(w http.ResponseWriter, r *http.Request, v any) error {
	if err := decode(http.MaxBytesReader(w, r.Body, maxBody), v); err != nil {
		return Errorf(http.StatusBadRequest, "the request's body is not the JSON that is wanted: %v", err)
	}
	return nil
}

func decode(r io.Reader, v any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more behind the document")
	}
	return nil
}
