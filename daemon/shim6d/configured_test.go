// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	mnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/config"
	"shim6/daemon/control"
	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
	"shim6/netlink"
)

// up1 has the address a1 and a router, and up2 has a2. No link of this host has these
// numbers.
const (
	up1 uint32 = 1<<30 + iota
	up2
)

var router = netip.MustParseAddr("fe80::1")

func toldRoute(kind uint16) mnetlink.Message {
	return told(kind, &rtnetlink.RouteMessage{Family: unix.AF_INET6, Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_RA, Type: unix.RTN_UNICAST,
		Attributes: rtnetlink.RouteAttributes{OutIface: up1, Gateway: router.AsSlice(), Table: unix.RT_TABLE_MAIN}})
}

func twoLinks() []mnetlink.Message {
	return []mnetlink.Message{
		toldLink(up1, "up1", linkUp), toldLink(up2, "up2", linkUp), toldAddress(up1, a1, 0), toldAddress(up2, a2, 0), toldRoute(unix.RTM_NEWROUTE),
	}
}

// configured is a daemon with two links that was started with a configuration. It has found an
// established context that can use both links, and uses the locator at.
func configured(t *testing.T, text string, at netip.Addr) (*daemon, *fake, *strings.Builder) {
	t.Helper()
	d, f, log := made(t)
	c, err := config.Parse("f", text)
	if err != nil {
		t.Fatal(err)
	}
	c.StateDirectory, c.Control = d.config.StateDirectory, d.config.Control
	d.config = c
	if err := d.host.table.Dump(0, twoLinks()); err != nil {
		t.Fatal(err)
	}
	f.contexts = []netlink.Context{adoptedBy(at)}
	if err := d.session.Start(); err != nil {
		t.Fatal(err)
	}
	if d.session.engine.State(ulids) != engine.Established {
		t.Fatal("there is no context")
	}
	return d, f, log
}

// trusting is a configuration by which the context keeps both locators of ours without proof.
const trusting = "[peers]\ntrusted-prefixes = ['2001:db8::/32']\n"

// adoptedBy is a context between both locators of ours and the peer's ULID.
func adoptedBy(at netip.Addr) netlink.Context {
	c := adopted()
	c.LocatorLocal, c.LocatorsLocal = at, []netip.Addr{a1, a2}
	return c
}

// REAP does what the configuration says: when it looks for a better locator pair, and when it
// probes those that may be needed.
func TestExplorerIsConfigured(t *testing.T) {
	for _, c := range []struct {
		text string
		at   netip.Addr
		// low and high are when there is something to do; 0 for never.
		low, high time.Duration
	}{
		{"", a1, 0, 0},
		{"", a2, time.Minute, 75 * time.Second},
		{"[protocol]\nhold-down = '40m'", a2, 40 * time.Minute, 50 * time.Minute},
		{"[protocol]\nstandby = '2h'", a1, 2 * time.Hour, 2 * time.Hour},
		{"[protocol]\nstandby = '30m'\nhold-down = '40m'", a2, 30 * time.Minute, 30 * time.Minute},
	} {
		before := time.Now()
		d, _, _ := configured(t, trusting+c.text, c.at)
		at, ok := d.session.explorer.Next()
		at -= d.now()
		if gone := time.Since(before); ok != (c.high != 0) || ok && (at < c.low-gone || at > c.high) {
			t.Errorf("%q, by %v: to do in %v (%v), wanted %v to %v", c.text, c.at, at, ok, c.low, c.high)
		}
	}
}

// The client that asked, and the log, are told that REAP has moved a context.
func TestSwitchIsTold(t *testing.T) {
	d, f, log := configured(t, trusting, a1)
	f.answerProbes(t, func(wire.ProbeReport) {})
	b, end := running(t, d)
	before, err := b.Status(t.Context())
	if err != nil || len(before.Reap) != 0 {
		t.Errorf("before: %v, %v", before.Reap, err)
	}
	err = b.Use(t.Context(), control.UseRequest{Name: nameOf(ulids), LocatorLocal: a2, LocatorPeer: b1})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := b.Status(t.Context()); err != nil || s.Reap["probes"] == 0 || s.Reap["switches"] != 1 {
		t.Errorf("the counters are %v, %v", s.Reap, err)
	}
	end()
	l := d.history.switches.kept()
	if len(l) != 1 || l[0].Trigger != "operator" || l[0].To != (control.Pair{LocatorLocal: a2, LocatorPeer: b1}) {
		t.Errorf("%+v", l)
	}
	if !strings.Contains(log.String(), "msg=path") {
		t.Errorf("log: %s", log)
	}
}

