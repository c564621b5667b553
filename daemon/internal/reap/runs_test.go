// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shim6/daemon/internal/engine"
	"shim6/tools/conformance/shows"
)

// An idle context sends nothing.
func TestIdle(t *testing.T) {
	shows.IDs(t, "5534-A-01 5534-3.5-02")
	n, a, b, _, _ := two(t, 2)
	n.pass(time.Hour)
	if p := n.probes(); p != nil || a.r.Size() != 0 || b.r.Size() != 0 {
		t.Errorf("sent %q; %d and %d are remembered", p, a.r.Size(), b.r.Size())
	}
}

// Traffic in both directions needs no Probes and no Keepalives.
func TestBidirectional(t *testing.T) {
	shows.IDs(t, "5534-A-02")
	n, a, b, ab, ba := two(t, 2)
	a.flow(ab, time.Second)
	b.flow(ba, time.Second)
	n.pass(time.Hour)
	if p := n.probes(); p != nil {
		t.Errorf("sent %q", p)
	}
}

// Traffic in one direction is answered by Keepalives, and no Probes.
func TestUnidirectionalTraffic(t *testing.T) {
	shows.IDs(t, "5534-A-03")
	n, a, _, ab, _ := two(t, 2)
	a.flow(ab, time.Second)
	n.pass(time.Minute)
	for _, p := range n.trace {
		if p.m != nil || p.from != "B" {
			t.Fatalf("sent %q", n.probes())
		}
	}
	if len(n.trace) < 5 {
		t.Errorf("sent %q", n.probes())
	}
}

// Example 4: both directions of a pair fail, and B is the first to see it.
func TestExample4(t *testing.T) {
	shows.IDs(t, "5534-A-04 5534-4.2-01 5534-4.2-02 5534-3.3-01 5534-6.9-04 5534-6.9-06 5534-6.8-04")
	n := newNetwork(t)
	a, b := n.host("A", 1, Config{}), n.host("B", 2, Config{})
	switches := b.record()
	ab := engine.ULIDs{Local: a.addr(0), Peer: b.addr(0)}
	ba := engine.ULIDs{Local: ab.Peer, Peer: ab.Local}
	a.handle(engine.Acquire{Local: ab.Local, Peer: ab.Peer})
	n.pass(time.Minute)
	n.trace = nil
	// A sends later, so its Send Timer expires later.
	b.flow(ba, time.Second)
	n.after(2800*time.Millisecond, func() { a.flow(ab, time.Second) })
	n.pass(3500 * time.Millisecond)
	n.kill(a.pair(0, b, 0))
	n.pass(15 * time.Second)
	if a.current(ab) != a.pair(0, b, 0) || b.current(ba) != b.pair(0, a, 0) {
		t.Error("payload moves before a pair is confirmed")
	}
	n.pass(time.Second)
	want := []string{
		"B1>A1 Exploring 0",
		"B2>A1 Exploring 0",
		"A1>B2 InboundOk 1",
		"B2>A1 Operational 1",
	}
	if d := cmp.Diff(want, n.probes()); d != "" {
		t.Error(d)
	}
	if a.current(ab) != a.pair(0, b, 1) || b.current(ba) != b.pair(1, a, 0) {
		t.Errorf("A sends by %v and B by %v", a.current(ab), b.current(ba))
	}
	if p := n.trace[1].m; len(p.Sent) != 2 || p.Sent[1] != n.trace[0].m.Sent[0] {
		t.Errorf("the second Probe has %+v", p.Sent)
	}
	n.trace = nil
	n.pass(30 * time.Second)
	if p := n.probes(); p != nil {
		t.Errorf("then %q were sent", p)
	}
	k := a.kernel[ab]
	if n.now-k.heardAt > 2*time.Second || k.Inbound != a.pair(0, b, 1) {
		t.Errorf("A heard last %v ago, by %v", n.now-k.heardAt, k.Inbound)
	}
	l := switches()
	if len(l) == 0 {
		t.Fatal("no history")
	}
	s := l[0]
	if s.Trigger != SendTimeout || s.Inbound || s.From != b.pair(0, a, 0) || s.To != b.pair(1, a, 0) || len(s.Probed) != 2 ||
		!slices.Equal(s.Answered, []engine.Pair{b.pair(1, a, 0)}) || s.Outage < 15*time.Second || s.Outage > 16*time.Second {
		t.Errorf("history %+v", s)
	}
	// The first pair was good until payload was lost, the second is since the answer.
	if good := []LastGood{{s.From, s.Time - s.Outage}, {s.To, s.Time}}; !slices.Equal(s.Good, good) {
		t.Errorf("last good %v, wanted %v", s.Good, good)
	}
}

