// SPDX-License-Identifier: BSD-3-Clause

package debugport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"shim6/daemon/control"
	"shim6/tools/conformance/shows"
)

var (
	a1 = netip.MustParseAddr("2001:db8:1::a")
	b1 = netip.MustParseAddr("2001:db8:1::b")
)

// fake is a daemon that notes the commands.
type fake struct {
	contexts []control.Context
	told     string
	err      error
}

func (f *fake) Contexts(context.Context) ([]control.Context, error) { return f.contexts, f.err }

func (f *fake) tell(what string, n control.Name, more ...any) error {
	f.told = strings.TrimSpace(fmt.Sprintln(append([]any{what, n.ULIDLocal, n.ULIDPeer, n.FII}, more...)...))
	return f.err
}

func (f *fake) Open(_ context.Context, r control.OpenRequest) error { return f.tell("open", r.Name) }
func (f *fake) Close(_ context.Context, n control.Name) error       { return f.tell("close", n) }
func (f *fake) Refresh(_ context.Context, n control.Name) error     { return f.tell("refresh", n) }
func (f *fake) Doubt(context.Context, control.Name) error           { return f.err }
func (f *fake) ProbeAll(context.Context, control.Name) error        { return f.err }

func (f *fake) Use(_ context.Context, r control.UseRequest) error {
	return f.tell("use", r.Name, r.LocatorLocal, r.LocatorPeer)
}

