// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// Two hosts find the only pair that works, however many locators each has, and whichever host
// notices the failure. One of the hosts may have a single locator.
func TestAnyNumberOfLocators(t *testing.T) {
	shows.IDs(t, "5533-3-01")
	for _, x := range [][2]int{{1, 2}, {2, 1}, {1, 4}, {4, 1}, {2, 2}, {2, 3}, {3, 2}, {4, 4}} {
		for _, who := range []string{"A", "B", "both", "A's link", "B's link"} {
			name := fmt.Sprintf("%d and %d locators, %s", x[0], x[1], who)
			n := newNetwork(t)
			a, b := n.host("A", x[0], Config{}), n.host("B", x[1], Config{})
			ab := engine.ULIDs{Local: a.addr(0), Peer: b.addr(0)}
			ba := engine.ULIDs{Local: ab.Peer, Peer: ab.Local}
			a.handle(engine.Acquire{Local: ab.Local, Peer: ab.Peer})
			n.pass(time.Minute)
			if who != "B" {
				a.flow(ab, 100*time.Millisecond)
			}
			if who != "A" {
				b.flow(ba, 100*time.Millisecond)
			}
			n.pass(time.Second)
			// Only the pair of both hosts' last locators works.
			last := a.pair(x[0]-1, b, x[1]-1)
			n.dead = func(s, d netip.Addr) bool {
				p := engine.Pair{Local: s, Peer: d}
				return p != last && p != engine.Pair{Local: last.Peer, Peer: last.Local}
			}
			if who == "A's link" && x[0] > 1 {
				a.link(0, false)
			}
			if who == "B's link" && x[1] > 1 {
				b.link(0, false)
			}
			// With sixteen pairs the pauses add up to two minutes.
			n.pass(10 * time.Minute)
			if a.state(ab) != operational || b.state(ba) != operational {
				t.Errorf("%s: A in %v, B in %v", name, a.state(ab), b.state(ba))
			}
			if who != "B" && (a.current(ab) != last || n.now-b.kernel[ba].heardAt > time.Second) {
				t.Errorf("%s: A by %v, and B has heard nothing for %v", name, a.current(ab), n.now-b.kernel[ba].heardAt)
			}
			if who != "A" && (b.current(ba) != b.pair(x[1]-1, a, x[0]-1) || n.now-a.kernel[ab].heardAt > time.Second) {
				t.Errorf("%s: B by %v, and A has heard nothing for %v", name, b.current(ba), n.now-a.kernel[ab].heardAt)
			}
		}
	}
}

// The peer says that its locator in use is broken. Another pair is probed, and payload stays where
// it is until that is answered, though the peer has answered there before.
func TestPeerBroken(t *testing.T) {
	shows.IDs(t, "5533-10.4-15")
	n, a, b, ab, _ := two(t, 2)
	home := a.pair(0, b, 0)
	s, _ := a.e.Session(ab)
	s.Answered(b.addr(1))
	a.handle(engine.Tick{})
	answers := false
	n.dead = func(s, _ netip.Addr) bool {
		return n.owner[s] == b && (s != b.addr(1) || !answers)
	}
	update := &wire.UpdateRequest{ReceiverContextTag: a.kernel[ab].TagLocal, RequestNonce: 7}
	c, _ := a.e.Context(ab)
	update.Options = wire.Options{&wire.LocatorPreferences{Generation: c.PeerGeneration, ElementLen: 1,
		Elements: []wire.Preference{{Flags: wire.FlagBroken}, {}}}}
	text, err := wire.Append(nil, update)
	if err != nil {
		t.Fatal(err)
	}
	a.handle(engine.Control{Source: b.addr(0), Destination: a.addr(0), Message: text})
	n.pass(10 * time.Second)
	probed := slices.ContainsFunc(n.trace, func(p probe) bool { return p.from == "A" && p.destination == b.addr(1) })
	if a.current(ab) != home || a.state(ab) != exploring || !probed {
		t.Errorf("before the answer: %v by %v: %q", a.state(ab), a.current(ab), n.probes())
	}
	answers = true
	n.pass(time.Minute)
	if a.current(ab).Peer != b.addr(1) || a.state(ab) != operational {
		t.Errorf("after the answer: %v by %v: %q", a.state(ab), a.current(ab), n.probes())
	}
}

