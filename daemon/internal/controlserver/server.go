// SPDX-License-Identifier: BSD-3-Clause

package controlserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"shim6/daemon/control"
)

const (
	// maxBody is the most octets of a request: more than any useful request has.
	maxBody = 64 << 10
	// maxConnections is how many unprivileged connections are served at a time, and
	// maxUserConnections how many of one user: one that takes all of its own keeps no other out.
	maxConnections     = 64
	maxUserConnections = 16
	idleTimeout        = 30 * time.Second
	requestTimeout     = 30 * time.Second
	// answerTimeout is how long a peer may take to read an answer. The answer is kept in
	// memory until then.
	answerTimeout = 10 * time.Second
	// listPause is between two lists for unprivileged peers.
	listPause = 100 * time.Millisecond
)

// Server serves the control socket.
type Server struct {
	backend control.Backend
	log     *slog.Logger
	http    http.Server
	// turns has a channel for each unprivileged user that has ever asked for a list. It is held by
	// the one request of this user that is given one: the others do not wait for a user that reads
	// slowly.
	turns sync.Map
}

// NewServer returns a Server for a backend.
func NewServer(b control.Backend, log *slog.Logger) *Server {
	s := &Server{backend: b, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", look(s, b.Status))
	mux.HandleFunc("GET /locators", s.inTurn(look(s, b.Locators)))
	mux.HandleFunc("GET /history", s.inTurn(look(s, b.History)))
	mux.HandleFunc("GET /contexts", s.inTurn(look(s, s.contexts)))
	mux.HandleFunc("GET /paths", s.inTurn(look(s, b.Paths)))
	mux.HandleFunc("GET /paths/history", s.inTurn(look(s, b.Switches)))
	mux.HandleFunc("GET /protection", s.inTurn(s.protections))
	mux.HandleFunc("GET /overview", s.inTurn(look(s, b.Overview)))
	mux.HandleFunc("GET /sessions", s.inTurn(s.sessions))
	mux.HandleFunc("GET /events", s.events)
	post(s, mux, "/contexts/open", control.OpenRequest.Check, b.Open)
	post(s, mux, "/contexts/close", control.Name.Check, b.Close)
	post(s, mux, "/contexts/refresh", control.Name.Check, b.Refresh)
	post(s, mux, "/contexts/use", control.UseRequest.Check, b.Use)
	post(s, mux, "/contexts/probe", control.Name.Check, b.ProbeAll)
	post(s, mux, "/contexts/doubt", control.Name.Check, b.Doubt)
	s.http = http.Server{
		Handler:           mux,
		ConnContext:       withPeer,
		ReadHeaderTimeout: requestTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve serves a listener, such as that of Listen, until Close.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(limit(l, peerOfConn))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Close ends the service, and waits a moment for requests that are being served.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

// contexts are those of the backend. Only privileged peers see tags.
func (s *Server) contexts(ctx context.Context) ([]control.Context, error) {
	list, err := s.backend.Contexts(ctx)
	if err == nil && !peerOf(ctx).privileged {
		for i := range list {
			list[i].TagLocal, list[i].TagPeer = nil, nil
		}
	}
	return list, err
}

// look serves a request that everybody may make.
func look[T any](s *Server, do func(context.Context) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := do(r.Context())
		if err != nil {
			s.fail(w, err)
			return
		}
		s.answer(w, http.StatusOK, v)
	}
}

// inTurn has the requests of an unprivileged user wait for each other, and for a pause after each: the
// daemon's loop makes the lists, and any user could keep it from its work. A turn ends when the answer
// is read or given up, so that slow readers have no more than one answer in memory.
func (s *Server) inTurn(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if p := peerOf(r.Context()); !p.privileged {
			v, _ := s.turns.LoadOrStore(p.uid, make(chan struct{}, 1))
			turn := v.(chan struct{})
			select {
			case turn <- struct{}{}:
			case <-r.Context().Done():
				s.fail(w, fmt.Errorf("%w: too many ask for lists at once: ask again", control.ErrUnavailable))
				return
			}
			defer time.AfterFunc(listPause, func() { <-turn })
		}
		serve(w, r)
	}
}

// post serves a request that changes something.
func post[T any](s *Server, mux *http.ServeMux, path string, check func(T) error, do func(context.Context, T) error) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		p := peerOf(r.Context())
		if !p.privileged {
			s.log.Warn("a command was refused", "command", path, "uid", p.uid, "pid", p.pid)
			s.refuse(w, http.StatusForbidden, fmt.Errorf("%w: only root, the user of shim6d and the members of the socket's group may do this", fs.ErrPermission))
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
			s.refuse(w, http.StatusBadRequest, err)
			return
		}
		s.log.Info("command", "command", path, "uid", p.uid, "pid", p.pid, "request", v)
		if err := do(r.Context(), v); err != nil {
			s.fail(w, err)
			return
		}
		s.answer(w, http.StatusOK, struct{}{})
	})
}

// protections serves GET /protection.
func (s *Server) protections(w http.ResponseWriter, r *http.Request) {
	names, err := parseNames(r.URL.Query()["context"])
	if err != nil {
		s.refuse(w, http.StatusBadRequest, err)
		return
	}
	list, err := s.backend.Protections(r.Context(), names)
	if err != nil {
		s.fail(w, err)
		return
	}
	s.answer(w, http.StatusOK, list)
}

// sessions serves GET /sessions.
func (s *Server) sessions(w http.ResponseWriter, r *http.Request) {
	q, err := control.ParseSessionsRequest(r.URL.Query())
	if err != nil {
		s.refuse(w, http.StatusBadRequest, err)
		return
	}
	look(s, func(ctx context.Context) (*control.Sessions, error) { return s.backend.Sessions(ctx, q) })(w, r)
}

func parseNames(words []string) ([]control.Name, error) {
	if len(words) > control.MaxProtections {
		return nil, fmt.Errorf("%d contexts are more than can be asked for at once: take up to %d", len(words), control.MaxProtections)
	}
	names := make([]control.Name, 0, len(words))
	for _, w := range words {
		n, err := control.ParseName(w)
		if err != nil {
			return nil, fmt.Errorf("context %q: %w", w, err)
		}
		names = append(names, n)
	}
	return names, nil
}

func (s *Server) fail(w http.ResponseWriter, err error) {
	status := http.StatusConflict
	switch {
	case errors.Is(err, control.ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		status = http.StatusServiceUnavailable
	case errors.Is(err, fs.ErrNotExist):
		status = http.StatusNotFound
	}
	s.refuse(w, status, err)
}

func (s *Server) refuse(w http.ResponseWriter, status int, err error) {
	s.answer(w, status, control.Failure{Error: err.Error()})
}

func (s *Server) answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"the answer can't be encoded"}`)
	}
	// By default the time counts from the request on, and a command or a turn may have
	// taken long. The error is that of a test, which has no deadlines.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.http.WriteTimeout))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A peer that does not listen any more has no use for an error.
	_, _ = w.Write(append(b, '\n'))
}