func listen(t *testing.T, b Backend) (*Server, func(string) string) {
	t.Helper()
	s, err := Listen(0, b, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { s.Close() })
	c, err := net.Dial("udp6", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return s, func(command string) string {
		t.Helper()
		if _, err := c.Write([]byte(command)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 65536)
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func contextOf(fii uint32) control.Context {
	return control.Context{Name: control.Name{ULIDLocal: a1, ULIDPeer: b1, FII: fii}, State: "established",
		LocatorLocal: a1, LocatorPeer: b1, ReapState: "operational"}
}

func TestCommands(t *testing.T) {
	shows.IDs(t, "boeing-3.2-01")
	f := &fake{contexts: []control.Context{contextOf(0), contextOf(3)}}
	ask := newServer(f, slog.New(slog.DiscardHandler)).answer
	want := "1 2001:db8:1::a 2001:db8:1::b fii 0 established by 2001:db8:1::a 2001:db8:1::b operational\n" +
		"2 2001:db8:1::a 2001:db8:1::b fii 3 established by 2001:db8:1::a 2001:db8:1::b operational\nok\n"
	if got := ask("dump\n"); got != want {
		t.Errorf("dump:\n%s", got)
	}
	for _, c := range []struct{ command, told, want string }{
		{"context 2001:db8:1::a 2001:db8:1::b", "open 2001:db8:1::a 2001:db8:1::b 0", "ok\n"},
		{"delete 2001:db8:1::a 2001:db8:1::b", "close 2001:db8:1::a 2001:db8:1::b 0", "ok\n"},
		{"update 2", "refresh 2001:db8:1::a 2001:db8:1::b 3", "ok\n"},
		{" shim  1 2001:db8:2::a 2001:db8:2::b\n", "use 2001:db8:1::a 2001:db8:1::b 0 2001:db8:2::a 2001:db8:2::b", "ok\n"},
		{"deshim 2", "use 2001:db8:1::a 2001:db8:1::b 3 2001:db8:1::a 2001:db8:1::b", "ok\n"},
		{"", "", "error: no command: take one of dump, context, delete, update, shim, deshim\n"},
		{"reboot", "", "error: there is no command \"reboot\": take one of dump, context, delete, update, shim, deshim\n"},
		{"update", "", "error: usage: update CONTEXT-ID\n"},
		{"shim 1 2001:db8:2::a", "", "error: usage: shim CONTEXT-ID SRC-LOCATOR DST-LOCATOR\n"},
		{"update 9", "", "error: there is no context with the id \"9\": dump shows those that there are\n"},
		{"deshim x", "", "error: there is no context with the id \"x\": dump shows those that there are\n"},
		{"context 10.0.0.1 2001:db8::1", "", "error: \"10.0.0.1\" is no IPv6 address\n"},
		{"delete 2001:db8::1 fe80::1%lo", "", "error: \"fe80::1%lo\" is no IPv6 address\n"},
		{"shim 1 x y", "", "error: \"x\" is no IPv6 address\n"},
		{strings.Repeat("x", maxCommand+1), "", "error: the command is too long\n"},
	} {
		f.told = ""
		if got := ask(c.command); got != c.want || f.told != c.told {
			t.Errorf("%.40q: %q, told %q", c.command, got, f.told)
		}
	}
	f.err = errors.New("no")
	for _, c := range []string{"dump", "update 1", "context 2001:db8:1::a 2001:db8:1::b"} {
		if got := ask(c); got != "error: no\n" {
			t.Errorf("%s, refused: %q", c, got)
		}
	}
}

// An id belongs to one context for ever.
func TestIDs(t *testing.T) {
	f := &fake{contexts: []control.Context{contextOf(1), contextOf(2)}}
	ask := newServer(f, slog.New(slog.DiscardHandler)).answer
	ask("dump")
	f.contexts = []control.Context{contextOf(3), contextOf(2)}
	if got := ask("dump"); !strings.HasPrefix(got, "3 ") || !strings.Contains(got, "\n2 2001:db8:1::a 2001:db8:1::b fii 2 ") {
		t.Errorf("dump:\n%s", got)
	}
	if got := ask("deshim 1"); !strings.HasPrefix(got, "error: there is no context") {
		t.Errorf("one that is gone: %q", got)
	}
}

func TestLongDump(t *testing.T) {
	f := &fake{}
	for i := range uint32(2000) {
		f.contexts = append(f.contexts, contextOf(i))
	}
	_, ask := listen(t, f)
	got := ask("dump")
	if len(got) > maxAnswer+4 || !strings.HasSuffix(got, " operational\n...\n") {
		t.Errorf("%d octets, that end with %q", len(got), got[len(got)-40:])
	}
}

func TestListen(t *testing.T) {
	s, ask := listen(t, &fake{contexts: []control.Context{contextOf(0)}})
	for _, c := range s.conns {
		if a := c.LocalAddr().(*net.UDPAddr); !a.IP.IsLoopback() || a.Port != int(s.Addr().Port()) {
			t.Errorf("it listens at %v", a)
		}
	}
	if got := ask("dump"); !strings.HasSuffix(got, " operational\nok\n") {
		t.Errorf("dump: %q", got)
	}
	// The end of a command that is too long is not read.
	if got := ask(strings.Repeat("x", 2*maxCommand)); got != "error: the command is too long\n" {
		t.Errorf("%q", got)
	}
	if got := ask("dump"); !strings.HasSuffix(got, "ok\n") {
		t.Errorf("after it: %q", got)
	}
}

// "localhost" is an IPv4 address for many versions of nc. The ids are the same there.
func TestListenIPv4(t *testing.T) {
	s, ask := listen(t, &fake{contexts: []control.Context{contextOf(0)}})
	c, err := net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", s.Addr().Port()))
	if err != nil {
		t.Skip(err)
	}
	defer c.Close()
	ask("dump")
	for command, want := range map[string]string{"deshim 1\n": "ok\n", "dump\n": " operational\nok\n"} {
		if _, err := c.Write([]byte(command)); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1024)
		if n, err := c.Read(b); err != nil || !strings.HasSuffix(string(b[:n]), want) {
			t.Errorf("%q: %q, %v", command, b[:n], err)
		}
	}
}

func TestListenTaken(t *testing.T) {
	s, _ := listen(t, &fake{})
	if _, err := Listen(s.Addr().Port(), &fake{}, slog.Default()); err == nil || !strings.Contains(err.Error(), "the debug port: ") {
		t.Error(err)
	}
}
