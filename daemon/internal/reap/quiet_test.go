// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// Routers that extend lifetimes give nothing new to try: the pauses between Probes grow all the
// same.
func TestLifetimesChange(t *testing.T) {
	shows.IDs(t, "5534-4.3-07")
	z := in(t, operational)
	z.timeout()
	for range 100 {
		z.n.pass(6 * time.Second)
		z.a.locals = slices.Clone(z.a.locals)
		for i := range z.a.locals {
			z.a.locals[i].ValidUntil = z.n.now + time.Hour
		}
		z.a.handle(engine.Locators{Local: z.a.locals})
	}
	if n := len(z.n.trace); n > 4+21+8 || n < 26 {
		t.Errorf("%d Probes in ten minutes", n)
	}
	// A real change begins the schedule again.
	before := len(z.n.trace)
	z.a.link(1, false)
	z.n.pass(1400 * time.Millisecond)
	if n := len(z.n.trace) - before; n != 3 {
		t.Errorf("%d Probes after a change", n)
	}
}

// A peer that has lost the context answers no Probe, and TCP retransmits. That is no reason to leave
// a pair that works: the I2bis exchange restores the context.
func TestHintWithoutContext(t *testing.T) {
	n, a, b, ab, _ := two(t, 2)
	second := a.pair(1, b, 0)
	a.use(ab, second)
	n.pass(time.Minute)
	if a.current(ab) != second {
		t.Fatal("the second pair can't be used")
	}
	b.handle(engine.Dump{})
	// The answers to I2bis are lost for a while.
	c, _ := a.e.Context(ab)
	n.dead = func(s, _ netip.Addr) bool { return n.owner[s] == b }
	var m wire.R1bis
	m.PacketContextTag = c.TagPeer
	m.Options = wire.Options{&wire.ResponderValidator{Validator: make([]byte, 16)}}
	text, err := wire.Append(nil, &m)
	if err != nil {
		t.Fatal(err)
	}
	a.handle(engine.Control{Source: second.Peer, Destination: second.Local, Message: text})
	if a.e.State(ab) != engine.I2bisSent {
		t.Fatalf("%v", a.e.State(ab))
	}
	n.trace = nil
	for range 3 {
		a.handle(engine.Reap{ULIDs: ab, Tag: c.TagLocal, Kind: engine.ReapRetransmission, Stall: engine.Stall{RTT: 20 * time.Millisecond}})
		n.pass(time.Second)
	}
	if a.state(ab) != operational || a.current(ab) != second || len(n.trace) != 0 {
		t.Errorf("%v by %v: %q", a.state(ab), a.current(ab), n.probes())
	}
}

// Nothing is explored before there is a context, whatever events come: a host that asks for a
// context could have others flooded.
func TestNoContextNoExploration(t *testing.T) {
	shows.IDs(t, "5534-4.2-04 5534-8-05")
	n := newNetwork(t)
	a, b := n.host("A", 2, Config{}), n.host("B", 2, Config{})
	ab := engine.ULIDs{Local: a.addr(0), Peer: b.addr(0)}
	n.dead = func(_, _ netip.Addr) bool { return true }
	a.handle(engine.Acquire{Local: ab.Local, Peer: ab.Peer})
	if a.e.State(ab) != engine.I1Sent {
		t.Fatal(a.e.State(ab))
	}
	c, _ := a.e.Context(ab)
	for _, kind := range []engine.ReapKind{engine.ReapSendTimeout, engine.ReapInbound, engine.ReapRetransmission} {
		a.handle(engine.Reap{ULIDs: ab, Tag: c.TagLocal, Kind: kind})
		a.handle(engine.ICMP{Type: 1, Code: 3, Source: ab.Local, Destination: ab.Peer, ULIDs: ab})
		n.pass(time.Second)
	}
	if len(n.trace) != 0 {
		t.Errorf("%q", n.probes())
	}
}