// The policies of interfaces get from the file to the engine, when shim6d starts and when it
// reads the file again.
func TestPolicyIsConfigured(t *testing.T) {
	const text = trusting + "[[interface]]\nname = 'up1'\npolicy = 'metered'\n[[interface]]\nname = 'up*'\npolicy = 'backup'\n"
	policies := func(d *daemon) string {
		s, ok := d.session.engine.Session(ulids)
		if !ok {
			t.Fatal("there is no context")
		}
		var list []string
		for _, a := range []netip.Addr{a1, a2} {
			l, _ := s.Local(a)
			list = append(list, l.Policy.String())
		}
		return strings.Join(list, " ")
	}
	d, _, _ := configured(t, text, a1)
	atOnce(d)
	if got := policies(d); got != "metered backup" {
		t.Errorf("at the start: %s", got)
	}
	// REAP looks for the better link.
	if _, ok := d.session.explorer.Next(); !ok {
		t.Error("it stays where it is metered")
	}
	for _, p := range d.session.paths() {
		if want := map[netip.Addr]string{a1: "metered", a2: "backup"}[p.LocatorLocal]; p.Policy != want {
			t.Errorf("%v is said to be %s", p.Pair, p.Policy)
		}
	}
	before := d.session.engine
	d.read = func() (*config.Config, error) { return config.Parse("f", strings.ReplaceAll(text, "backup", "never")) }
	d.reload()
	if got := policies(d); got != "metered never" || d.session.engine != before {
		t.Errorf("after a reload: %s", got)
	}
}

// The engine does what the configuration says of the protocol.
func TestEngineIsConfigured(t *testing.T) {
	other := engine.ULIDs{Local: a2, Peer: b1}
	// open asks for a context, and returns the answer.
	open := func(d *daemon, o engine.Open) (answer string) {
		o.ID = 1
		d.session.waiting[1] = func(err error) {
			if err != nil {
				answer, _, _ = strings.Cut(err.Error(), ":")
			}
		}
		d.session.handle(o)
		return answer
	}
	for _, c := range []struct {
		name, text string
		// do tells what comes of it.
		do          func(d *daemon, f *fake) any
		without, is any
	}{
		{"send-timeout", "[protocol]\nsend-timeout = '20s'", func(d *daemon, _ *fake) any {
			open(d, engine.Open{ULIDs: other})
			s, _ := d.session.engine.Session(other)
			return s.SendTimeout()
		}, 15 * time.Second, 20 * time.Second},
		{"idle-timeout", "[protocol]\nidle-timeout = '1h'", func(d *daemon, _ *fake) any {
			d.session.handle(engine.Expire{ULIDs: ulids, Tag: 5, Idle: 50 * time.Minute})
			return d.session.engine.State(ulids)
		}, engine.Idle, engine.Established},
		{"max-contexts", "[protocol]\nmax-contexts = 1", func(d *daemon, _ *fake) any {
			return open(d, engine.Open{ULIDs: other})
		}, "", "there are 1 contexts, as many as MaxContexts allows"},
		{"max-peer-contexts", "[protocol]\nmax-peer-contexts = 1", func(d *daemon, _ *fake) any {
			return open(d, engine.Open{ULIDs: other})
		}, "", "there are 1 contexts with peer 2001"},
		{"max-prefix-contexts", "[protocol]\nmax-prefix-contexts = 1", func(d *daemon, _ *fake) any {
			return open(d, engine.Open{ULIDs: other})
		}, "", "there are 1 contexts with peers in the /64 of 2001"},
		{"trusted-prefixes", "[peers]\ntrusted-prefixes = ['2001:db8::/32']", func(d *daemon, _ *fake) any {
			return open(d, engine.Open{ULIDs: other, Pair: engine.Pair{Local: a2, Peer: netip.MustParseAddr("2001:db8:7::b")}}) == ""
		}, false, true},
		{"debug-errors", "[protocol]\ndebug-errors = true", func(d *daemon, f *fake) any {
			b, err := wire.Append(nil, &wire.I1{InitiatorContextTag: 1, InitiatorNonce: 2})
			if err != nil {
				t.Fatal(err)
			}
			// The checksum is wrong.
			b[5] ^= 1
			d.session.handle(engine.Control{Source: b1, Destination: a1, Message: b})
			return len(f.calls)
		}, 0, 1},
	} {
		for text, want := range map[string]any{"": c.without, c.text: c.is} {
			d, f, _ := configured(t, text, a1)
			f.calls = nil
			if got := c.do(d, f); got != want {
				t.Errorf("%s, %q: %v, wanted %v", c.name, text, got, want)
			}
		}
	}
}
