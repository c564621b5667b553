// SPDX-License-Identifier: BSD-3-Clause

package controlserver

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shim6/daemon/control"
	"shim6/daemon/wire"
)

var (
	a1 = netip.MustParseAddr("2001:db8:1::a")
	a2 = netip.MustParseAddr("2001:db8:2::a")
	b1 = netip.MustParseAddr("2001:db8:1::b")
	b2 = netip.MustParseAddr("2001:db8:2::b")

	name    = control.Name{ULIDLocal: a1, ULIDPeer: b1, FII: 7}
	addrCmp = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
)

func pair(local, peer netip.Addr) control.Pair {
	return control.Pair{LocatorLocal: local, LocatorPeer: peer}
}

// fake is a daemon that notes the requests, and answers err.
type fake struct {
	got any
	err error
}

func (f *fake) Status(context.Context) (control.Status, error) {
	return control.Status{Version: "1", PID: 2, Kernel: true, Sent: map[string]uint64{"I1": 3}}, f.err
}

func (f *fake) Contexts(context.Context) ([]control.Context, error) {
	return []control.Context{established}, f.err
}

func (f *fake) Locators(context.Context) ([]control.Locator, error) {
	return []control.Locator{{Address: a1, Available: true}}, f.err
}

func (f *fake) History(context.Context) ([]control.Change, error) {
	return []control.Change{{Name: name, From: "idle", To: "i1-sent", Why: "x"}}, f.err
}

func (f *fake) Paths(context.Context) ([]control.Path, error) {
	return []control.Path{
		{Name: name, Pair: pair(a2, b2), Current: true, State: "working", LastGood: time.Unix(7, 0).UTC(), RTT: 1.5, Policy: "backup", PreferencePeer: control.Preference{Broken: true, Weight: 3}},
		{Name: name, Pair: pair(a1, b1), Inbound: true, State: "unknown", Policy: "normal"},
	}, f.err
}

func (f *fake) Switches(context.Context) ([]control.Switch, error) {
	return []control.Switch{{
		Time: time.Unix(8, 0).UTC(), Name: name, Direction: "outbound", Trigger: "local", From: pair(a1, b1), To: pair(a2, b2),
		Probed: []control.Probed{{Pair: pair(a2, b2), Time: time.Unix(7, 0).UTC()}}, Answered: []control.Pair{pair(a2, b2)}, Outage: 20,
		LastGood: []control.LastGood{{Pair: pair(a1, b1), Time: time.Unix(6, 0).UTC()}},
	}}, f.err
}

func (f *fake) Protections(_ context.Context, names []control.Name) ([]control.Protection, error) {
	f.got = names
	l := []control.Protection{}
	for _, n := range names {
		l = append(l, control.Protection{Name: n, Protected: n.FII == 0, Pairs: 3, NetworksLocal: 2, NetworksPeer: 1, Text: "x"})
	}
	return l, f.err
}

func (f *fake) Overview(context.Context) (*control.Overview, error) {
	return &control.Overview{Protected: 3, Links: []control.Link{{Interface: "up1", RTT: 1.5}}, Sequence: 9}, f.err
}

func (f *fake) Sessions(_ context.Context, r control.SessionsRequest) (*control.Sessions, error) {
	f.got = r
	return &control.Sessions{Total: 7, From: r.From, Glances: []control.Glance{{Text: r.Find}}}, f.err
}

// Events waits unless it is asked for what is behind 0.
func (f *fake) Events(ctx context.Context, after uint64) (control.Events, error) {
	if f.got = after; after > 0 {
		<-ctx.Done()
		return control.Events{Sequence: after}, nil
	}
	return control.Events{Sequence: 1, Events: []control.Event{{Sequence: 1, Change: &control.Change{Name: name, Why: "x"}}}}, f.err
}

func (f *fake) Open(_ context.Context, r control.OpenRequest) error { f.got = r; return f.err }
func (f *fake) Close(_ context.Context, n control.Name) error       { f.got = n; return f.err }
func (f *fake) Refresh(_ context.Context, n control.Name) error     { f.got = n; return f.err }
func (f *fake) Use(_ context.Context, r control.UseRequest) error   { f.got = r; return f.err }
func (f *fake) Doubt(_ context.Context, n control.Name) error       { f.got = n; return f.err }
func (f *fake) ProbeAll(_ context.Context, n control.Name) error    { f.got = n; return f.err }

