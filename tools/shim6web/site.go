// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"crypto/tls"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"shim6/daemon/control"
)

const (
	// maxReaders is how many pages are served with events at a time, and maxUserReaders to one user.
	maxReaders     = 200
	maxUserReaders = 80
	// writeTimeout is how long a reader may take to take an answer or an event.
	writeTimeout = 10 * time.Second
	// readTimeout is how long a request may take to come, and idleTimeout how long there may be none.
	readTimeout = 5 * time.Second
	idleTimeout = 15 * time.Second
	// heartbeat is after what silence a reader is sent something, so that both ends notice if the
	// other one is gone.
	heartbeat = 15 * time.Second
)

//go:embed assets
var embedded embed.FS

// assets are the files of the page.
var assets = func() fs.FS {
	f, err := fs.Sub(embedded, "assets")
	if err != nil {
		panic(err)
	}
	return f
}()

// site serves the page and what it asks for.
type site struct {
	w     *watcher
	log   *slog.Logger
	pages pages
	// handler is all, with the guard in front.
	handler http.Handler
}

func newSite(w *watcher, g *guard, log *slog.Logger) *site {
	s := &site{w: w, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", page("index.html"))
	mux.HandleFunc("GET /login", page("login.html"))
	mux.HandleFunc("POST /login", g.login)
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServerFS(assets)))
	mux.HandleFunc("GET /api/screen", s.screen)
	mux.HandleFunc("GET /api/sessions", s.sessions)
	mux.HandleFunc("GET /api/events", s.events)
	mux.HandleFunc("GET /api/timeline", s.timeline)
	mux.HandleFunc("POST /api/doctor", s.doctor)
	mux.Handle("GET /metrics", metricsHandler(w))
	s.handler = g.wrap(mux, func(path string) bool { return path == "/login" || strings.HasPrefix(path, "/assets/") })
	return s
}

// serve serves listeners until ctx ends.
func (s *site) serve(ctx context.Context, listeners []net.Listener, t *tls.Config) error {
	h := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, ConnContext: withWho, MaxHeaderBytes: 16 << 10, BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		s.log.Info("shim6web listens", "address", l.Addr().String(), "tls", t != nil)
		l = limit(l, peerOf)
		if t != nil {
			l = tls.NewListener(l, t)
		}
		go func() { failed <- h.Serve(l) }()
	}
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	// Readers of events go on for ever, so nobody is waited for.
	h.Close()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// page serves one of the assets.
func page(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, assets, name) }
}

func answer(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// A reader that is gone has no use for an error.
	_, _ = w.Write(append(b, '\n'))
}

// screen serves what the page shows now, for scripts.
func (s *site) screen(w http.ResponseWriter, _ *http.Request) { answer(w, s.w.screen()) }

// events serves what the page shows, and each change, as server-sent events.
func (s *site) events(w http.ResponseWriter, r *http.Request) {
	who := whose(r.Context())
	if !s.w.hub.enter(who) {
		w.Header().Set("Retry-After", "10")
		http.Error(w, fmt.Sprintf("more than %d pages are open, or %d of one user", maxReaders, maxUserReaders), http.StatusServiceUnavailable)
		return
	}
	defer s.w.hub.leave(who)
	s.w.tell()
	soon(s.w.hurry)
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	// The error is that of a test, which has no deadlines.
	_ = out.SetReadDeadline(time.Time{})
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	number := uint64(0)
	for {
		list, next, came := s.w.hub.behind(number)
		number = next
		_ = out.SetWriteDeadline(time.Now().Add(writeTimeout))
		for _, kind := range []string{"screen", "traffic"} {
			if data, ok := list[kind]; ok {
				if _, err := w.Write(data); err != nil {
					return
				}
			}
		}
		if out.Flush() != nil {
			return
		}
		select {
		case <-came:
		case <-beat.C:
			_ = out.SetWriteDeadline(time.Now().Add(writeTimeout))
			if _, err := fmt.Fprint(w, ": still here\n\n"); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// timeline serves the timeline of a context.
func (s *site) timeline(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	n, err := control.ParseName(q.Get("context"))
	if err != nil {
		http.Error(w, "context: "+err.Error(), http.StatusBadRequest)
		return
	}
	if span := q.Get("span"); !slices.Contains([]string{"", "10m", "24h"}, span) {
		http.Error(w, "span is 10m or 24h", http.StatusBadRequest)
		return
	}
	d, err := s.w.draw(n, q.Get("span") == "24h")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.Error(w, "there is no such context", http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	answer(w, d)
}

// doctor has doctor run soon. The page hears of it by its events.
func (s *site) doctor(w http.ResponseWriter, _ *http.Request) {
	soon(s.w.doctor)
	w.WriteHeader(http.StatusAccepted)
}
