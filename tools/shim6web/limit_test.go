// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// One user takes no more connections than are his, and all users no more than there are.
func TestConnectionsAreLimited(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	inner, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var user atomic.Int32
	l := limit(inner, func(net.Conn) string { return fmt.Sprint(user.Load()) })
	defer l.Close()
	accepted := make(chan net.Conn, maxConnections)
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
		t.Helper()
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
	var last net.Conn
	for range maxConnections / maxUserConnections {
		for range maxUserConnections {
			dial()
			last = <-accepted
		}
		closed("one more of this user")
		user.Add(1)
	}
	closed("one more of another user")
	last.Close()
	last.Close()
	dial()
	<-accepted
	closed("one more")
}

// The users of this host are known by both kinds of sockets, and others by their network.
func TestPeerOf(t *testing.T) {
	me := fmt.Sprintf("user %d", os.Getuid())
	for _, a := range [][2]string{{"unix", filepath.Join(t.TempDir(), "socket")}, {"tcp", "127.0.0.1:0"}, {"tcp", "[::1]:0"}} {
		l, err := net.Listen(a[0], a[1])
		if err != nil {
			t.Log(err)
			continue
		}
		defer l.Close()
		c, err := net.Dial(a[0], l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if got := peerOf(s); got != me {
			t.Errorf("%v: %q, wanted %q", a, got, me)
		}
	}
	for address, want := range map[string]string{
		"192.0.2.7:1": "192.0.2.7", "[::ffff:192.0.2.7]:1": "192.0.2.7", "[2001:db8:1:2:3::4]:1": "2001:db8:1:2::/64", "[fe80::1%eth0]:1": "fe80::/64",
	} {
		if got := peerOf(far{net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))}); got != want {
			t.Errorf("%s is %q, wanted %q", address, got, want)
		}
	}
	for n := range diagMessageLen + 1 {
		if _, err := diagUser(make([]byte, n)); err == nil {
			t.Errorf("%d octets have a user", n)
		}
	}
}

// far is a connection from another host.
type far struct{ from net.Addr }

func (f far) RemoteAddr() net.Addr             { return f.from }
func (f far) LocalAddr() net.Addr              { return f.from }
func (far) Read([]byte) (int, error)           { return 0, io.EOF }
func (far) Write([]byte) (int, error)          { return 0, io.EOF }
func (far) Close() error                       { return nil }
func (far) SetDeadline(time.Time) error        { return nil }
func (far) SetReadDeadline(time.Time) error    { return nil }
func (far) SetWriteDeadline(t time.Time) error { return nil }

// One user does not take all of the readers, either.
func TestReadersAreLimited(t *testing.T) {
	h := newHub()
	for range maxUserReaders {
		if !h.enter("user 1") {
			t.Fatal("too few")
		}
	}
	if h.enter("user 1") || !h.enter("user 2") {
		t.Error("user 1 has too many, or user 2 has none")
	}
	h.leave("user 1")
	if !h.enter("user 1") {
		t.Error("none came free")
	}
}

// Programs of one host at different ports do not take each other's cookies, which are for all ports.
func TestCookieHasThePort(t *testing.T) {
	for _, c := range []struct {
		url, want string
	}{
		{"http://localhost:6140/", "shim6web-6140"}, {"http://localhost:8080/", "shim6web-8080"}, {"http://localhost/", "shim6web-80"},
		{"https://web.example/", "__Host-shim6web-443"}, {"https://[2001:db8::1]:6140/", "__Host-shim6web-6140"},
	} {
		if got := cookieName(httptest.NewRequest(http.MethodGet, c.url, nil)); got != c.want {
			t.Errorf("%s: %s, wanted %s", c.url, got, c.want)
		}
	}
}