var (
	tagLocal, tagPeer = wire.ContextTag(5), wire.ContextTag(6)
	established       = control.Context{Name: name, State: "established", TagLocal: &tagLocal, TagPeer: &tagPeer, LocatorLocal: a2, LocatorPeer: b2}
)

// serve serves a backend on a socket, and returns a client.
func serve(t *testing.T, b control.Backend) *control.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made", "socket")
	l, err := Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(b, slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	c := control.NewClient(path)
	t.Cleanup(func() {
		c.Close()
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestRoundTrip(t *testing.T) {
	f := &fake{}
	c, ctx := serve(t, f), t.Context()
	status, err := c.Status(ctx)
	if want, _ := f.Status(ctx); err != nil || !cmp.Equal(want, status) {
		t.Errorf("status %+v, %v", status, err)
	}
	contexts, err := c.Contexts(ctx)
	if want := []control.Context{established}; err != nil || !cmp.Equal(want, contexts, addrCmp) {
		t.Error(cmp.Diff(want, contexts, addrCmp), err)
	}
	locators, err := c.Locators(ctx)
	if want, _ := f.Locators(ctx); err != nil || !cmp.Equal(want, locators, addrCmp) {
		t.Errorf("locators %+v, %v", locators, err)
	}
	history, err := c.History(ctx)
	if want, _ := f.History(ctx); err != nil || !cmp.Equal(want, history, addrCmp) {
		t.Errorf("history %+v, %v", history, err)
	}
	paths, err := c.Paths(ctx)
	if want, _ := f.Paths(ctx); err != nil || !cmp.Equal(want, paths, addrCmp) {
		t.Error(cmp.Diff(want, paths, addrCmp), err)
	}
	switches, err := c.Switches(ctx)
	if want, _ := f.Switches(ctx); err != nil || !cmp.Equal(want, switches, addrCmp) {
		t.Error(cmp.Diff(want, switches, addrCmp), err)
	}
	overview, err := c.Overview(ctx)
	if want, _ := f.Overview(ctx); err != nil || !cmp.Equal(want, overview, addrCmp) {
		t.Error(cmp.Diff(want, overview, addrCmp), err)
	}
	some := control.SessionsRequest{From: 200, Find: "2001:db8:&x"}
	sessions, err := c.Sessions(ctx, some)
	if want, _ := f.Sessions(ctx, some); err != nil || !cmp.Equal(want, sessions, addrCmp) {
		t.Error(cmp.Diff(want, sessions, addrCmp), err)
	}
	for _, r := range []control.SessionsRequest{{From: -1}, {Find: strings.Repeat("x", control.MaxFind+1)}} {
		if _, err := c.Sessions(ctx, r); err == nil {
			t.Errorf("%+v makes sense", r)
		}
	}
	events, err := c.Events(ctx, 0)
	if want, _ := f.Events(ctx, 0); err != nil || !cmp.Equal(want, events, addrCmp) {
		t.Error(cmp.Diff(want, events, addrCmp), err)
	}
	names := []control.Name{name, {ULIDLocal: a2, ULIDPeer: b2}}
	protections, err := c.Protections(ctx, names)
	if want, _ := f.Protections(ctx, names); err != nil || !cmp.Equal(want, protections, addrCmp) {
		t.Error(cmp.Diff(want, protections, addrCmp), err)
	}
	open := control.OpenRequest{Name: name, LocatorLocal: a2, LocatorPeer: b2, Force: true}
	use := control.UseRequest{Name: name, LocatorLocal: a2, LocatorPeer: b2}
	for _, r := range []struct {
		do   func() error
		want any
	}{
		{func() error { return c.Open(ctx, open) }, open},
		{func() error { return c.Open(ctx, control.OpenRequest{Name: name}) }, control.OpenRequest{Name: name}},
		{func() error { return c.CloseContext(ctx, name) }, name},
		{func() error { return c.Refresh(ctx, name) }, name},
		{func() error { return c.Use(ctx, use) }, use},
		{func() error { return c.ProbeAll(ctx, name) }, name},
		{func() error { return c.Doubt(ctx, name) }, name},
	} {
		f.got = nil
		if err := r.do(); err != nil || f.got != r.want {
			t.Errorf("got %+v, %v, wanted %+v", f.got, err, r.want)
		}
	}
}

func TestErrors(t *testing.T) {
	f := &fake{}
	c := serve(t, f)
	for _, e := range []struct {
		err    error
		status int
	}{
		{errors.New("no"), http.StatusConflict},
		{control.ErrUnavailable, http.StatusServiceUnavailable},
		{fs.ErrNotExist, http.StatusNotFound},
	} {
		f.err = e.err
		err := c.CloseContext(t.Context(), name)
		var ce *control.Error
		if !errors.As(err, &ce) || ce.Status != e.status || ce.Message != e.err.Error() {
			t.Errorf("%v became %v", e.err, err)
		}
		if errors.Is(err, fs.ErrNotExist) != (e.status == http.StatusNotFound) {
			t.Errorf("%v is an fs.ErrNotExist: wrong", err)
		}
		if _, err := c.Status(t.Context()); err == nil {
			t.Error("an error of the backend is lost")
		}
	}
	if _, err := control.NewClient("/none").Status(t.Context()); err == nil ||
		err.Error() != "nobody listens at /none: is shim6d running? ('systemctl start shim6d')" {
		t.Error(err)
	}
}

// as serves one request of a peer.
func as(p peer, b control.Backend, method, path, body string) *httptest.ResponseRecorder {
	s := NewServer(b, slog.New(slog.DiscardHandler))
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	s.http.Handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, p)))
	return w
}

