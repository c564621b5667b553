// SPDX-License-Identifier: BSD-3-Clause

package controlserver

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"shim6/daemon/control"
)

// large is a daemon with more contexts than a socket takes at once. It needs time for its
// paths.
type large struct {
	fake
	takes time.Duration
}

func (l *large) Contexts(context.Context) ([]control.Context, error) {
	list := make([]control.Context, 10_000)
	for i := range list {
		list[i] = established
	}
	return list, nil
}

func (l *large) Paths(ctx context.Context) ([]control.Path, error) {
	time.Sleep(l.takes)
	return l.fake.Paths(ctx)
}

// A peer that does not read a long answer is hung up on. An answer that takes long to make is
// not one that takes long to read.
func TestAnswerTimeout(t *testing.T) {
	const timeout = 2 * time.Second
	path := filepath.Join(t.TempDir(), "socket")
	l, err := Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	b := &large{takes: 2 * timeout}
	s := NewServer(b, slog.New(slog.DiscardHandler))
	if s.http.WriteTimeout != answerTimeout {
		t.Errorf("answers may take %v", s.http.WriteTimeout)
	}
	s.http.WriteTimeout = timeout
	closed := make(chan struct{}, 10)
	s.http.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	defer func() {
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /contexts HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Fatal("who does not read is waited for")
	}
	got, _ := io.ReadAll(conn)
	list, _ := b.Contexts(t.Context())
	if all, _ := json.Marshal(list); len(got) == 0 || len(got) >= len(all) {
		t.Errorf("%d octets were there to be read of %d", len(got), len(all))
	}
	c := control.NewClient(path)
	defer c.Close()
	if p, err := c.Paths(t.Context()); err != nil || len(p) != 2 {
		t.Errorf("an answer that took long to be made: %v, %v", p, err)
	}
}

// ask asks a Server, and returns the status.
func ask(ctx context.Context, s *Server, p peer, path string) int {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(context.WithValue(ctx, peerKey{}, p), "GET", path, nil)
	s.http.Handler.ServeHTTP(w, r)
	return w.Code
}

// Unprivileged peers are given lists one at a time, with pauses. Privileged peers do not wait,
// and neither do requests for no list.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = 30 * time.Millisecond
		s := NewServer(&large{takes: takes}, slog.New(slog.DiscardHandler))
		begin := time.Now()
		var mu sync.Mutex
		answered := map[time.Duration]int{}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if code := ask(t.Context(), s, peer{uid: 1000}, "/paths"); code != http.StatusOK {
					t.Errorf("status %d", code)
				}
				mu.Lock()
				defer mu.Unlock()
				answered[time.Since(begin)]++
			})
		}
		synctest.Wait()
		for _, p := range []string{"/paths", "/contexts", "/locators", "/history", "/paths/history", "/status"} {
			before := time.Now()
			code := ask(t.Context(), s, peer{privileged: true}, p)
			if d := time.Since(before); code != http.StatusOK || d > takes {
				t.Errorf("%s: somebody privileged has waited %v for a status of %d", p, d, code)
			}
		}
		before := time.Now()
		if code := ask(t.Context(), s, peer{uid: 1000}, "/status"); code != http.StatusOK || time.Since(before) != 0 {
			t.Errorf("status %d after %v", code, time.Since(before))
		}
		// A peer that gives up gets no turn.
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("enough"))
		if code := ask(ctx, s, peer{uid: 1000}, "/history"); code != http.StatusServiceUnavailable {
			t.Errorf("too late: status %d", code)
		}
		wg.Wait()
		for i := range 20 {
			if at := takes + time.Duration(i)*(takes+listPause); answered[at] != 1 {
				t.Errorf("%d answers after %v: %v", answered[at], at, answered)
			}
		}
		// All lists are given in turns.
		for _, p := range []string{"/paths", "/contexts", "/locators", "/history", "/paths/history"} {
			before := time.Now()
			if code := ask(t.Context(), s, peer{uid: 1000}, p); code != http.StatusOK || time.Since(before) < listPause {
				t.Errorf("%s: status %d after %v", p, code, time.Since(before))
			}
		}
	})
}
