// SPDX-License-Identifier: BSD-3-Clause

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	// maxBody is the octets of a request: more than any that makes sense.
	maxBody = 64 << 10
	// maxConnections is how many of the unprivileged are served at a time.
	maxConnections = 64
	idleTimeout    = 30 * time.Second
	requestTimeout = 30 * time.Second
)

// Server serves the control socket.
type Server struct {
	backend Backend
	log     *slog.Logger
	http    http.Server
}

// NewServer returns a Server for a backend.
func NewServer(b Backend, log *slog.Logger) *Server {
	s := &Server{backend: b, log: log}
	mux := http.NewServeMux()
	get(mux, "/status", b.Status)
	get(mux, "/locators", b.Locators)
	get(mux, "/history", b.History)
	get(mux, "/contexts", s.contexts)
	get(mux, "/paths", b.Paths)
	get(mux, "/paths/history", b.Switches)
	post(s, mux, "/contexts/open", OpenRequest.check, b.Open)
	post(s, mux, "/contexts/close", Name.check, b.Close)
	post(s, mux, "/contexts/refresh", Name.check, b.Refresh)
	post(s, mux, "/contexts/use", UseRequest.check, b.Use)
	s.http = http.Server{
		Handler:           mux,
		ConnContext:       withPeer,
		ReadHeaderTimeout: requestTimeout,
		ReadTimeout:       requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve serves a listener, such as that of Listen, until Close.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(limit(l, privileged))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Close ends the service, and waits a moment for what is being served.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

// contexts has the tags only for those who may see them.
func (s *Server) contexts(ctx context.Context) ([]Context, error) {
	list, err := s.backend.Contexts(ctx)
	if err == nil && !peerOf(ctx).privileged {
		for i := range list {
			list[i].TagLocal, list[i].TagPeer = nil, nil
		}
	}
	return list, err
}

// get serves what anybody may see.
func get[T any](mux *http.ServeMux, path string, do func(context.Context) (T, error)) {
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		v, err := do(r.Context())
		if err != nil {
			fail(w, err)
			return
		}
		answer(w, http.StatusOK, v)
	})
}

// post serves what changes something.
func post[T any](s *Server, mux *http.ServeMux, path string, check func(T) error, do func(context.Context, T) error) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		p := peerOf(r.Context())
		if !p.privileged {
			s.log.Warn("a command was refused", "command", path, "uid", p.uid, "pid", p.pid)
			refuse(w, http.StatusForbidden, fmt.Errorf("%w: only root, the user of shim6d and the members of the socket's group may do this", fs.ErrPermission))
			return
		}
		var v T
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		d.DisallowUnknownFields()
		err := d.Decode(&v)
		if err == nil {
			err = check(v)
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		s.log.Info("command", "command", path, "uid", p.uid, "pid", p.pid, "request", v)
		if err := do(r.Context(), v); err != nil {
			fail(w, err)
			return
		}
		answer(w, http.StatusOK, struct{}{})
	})
}

// failure is what is answered when something goes wrong.
type failure struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, err error) {
	status := http.StatusConflict
	switch {
	case errors.Is(err, ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		status = http.StatusServiceUnavailable
	case errors.Is(err, fs.ErrNotExist):
		status = http.StatusNotFound
	}
	refuse(w, status, err)
}

func refuse(w http.ResponseWriter, status int, err error) { answer(w, status, failure{err.Error()}) }

func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"the answer can't be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// Who does not listen any more has no use for an error.
	_, _ = w.Write(append(b, '\n'))
}