// Example 5: A1 to B1 fails, the other direction does not.
func TestExample5(t *testing.T) {
	shows.IDs(t, "5534-A-05 5534-3.3-02")
	n, a, b, ab, ba := two(t, 2)
	b.flow(ba, time.Second)
	n.after(500*time.Millisecond, func() { a.flow(ab, time.Second) })
	n.pass(3 * time.Second)
	n.killOneWay(a.pair(0, b, 0))
	n.pass(16 * time.Second)
	want := []string{
		"B1>A1 Exploring 0",
		"A1>B1 InboundOk 1",
		"B2>A2 Exploring 0",
		"A2>B2 InboundOk 2",
		"B1>A1 Operational 1",
	}
	if d := cmp.Diff(want, n.probes()); d != "" {
		t.Error(d)
	}
	if a.current(ab) != a.pair(1, b, 1) || b.current(ba) != b.pair(0, a, 0) {
		t.Errorf("A sends by %v and B by %v", a.current(ab), b.current(ba))
	}
	if p := a.state(ab); p != engine.ReapOperational {
		t.Errorf("A is in %v", p)
	}
}

// Every pair works in one direction only, and each host finds its own.
func TestUnidirectionalPairs(t *testing.T) {
	shows.IDs(t, "5534-3.3-02 5533-5.13-02")
	n, a, b, ab, ba := two(t, 3)
	a.flow(ab, 100*time.Millisecond)
	b.flow(ba, 100*time.Millisecond)
	n.pass(time.Second)
	// From A only A3 to B2, from B only B3 to A2.
	n.dead = func(s, d netip.Addr) bool {
		p := engine.Pair{Local: s, Peer: d}
		return p != a.pair(2, b, 1) && p != b.pair(2, a, 1)
	}
	n.pass(90 * time.Second)
	if a.current(ab) != a.pair(2, b, 1) || b.current(ba) != b.pair(2, a, 1) ||
		a.state(ab) != engine.ReapOperational || b.state(ba) != engine.ReapOperational {
		t.Errorf("A sends by %v and B by %v; %q", a.current(ab), b.current(ba), n.probes())
	}
	if i, _ := a.e.Context(ab); i.Inbound != a.pair(1, b, 2) {
		t.Errorf("inbound %v", i.Inbound)
	}
}

// Each host has four locators, and the first three pairs that are probed are dead. The fourth Probe
// finds one that works. The pairs probed have no locator in common, while that is possible.
func TestFourByFour(t *testing.T) {
	shows.IDs(t, "5534-4.3-05 5534-7-01 5534-7-02")
	for _, x := range []struct {
		trigger Trigger
		// dead is how many Probes are lost.
		dead int
		fail func(a *host)
	}{
		// No Probe goes by a link that is down.
		{Local, 2, func(a *host) { a.link(0, false) }},
		{SendTimeout, 3, func(*host) {}},
	} {
		n, a, b, ab, ba := two(t, 4)
		switches := a.record()
		a.flow(ab, 100*time.Millisecond)
		b.flow(ba, 100*time.Millisecond)
		n.pass(time.Second)
		n.dead = func(s, d netip.Addr) bool {
			i := slices.IndexFunc(a.locals, func(l engine.LocalLocator) bool { return l.Address == s || l.Address == d })
			return i < 3
		}
		n.after(0, func() { x.fail(a) })
		n.pass(18 * time.Second)
		if a.current(ab).Local != a.addr(3) || b.current(ba).Peer != a.addr(3) {
			t.Errorf("%v: A sends by %v, B by %v", x.trigger, a.current(ab), b.current(ba))
		}
		l := switches()
		l = slices.DeleteFunc(l, func(s Switch) bool { return s.Inbound })
		if len(l) != 1 || l[0].Trigger != x.trigger {
			t.Fatalf("%v: history %+v", x.trigger, l)
		}
		if took := l[0].Time - l[0].Probed[0].Time; took > 2*time.Second {
			t.Errorf("%v: found %v after the first Probe", x.trigger, took)
		}
		// A second Probe by the pair that works tells the peer so.
		probed := slices.CompactFunc(l[0].Probed, func(p, q Probed) bool { return p.Pair == q.Pair })
		seen := map[netip.Addr]bool{}
		for i, p := range probed {
			if seen[p.Local] || seen[p.Peer] {
				t.Errorf("%v: Probe %d is not by a most different pair: %+v", x.trigger, i, probed)
			}
			if i > 0 && p.Time-probed[i-1].Time != 500*time.Millisecond {
				t.Errorf("%v: Probe %d comes %v after the one before", x.trigger, i, p.Time-probed[i-1].Time)
			}
			seen[p.Local], seen[p.Peer] = true, true
		}
		if len(probed) != x.dead+1 {
			t.Errorf("%v: %+v were probed", x.trigger, probed)
		}
	}
}