// Payload that arrives in Exploring is answered by a Probe. It goes by the next pair of the
// schedule, not by one that was tried.
func TestInboundOKPair(t *testing.T) {
	shows.IDs(t, "5534-6.1-06")
	z := in(t, operational)
	z.timeout()
	z.n.pass(1100 * time.Millisecond)
	if len(z.n.trace) != 3 {
		t.Fatalf("%q", z.n.probes())
	}
	seen := map[engine.Pair]bool{}
	for _, p := range z.n.trace {
		seen[engine.Pair{Local: p.source, Peer: p.destination}] = true
	}
	z.heard()
	p := z.n.trace[len(z.n.trace)-1]
	if len(z.n.trace) != 4 || p.m.State != wire.ProbeInboundOk || len(seen) != 3 || seen[engine.Pair{Local: p.source, Peer: p.destination}] {
		t.Errorf("%q", z.n.probes())
	}
}

// A nonce is 32 bits of the source of random numbers, and depends on nothing else: with another
// source it is another one at the same time.
func TestNonces(t *testing.T) {
	shows.IDs(t, "5534-5.2-19")
	seen := map[uint32]string{}
	var ones [32]int
	probes := 0
	for _, name := range []string{"A", "AA", "AAA"} {
		n := newNetwork(t)
		a, b := n.host(name, 2, Config{}), n.host("B", 2, Config{})
		ab := engine.ULIDs{Local: a.addr(0), Peer: b.addr(0)}
		a.handle(engine.Acquire{Local: ab.Local, Peer: ab.Peer})
		n.pass(time.Minute)
		n.trace = nil
		n.dead = func(_, _ netip.Addr) bool { return true }
		a.handle(engine.Reap{ULIDs: ab, Tag: a.kernel[ab].TagLocal, Kind: engine.ReapSendTimeout})
		n.pass(6 * time.Hour)
		for _, p := range n.trace {
			nonce := p.m.Sent[0].Nonce
			if other := seen[nonce]; other != "" {
				t.Fatalf("%s and %s have nonce %x", name, other, nonce)
			}
			seen[nonce] = name
			for b := range ones {
				ones[b] += int(nonce >> b & 1)
			}
			probes++
		}
	}
	// Each bit is 0 about as often as 1.
	for b, n := range ones {
		if n < probes*2/5 || n > probes*3/5 {
			t.Errorf("bit %d is 1 in %d of %d nonces", b, n, probes)
		}
	}
}

// Among locators of the same priority, each is the first as often as its part of all weights,
// however many there are.
func TestShare(t *testing.T) {
	shows.IDs(t, "5533-5.15.3-09")
	const contexts = 20000
	for _, weights := range [][]uint8{{1, 3}, {2, 3}, {1, 1}, {255, 1}, {10, 20, 30, 40}, {1, 0, 1}, {0, 1}} {
		var count [4]int
		all := 0
		for _, w := range weights {
			all += int(w)
		}
		for i := range uint32(contexts) {
			u := engine.ULIDs{Local: address(1, 1), Peer: address(2, 1), FII: i}
			best := 0
			for l, w := range weights {
				s := share(u, address(2, 1+l), w)
				if s != share(engine.ULIDs{Local: u.Peer, Peer: u.Local, FII: i}, address(2, 1+l), w) {
					t.Fatal("the peer's is another")
				}
				if s > share(u, address(2, 1+best), weights[best]) {
					best = l
				}
			}
			count[best]++
		}
		for l, w := range weights {
			// 300 is at least four standard deviations.
			want := contexts * int(w) / all
			if d := count[l] - want; d < -300 || d > 300 || w == 0 && count[l] != 0 {
				t.Errorf("of weights %v number %d is first %d times, not %d", weights, l, count[l], want)
			}
		}
	}
}