const named = `"ulid-local":"2001:db8:1::a","ulid-peer":"2001:db8:1::b"`

func TestRequests(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/contexts/close", "{" + named + "}", 200, "{}"},
		{"POST", "/contexts/close", "{}", 400, "a context is named by ulid-local and ulid-peer"},
		{"POST", "/contexts/close", `{"ulid-local":"10.0.0.1","ulid-peer":"10.0.0.2"}`, 400, "which are IPv6 addresses"},
		{"POST", "/contexts/close", `{"ulid":1}`, 400, "unknown field"},
		{"POST", "/contexts/close", "nothing", 400, "invalid character"},
		{"POST", "/contexts/close", `"` + strings.Repeat("x", maxBody) + `"`, 400, "too large"},
		{"POST", "/contexts/open", "{" + named + `,"locator-local":"2001:db8::1"}`, 400, "both"},
		{"POST", "/contexts/use", "{" + named + "}", 400, "a locator pair is"},
		{"GET", "/protection", "", 200, "[]"},
		{"GET", "/protection?context=2001:db8:1::a,2001:db8:1::b", "", 400, "it is written ULID-LOCAL,ULID-PEER,FII"},
		{"GET", "/protection?context=2001:db8:1::a,2001:db8:1::b,-1", "", 400, "invalid syntax"},
		{"GET", "/protection?context=10.0.0.1,10.0.0.2,0", "", 400, "which are IPv6 addresses"},
		{"GET", "/protection?context=x,2001:db8:1::b,1", "", 400, "unable to parse IP"},
		{"GET", "/protection?context=2001:db8:1::b,x,1", "", 400, "unable to parse IP"},
		{"GET", "/protection?" + strings.Repeat("context=x&", control.MaxProtections+1), "", 400, "take up to 100"},
		{"GET", "/contexts/close", "", 405, ""},
		{"POST", "/status", "", 405, ""},
		{"GET", "/nothing", "", 404, ""},
	} {
		f := &fake{}
		w := as(peer{privileged: true}, f, c.method, c.path, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s %.40q: %d %s", c.method, c.path, c.body, w.Code, w.Body)
		}
		if (f.got != nil) != (c.status == 200) {
			t.Errorf("%s %s: the daemon was told %v", c.path, c.body, f.got)
		}
	}
}