// The time until the last of sixteen pairs is probed, of four locators each. Four pairs are probed
// within two seconds, as the RFC's rate allows, and the others with growing pauses, as
// docs/decisions.md explains.
func TestLastOfSixteen(t *testing.T) {
	shows.IDs(t, "5534-4.3-05")
	n, a, b, ab, ba := two(t, 4)
	a.flow(ab, 100*time.Millisecond)
	b.flow(ba, 100*time.Millisecond)
	n.pass(time.Second)
	n.dead = func(netip.Addr, netip.Addr) bool { return true }
	n.pass(120 * time.Second)
	tried := map[engine.Pair]time.Duration{}
	var first, last time.Duration
	for _, p := range n.trace {
		pair := engine.Pair{Local: p.source, Peer: p.destination}
		if _, ok := tried[pair]; ok || p.from != "A" {
			continue
		}
		if len(tried) == 0 {
			first = p.at
		}
		tried[pair], last = p.at, p.at
		if took := p.at - first; len(tried) == NumberOfInitialProbes && took > 2*time.Second {
			t.Errorf("the first four took %v", took)
		}
	}
	t.Logf("%d pairs in %v", len(tried), last-first)
	if len(tried) != 16 || last-first < 28*time.Second || last-first > 38*time.Second {
		t.Errorf("%d pairs were probed in %v", len(tried), last-first)
	}
}

// A link goes down, and the session has another pair as soon as a Probe can be answered.
func TestLinkDown(t *testing.T) {
	shows.IDs(t, "5534-3.1-04 5534-8-02")
	n, a, b, ab, ba := two(t, 2)
	a.flow(ab, 10*time.Millisecond)
	b.flow(ba, 10*time.Millisecond)
	n.pass(time.Second)
	a.link(0, false)
	n.pass(60 * time.Millisecond)
	if a.current(ab).Local != a.addr(1) || b.current(ba).Peer != a.addr(1) ||
		a.state(ab) != engine.ReapOperational || b.state(ba) != engine.ReapOperational {
		t.Errorf("A sends by %v, B by %v: %q", a.current(ab), b.current(ba), n.probes())
	}
	n.pass(time.Second)
	if n.now-a.kernel[ab].heardAt > 50*time.Millisecond || n.now-b.kernel[ba].heardAt > 50*time.Millisecond {
		t.Error("no payload")
	}
}

// A pair is tried before it is used. Payload is not sent by another pair before a Probe by it is
// answered, whatever is wrong with the pair in use.
func TestTriedFirst(t *testing.T) {
	shows.IDs(t, "5534-8-02")
	for name, doubt := range map[string]func(n *network, a, b *host){
		"link":       func(_ *network, a, _ *host) { a.link(0, false) },
		"black hole": func(*network, *host, *host) {},
		"peer's link": func(_ *network, _, b *host) {
			b.link(0, false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			n, a, b, ab, ba := two(t, 2)
			a.flow(ab, 100*time.Millisecond)
			b.flow(ba, 100*time.Millisecond)
			n.pass(time.Second)
			first := a.pair(0, b, 0)
			doubt(n, a, b)
			// All pairs are dead, and then one works.
			n.dead = func(netip.Addr, netip.Addr) bool { return true }
			for range 6000 {
				n.pass(10 * time.Millisecond)
				if p, q := a.current(ab), b.current(ba); p != first || q != (engine.Pair{Local: first.Peer, Peer: first.Local}) {
					t.Fatalf("A sends by %v, B by %v: %q", p, q, n.probes())
				}
			}
			if a.state(ab) == engine.ReapOperational || len(n.trace) == 0 {
				t.Fatalf("nothing is tried: %q", n.probes())
			}
			only := a.pair(1, b, 1)
			n.dead = func(s, d netip.Addr) bool {
				return s != only.Local && d != only.Local || s != only.Peer && d != only.Peer
			}
			n.pass(3 * time.Minute)
			if p, q := a.current(ab), b.current(ba); p != only || q != (engine.Pair{Local: only.Peer, Peer: only.Local}) {
				t.Errorf("A sends by %v, B by %v: %q", p, q, n.probes())
			}
		})
	}
}

// The Send Timer finds a black hole, and the hosts get around it at once.
func TestBlackHole(t *testing.T) {
	n, a, b, ab, ba := two(t, 2)
	a.flow(ab, 100*time.Millisecond)
	b.flow(ba, 100*time.Millisecond)
	n.pass(time.Second)
	began := n.now
	n.kill(a.pair(0, b, 0))
	n.pass(16500 * time.Millisecond)
	if n.now-a.kernel[ab].heardAt > 500*time.Millisecond || n.now-b.kernel[ba].heardAt > 500*time.Millisecond {
		t.Errorf("no payload %v after the failure: %q", n.now-began, n.probes())
	}
}