// The lower priority goes first. Among equal priorities contexts are spread in proportion to the
// weights, alike on both hosts, and stay where they are.
func TestWeights(t *testing.T) {
	shows.IDs(t, "5533-5.15.3-09")
	n, a, b, ab, ba := two(t, 4)
	const contexts = 400
	var names []engine.ULIDs
	for i := range contexts {
		u := ab
		u.FII = uint32(i + 1)
		a.handle(engine.Open{ULIDs: u})
		names = append(names, u)
	}
	prefer := func(i int, priority, weight uint8) {
		b.locals = slices.Clone(b.locals)
		b.locals[i].Preference.Priority, b.locals[i].Preference.Weight = priority, weight
	}
	// by is how many contexts send to each locator of B.
	by := func() (count [4]int) {
		t.Helper()
		for _, u := range names {
			p := a.current(u).Peer
			count[slices.IndexFunc(b.locals, func(l engine.LocalLocator) bool { return l.Address == p })]++
			back := engine.ULIDs{Local: ba.Local, Peer: ba.Peer, FII: u.FII}
			if q := b.current(back).Local; q != p {
				t.Errorf("A sends to %v, and B from %v", p, q)
			}
		}
		return count
	}
	n.pass(time.Minute)
	prefer(0, 1, 200)
	prefer(1, 0, 1)
	prefer(2, 0, 3)
	b.handle(engine.Locators{Local: b.locals})
	n.pass(10 * time.Minute)
	count := by()
	// 35 is four standard deviations. The weight 0 has no part where others have one, and a
	// weight of another priority has none either.
	if count[0] != 0 || count[1] < contexts/4-35 || count[1] > contexts/4+35 || count[1]+count[2] != contexts {
		t.Errorf("contexts by locator: %v", count)
	}
	before := a.r.Stats().Switches
	n.pass(3 * time.Hour)
	if s := a.r.Stats().Switches; s != before || by() != count {
		t.Errorf("then %v, after %d more switches", by(), s-before)
	}
	// Now the fourth is the best of all.
	for i := range 3 {
		prefer(i, 2, 255)
	}
	b.handle(engine.Locators{Local: b.locals})
	n.pass(20 * time.Minute)
	if count := by(); count[3] != contexts {
		t.Errorf("contexts by locator: %v", count)
	}
}

// Interfaces are used as their policies say: first the preferred one, then a normal one, then the
// backup. One that costs money is used only when nothing else is left, and one that is never to be
// used not even then. A context returns to a better one that works again.
func TestInterfacePolicies(t *testing.T) {
	n, a, b, ab, ba := two(t, 5, Config{HoldDown: 20 * time.Second})
	a.flow(ab, 100*time.Millisecond)
	b.flow(ba, 100*time.Millisecond)
	const metered, never, preferred, backup, normal = 0, 1, 2, 3, 4
	a.locals = slices.Clone(a.locals)
	for i, p := range map[int]engine.InterfacePolicy{
		metered: engine.PolicyMetered, never: engine.PolicyNever, preferred: engine.PolicyPreferred, backup: engine.PolicyBackup,
	} {
		a.locals[i].Policy = p
	}
	a.handle(engine.Locators{Local: a.locals})
	at := func(want int, what string) {
		t.Helper()
		if got := a.current(ab).Local; got != a.addr(want) {
			t.Errorf("%s: sends from %v, wanted %v", what, got, a.addr(want))
		}
	}
	n.pass(time.Minute)
	at(preferred, "all links work")
	for _, x := range []struct {
		down, want int
	}{{preferred, normal}, {normal, backup}, {backup, metered}} {
		from := len(n.trace)
		a.link(x.down, false)
		n.pass(time.Second)
		at(x.want, fmt.Sprintf("link %d is down", x.down))
		for _, p := range n.trace[from:] {
			if p.from == "A" && (p.source == a.addr(never) || p.source == a.addr(metered) && x.want != metered) {
				t.Errorf("link %d is down: a Probe from %v", x.down, p.source)
			}
		}
	}
	a.link(metered, false)
	n.pass(5 * time.Second)
	if got := a.current(ab).Local; got == a.addr(never) {
		t.Error("what is never to be used is used")
	}
	a.link(metered, true)
	n.pass(time.Minute)
	at(metered, "only what costs money works again")
	a.link(normal, true)
	n.pass(10 * time.Minute)
	at(normal, "a better one works again")
	a.link(preferred, true)
	n.pass(10 * time.Minute)
	at(preferred, "the preferred one works again")
}
