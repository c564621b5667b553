// SPDX-License-Identifier: BSD-3-Clause

package control

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

	"golang.org/x/sys/unix"
)

// Client asks a daemon. Several goroutines may call its methods. A refusal of the daemon is
// an *Error.
type Client struct {
	path string
	http http.Client
}

// Error is the daemon's answer to a request that it does not do.
type Error struct {
	// Status is that of HTTP.
	Status  int
	Message string
}

func (e *Error) Error() string { return e.Message }

// Is makes 403 an fs.ErrPermission and 404 an fs.ErrNotExist.
func (e *Error) Is(target error) bool {
	return e.Status == http.StatusForbidden && target == fs.ErrPermission ||
		e.Status == http.StatusNotFound && target == fs.ErrNotExist
}

// NewClient returns a Client of the daemon that has the control socket at a path. It
// connects with its first request.
func NewClient(path string) *Client {
	c := &Client{path: path}
	c.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}
	return c
}

// Close closes connections that are open.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks for the state of the daemon.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.ask(ctx, http.MethodGet, "/status", nil, &s)
}

// Contexts asks for all contexts, the oldest first.
func (c *Client) Contexts(ctx context.Context) (l []Context, err error) {
	return l, c.ask(ctx, http.MethodGet, "/contexts", nil, &l)
}

// Locators asks for the addresses of the host.
func (c *Client) Locators(ctx context.Context) (l []Locator, err error) {
	return l, c.ask(ctx, http.MethodGet, "/locators", nil, &l)
}

// History asks what has happened lately.
func (c *Client) History(ctx context.Context) (l []Change, err error) {
	return l, c.ask(ctx, http.MethodGet, "/history", nil, &l)
}

// Paths asks for the locator pairs of all contexts.
func (c *Client) Paths(ctx context.Context) (l []Path, err error) {
	return l, c.ask(ctx, http.MethodGet, "/paths", nil, &l)
}

// Switches asks how contexts came to other locator pairs lately, the oldest first.
func (c *Client) Switches(ctx context.Context) (l []Switch, err error) {
	return l, c.ask(ctx, http.MethodGet, "/paths/history", nil, &l)
}

// Open has a context made. It returns once the exchange of messages has begun.
func (c *Client) Open(ctx context.Context, r OpenRequest) error {
	return c.ask(ctx, http.MethodPost, "/contexts/open", r, nil)
}

// CloseContext has a context discarded.
func (c *Client) CloseContext(ctx context.Context, n Name) error {
	return c.ask(ctx, http.MethodPost, "/contexts/close", n, nil)
}

// Refresh has the peer told of all our locators again.
func (c *Client) Refresh(ctx context.Context, n Name) error {
	return c.ask(ctx, http.MethodPost, "/contexts/refresh", n, nil)
}

// Use has payload sent by another locator pair. It returns when the peer has answered a Probe
// by that pair, or with an error if there is no answer.
func (c *Client) Use(ctx context.Context, r UseRequest) error {
	return c.ask(ctx, http.MethodPost, "/contexts/use", r, nil)
}

// ProbeAll has all locator pairs of a context probed, one after another. It returns once that has
// begun; Paths has what the Probes show.
func (c *Client) ProbeAll(ctx context.Context, n Name) error {
	return c.ask(ctx, http.MethodPost, "/contexts/probe", n, nil)
}

// Doubt says that the current locator pair of a context may not work. The pair is asked, and only an
// answer by another pair moves the context. Doubt returns once the first Probe is sent, or with an
// error if the last doubt was too short a time ago.
func (c *Client) Doubt(ctx context.Context, n Name) error {
	return c.ask(ctx, http.MethodPost, "/contexts/doubt", n, nil)
}

func (c *Client) ask(ctx context.Context, method, path string, request, reply any) error {
	var body io.Reader
	if request != nil {
		b, err := json.Marshal(request)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://shim6d"+path, body)
	if err != nil {
		return err
	}
	w, err := c.http.Do(r)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
			return fmt.Errorf("nobody listens at %s: is shim6d running? ('systemctl start shim6d')", c.path)
		}
		return fmt.Errorf("asking shim6d: %w", err)
	}
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	if err != nil {
		return fmt.Errorf("asking shim6d: %w", err)
	}
	if w.StatusCode != http.StatusOK {
		var f Failure
		if json.Unmarshal(b, &f) != nil || f.Error == "" {
			f.Error = "shim6d answers " + w.Status
		}
		return &Error{w.StatusCode, f.Error}
	}
	if reply == nil {
		return nil
	}
	if err := json.Unmarshal(b, reply); err != nil {
		return fmt.Errorf("shim6d's answer can't be read: %w: is it of another version?", err)
	}
	return nil
}
