// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"testing"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// carried are two hosts that use UDP as they like, on paths of which some carry messages by one
// encapsulation alone. carries says whether a pair does; payload without a header always passes.
func carried(t *testing.T, a, b engine.UseUDP, carries func(engine.Pair) bool) (n *network, x, y *host, ab, ba engine.ULIDs) {
	t.Helper()
	n = newNetwork(t)
	n.loses = func(p engine.Pair, payload bool, _ int) bool {
		for _, h := range n.hosts {
			for _, k := range h.kernel {
				if payload && p == k.Locator && !k.header {
					return false
				}
			}
		}
		return !carries(p)
	}
	x, y = n.host("A", 2, Config{}), n.host("B", 2, Config{})
	x.engine.UDP, y.engine.UDP = a, b
	x.boot()
	y.boot()
	ab = engine.ULIDs{Local: x.addr(0), Peer: y.addr(0)}
	ba = engine.ULIDs{Local: ab.Peer, Peer: ab.Local}
	x.handle(engine.Acquire{Local: ab.Local, Peer: ab.Peer})
	n.pass(time.Second)
	return n, x, y, ab, ba
}

func inUDP(p engine.Pair) bool { return p.Encapsulation == engine.UDP }
func both(engine.Pair) bool    { return true }

func established(t *testing.T, h *host, u engine.ULIDs) {
	t.Helper()
	if got := h.e.State(u); got != engine.Established {
		t.Fatalf("%s is in %v", h.name, got)
	}
}

func (n *network) counts(by engine.Encapsulation) (probes int) {
	for _, p := range n.trace {
		if p.m != nil && p.by == by {
			probes++
		}
	}
	return probes
}

// Where native messages are lost, a context is made in UDP, and a failure costs no more than half
// a pause more than natively.
func TestNoNative(t *testing.T) {
	n, a, b, ab, ba := carried(t, engine.UDPAuto, engine.UDPAuto, inUDP)
	established(t, a, ab)
	established(t, b, ba)
	if got := a.current(ab); got != a.pair(0, b, 0).By(engine.UDP) {
		t.Errorf("A sends by %v", got)
	}
	if got := b.current(ba); got != b.pair(0, a, 0).By(engine.UDP) {
		t.Errorf("B sends by %v", got)
	}
	if len(a.messages[wire.TypeI1]) != 2 || len(b.messages[wire.TypeR1]) != 1 {
		t.Errorf("I1 at %v, R1 at %v", a.messages[wire.TypeI1], b.messages[wire.TypeR1])
	}
	// The next context between these networks begins right.
	a.messages = map[wire.Type][]time.Duration{}
	a.handle(engine.Open{ULIDs: engine.ULIDs{Local: ab.Local, Peer: ab.Peer, FII: 7}})
	n.pass(time.Second)
	if len(a.messages[wire.TypeI1]) != 1 || a.e.State(engine.ULIDs{Local: ab.Local, Peer: ab.Peer, FII: 7}) != engine.Established {
		t.Errorf("the second context: I1 at %v", a.messages[wire.TypeI1])
	}
	n.pass(time.Minute)
	n.trace = nil
	a.flow(ab, 100*time.Millisecond)
	b.flow(ba, 100*time.Millisecond)
	n.pass(time.Minute)
	// Each host has asked natively once or twice, by a Probe and one in UDP behind it.
	if native, udp := n.counts(engine.Native), n.counts(engine.UDP); native > 4 || udp > 16 {
		t.Errorf("while all is well: %v", n.probes())
	}
	// A path that fails is left within the time that a native context has, and half a pause.
	n.kill(a.pair(0, b, 0))
	began := n.now
	a.handle(engine.Reap{ULIDs: ab, Tag: a.kernel[ab].TagLocal, Kind: engine.ReapRetransmission, Stall: engine.Stall{RTT: 20 * time.Millisecond}})
	for a.current(ab).SamePath(a.pair(0, b, 0)) && n.now < began+time.Minute {
		n.pass(time.Millisecond)
	}
	took := n.now - began
	if got := a.current(ab); got != a.pair(1, b, 1).By(engine.UDP) {
		t.Errorf("A went to %v: %v", got, n.probes())
	}
	if most := 80*time.Millisecond + otherTimeout + 40*time.Millisecond; took > most {
		t.Errorf("it took %v: %v", took, n.probes())
	}
	n.pass(time.Second)
	if got := b.current(ba); got != b.pair(1, a, 1).By(engine.UDP) {
		t.Errorf("B sends by %v", got)
	}
	n.kill()
	heard := b.kernel[ba].heard
	n.pass(10 * time.Minute)
	if got := a.current(ab); got != a.pair(0, b, 0).By(engine.UDP) {
		t.Errorf("A has not returned: %v", got)
	}
	if b.kernel[ba].heard-heard < 5900 {
		t.Errorf("B has heard %d packets", b.kernel[ba].heard-heard)
	}
}