// Unprivileged peers can't change things, and see no tags.
func TestUnprivileged(t *testing.T) {
	for _, path := range []string{"/contexts/open", "/contexts/close", "/contexts/refresh", "/contexts/use", "/contexts/probe"} {
		f := &fake{}
		w := as(peer{uid: 1000}, f, "POST", path, "{"+named+"}")
		if w.Code != http.StatusForbidden || f.got != nil || !strings.Contains(w.Body.String(), "only root") {
			t.Errorf("%s: %d %s, %v", path, w.Code, w.Body, f.got)
		}
	}
	w := as(peer{uid: 1000}, &fake{}, "GET", "/contexts", "")
	if w.Code != 200 || strings.Contains(w.Body.String(), "tag-") || !strings.Contains(w.Body.String(), "established") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = as(peer{privileged: true}, &fake{}, "GET", "/contexts", "")
	if !strings.Contains(w.Body.String(), `"tag-local":5,"tag-peer":6`) {
		t.Errorf("%s", w.Body)
	}
}

func TestMay(t *testing.T) {
	const daemon, group = 100, 200
	for _, c := range []struct {
		p    peer
		want bool
	}{
		{peer{uid: 0, gid: 5}, true},
		{peer{uid: daemon, gid: 5}, true},
		{peer{uid: 1000, gid: group}, true},
		{peer{uid: 1000, gid: 5, groups: []uint32{1, group}}, true},
		{peer{uid: 1000, gid: 5, groups: []uint32{1, 2}}, false},
		{peer{uid: group, gid: daemon}, false},
	} {
		if got := c.p.may(daemon, group); got != c.want {
			t.Errorf("%+v: %v", c.p, got)
		}
	}
}

// The kernel tells who is at the other end.
func TestCredentials(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, err := credentials(s.(*net.UnixConn))
	if err != nil || int(p.uid) != os.Getuid() || int(p.pid) != os.Getpid() || !p.privileged {
		t.Errorf("%+v, %v", p, err)
	}
	if got := peerOf(withPeer(t.Context(), &slot{Conn: s})); got.uid != p.uid || !got.privileged {
		t.Errorf("a limited connection: %+v", got)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if p := peerOf(withPeer(t.Context(), a)); p.privileged {
		t.Error("nobody knows who this is, and he may do everything")
	}
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o666 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if _, err := Listen(path, ""); err == nil || !strings.Contains(err.Error(), "another shim6d listens at") {
		t.Error("a second one:", err)
	}
	// A killed daemon leaves its socket.
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	l, err = Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, ""); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Error("a file:", err)
	}
	if _, err := Listen(filepath.Join(t.TempDir(), "s"), "no-such-group"); err == nil || !strings.Contains(err.Error(), "take another control.group") {
		t.Error("a group that there is not:", err)
	}
}

// Unprivileged connections above the limits are closed. They do not keep privileged peers out, nor does
// one user keep others out.
func TestLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	var root atomic.Bool
	var uid atomic.Uint32
	l = limit(l, func(net.Conn) peer { return peer{uid: uid.Load(), privileged: root.Load()} })
	defer l.Close()
	accepted := make(chan net.Conn, 2*maxConnections)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	closed := func(what string) {
		t.Helper()
		if _, err := dial().Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: %v", what, err)
		}
	}
	var first net.Conn
	for range maxConnections / maxUserConnections {
		for range maxUserConnections {
			dial()
			first = <-accepted
		}
		closed("one more of this user")
		uid.Add(1)
	}
	closed("one more of another user")
	root.Store(true)
	for range 3 {
		dial()
		(<-accepted).Close()
	}
	root.Store(false)
	first.Close()
	first.Close()
	dial()
	<-accepted
	closed("one more")
}

// An answer is one line, which is easy for a shell.
func TestOneLine(t *testing.T) {
	w := as(peer{}, &fake{}, "GET", "/status", "")
	b, err := io.ReadAll(w.Body)
	if err != nil || strings.Count(string(b), "\n") != 1 || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%q, %v, %v", b, w.Header(), err)
	}
}
