// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"shim6/daemon/control"
)

const (
	// pageAge is how old a page may be that several readers look at.
	pageAge = time.Second
	// maxWaiting is how many readers may wait for a page, and pageWait how long.
	maxWaiting = 20
	pageWait   = 5 * time.Second
)

// pages asks shim6d for pages of sessions, one at a time, so that the overview has its turn too.
type pages struct {
	waiting atomic.Int32
	mu      sync.Mutex
	request control.SessionsRequest
	body    []byte
	made    time.Time
}

var errBusy = errors.New("too many readers ask for pages at once: ask again")

// get is a page as JSON.
func (p *pages) get(ctx context.Context, h *host, r control.SessionsRequest) ([]byte, error) {
	if p.waiting.Add(1) > maxWaiting {
		p.waiting.Add(-1)
		return nil, errBusy
	}
	defer p.waiting.Add(-1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() != nil {
		return nil, errBusy
	}
	if p.request == r && time.Since(p.made) < pageAge {
		return p.body, nil
	}
	s, err := h.sessions(ctx, r)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(s)
	if err == nil {
		p.request, p.body, p.made = r, append(b, '\n'), time.Now()
	}
	return p.body, err
}

// sessions serves a page of all sessions.
func (s *site) sessions(w http.ResponseWriter, r *http.Request) {
	q, err := control.ParseSessionsRequest(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pageWait)
	defer cancel()
	b, err := s.pages.get(ctx, &s.w.host, q)
	if err != nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// A reader that is gone has no use for an error.
	_, _ = w.Write(b)
}