// Where only the second path loses native messages, the first is native, before and after.
func TestNoNativeOnSecond(t *testing.T) {
	n, a, b, ab, ba := carried(t, engine.UDPAuto, engine.UDPAuto, func(p engine.Pair) bool {
		return inUDP(p) || p.Local != address(1, 2) && p.Peer != address(1, 2)
	})
	established(t, a, ab)
	if got := a.current(ab); got != a.pair(0, b, 0) {
		t.Fatalf("A sends by %v", got)
	}
	n.pass(time.Minute)
	a.flow(ab, 100*time.Millisecond)
	b.flow(ba, 100*time.Millisecond)
	n.pass(time.Second)
	n.kill(a.pair(0, b, 0))
	a.handle(engine.Reap{ULIDs: ab, Tag: a.kernel[ab].TagLocal, Kind: engine.ReapRetransmission, Stall: engine.Stall{RTT: 20 * time.Millisecond}})
	n.pass(time.Second)
	if got := a.current(ab); got != a.pair(1, b, 1).By(engine.UDP) {
		t.Errorf("A went to %v: %v", got, n.probes())
	}
	n.kill()
	n.pass(10 * time.Minute)
	if got := a.current(ab); got != a.pair(0, b, 0) {
		t.Errorf("A has not returned: %v", got)
	}
}

// A peer that does not use UDP sees nothing new but datagrams to a closed port; and a host that
// does not use it sends none.
func TestNativePeer(t *testing.T) {
	for _, c := range []struct {
		a, b engine.UseUDP
		udp  bool
	}{{engine.UDPAuto, engine.UDPNever, true}, {engine.UDPNever, engine.UDPAuto, false}, {engine.UDPNever, engine.UDPNever, false}} {
		n, a, b, ab, ba := carried(t, c.a, c.b, both)
		established(t, a, ab)
		n.pass(time.Minute)
		n.trace = nil
		a.flow(ab, 100*time.Millisecond)
		b.flow(ba, 100*time.Millisecond)
		n.pass(time.Second)
		n.kill(a.pair(0, b, 0), a.pair(1, b, 1))
		a.handle(engine.Reap{ULIDs: ab, Tag: a.kernel[ab].TagLocal, Kind: engine.ReapRetransmission, Stall: engine.Stall{RTT: 20 * time.Millisecond}})
		n.pass(5 * time.Second)
		if got := a.current(ab); got.Encapsulation != engine.Native || got.SamePath(a.pair(0, b, 0)) {
			t.Errorf("%v: A went to %v: %v", c, got, n.probes())
		}
		for _, p := range n.trace {
			if p.by == engine.UDP && (!c.udp || p.from != "A") {
				t.Errorf("%v: %s sends a Probe in UDP", c, p.from)
			}
		}
	}
}

// With always nothing is tried natively.
func TestAlways(t *testing.T) {
	n, a, b, ab, ba := carried(t, engine.UDPAlways, engine.UDPAuto, both)
	established(t, a, ab)
	if len(a.messages[wire.TypeI1]) != 1 || a.current(ab).Encapsulation != engine.UDP {
		t.Errorf("A sends by %v, after I1s at %v", a.current(ab), a.messages[wire.TypeI1])
	}
	n.pass(time.Minute)
	n.trace = nil
	a.flow(ab, 100*time.Millisecond)
	b.flow(ba, 100*time.Millisecond)
	n.kill(a.pair(0, b, 0))
	n.pass(time.Minute)
	if got := a.current(ab); got != a.pair(1, b, 1).By(engine.UDP) {
		t.Errorf("A went to %v", got)
	}
	for _, p := range n.trace {
		if p.from == "A" && p.by == engine.Native && p.m != nil && p.m.State == wire.ProbeExploring {
			t.Errorf("A sends a native Probe: %v", n.probes())
			break
		}
	}
}

// A path that has lost native messages from some time on is found out, and the context stays on
// its addresses.
func TestNativeEnds(t *testing.T) {
	lost := false
	n, a, b, ab, ba := carried(t, engine.UDPAuto, engine.UDPAuto, func(p engine.Pair) bool { return !lost || inUDP(p) })
	established(t, a, ab)
	n.pass(time.Minute)
	lost = true
	// Payload goes one way alone, so that the peer's Keepalives are needed.
	a.flow(ab, 100*time.Millisecond)
	n.pass(time.Minute)
	if got := a.current(ab); got != a.pair(0, b, 0).By(engine.UDP) {
		t.Errorf("A sends by %v: %v", got, n.probes())
	}
	if got := b.current(ba); got != b.pair(0, a, 0).By(engine.UDP) {
		t.Errorf("B sends by %v: %v", got, n.probes())
	}
	n.trace = nil
	n.pass(5 * time.Minute)
	// Each host has asked natively two or three times.
	if native, udp := n.counts(engine.Native), n.counts(engine.UDP); native > 6 || udp > 24 {
		t.Errorf("Probes go on: %v", n.probes())
	}
}

// An operator's pair is asked by both encapsulations, and both are told of.
func TestUDPCommands(t *testing.T) {
	n, a, b, ab, _ := carried(t, engine.UDPAuto, engine.UDPAuto, inUDP)
	n.pass(time.Minute)
	a.handle(engine.ProbeAll{ID: 1, ULIDs: ab})
	n.pass(20 * time.Second)
	s, _ := a.e.Session(ab)
	working, failed := 0, 0
	for _, p := range a.r.Paths(s) {
		switch {
		case p.State == Working && p.Encapsulation == engine.UDP:
			working++
		case p.State == Failed && p.Encapsulation == engine.Native:
			failed++
		}
	}
	if working != 4 || failed < 3 {
		t.Errorf("%d pairs work in UDP, and %d fail natively: %+v", working, failed, a.r.Paths(s))
	}
	a.handle(engine.Use{ID: 2, ULIDs: ab, Pair: a.pair(1, b, 0)})
	n.pass(5 * time.Second)
	if got := a.current(ab); got != a.pair(1, b, 0).By(engine.UDP) {
		t.Errorf("A sends by %v, %v", got, a.done)
	}
}
