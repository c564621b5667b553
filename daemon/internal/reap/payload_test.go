// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
)

// either reports whether a pair, or its reverse, is among others.
func either(p engine.Pair, pairs ...engine.Pair) bool {
	return slices.Contains(pairs, p) || slices.Contains(pairs, engine.Pair{Local: p.Peer, Peer: p.Local})
}

func (h *host) path(u engine.ULIDs, pair engine.Pair) Path {
	s, _ := h.e.Session(u)
	for _, p := range h.r.Paths(s) {
		if p.Pair == pair {
			return p
		}
	}
	return Path{}
}

// A path begins to lose packets longer than 1400 octets, and Probes pass. The host whose packets are
// long leaves it within seconds, and does not return while it loses them.
func TestLongPacketsLost(t *testing.T) {
	for _, both := range []bool{false, true} {
		n, a, b, ab, ba := two(t, 2)
		switches := a.outbound()
		first, heals := a.pair(0, b, 0), n.now+time.Hour
		c := a.connect(ab, 1500)
		var d *tcp
		if both {
			d = b.connect(ba, 1500)
		}
		n.pass(time.Second)
		n.loses = func(p engine.Pair, _ bool, length int) bool {
			return n.now < heals && either(p, first) && length > 1400
		}
		n.pass(3 * time.Second)
		l := switches()
		if c.silence() > 300*time.Millisecond || len(l) != 1 || l[0].Trigger != Payload || l[0].From != first ||
			!strings.Contains(l[0].Why, "1500 octets") || l[0].Outage < 500*time.Millisecond || l[0].Outage > 2*time.Second {
			t.Fatalf("silent for %v: %+v %q", c.silence(), l, n.probes())
		}
		if both != (b.current(ba).Local != b.addr(0)) || both && d.silence() > 300*time.Millisecond {
			t.Errorf("B sends by %v", b.current(ba))
		}
		if p := a.path(ab, first); p.State != NoPayload || p.Current {
			t.Errorf("the path is %+v", p)
		}
		// It stays away for as long as the path loses packets.
		n.pass(55 * time.Minute)
		if l := switches(); len(l) != 1 || c.longest > 3*time.Second {
			t.Errorf("longest silence %v: %+v", c.longest, l)
		}
		n.pass(2 * time.Hour)
		if l := switches(); a.current(ab) != first || len(l) != 2 || l[1].Trigger != Return || c.longest > 3*time.Second {
			t.Errorf("silent for %v: %+v", c.longest, l)
		}
		if a.path(ab, first).State == NoPayload {
			t.Error("the path is remembered to lose long packets")
		}
	}
}

// A firewall on a path lets Shim6's messages through, and no payload, in both directions or in one.
// Both hosts leave the path, and do not return soon.
func TestPayloadBlocked(t *testing.T) {
	for _, x := range []struct {
		name    string
		out, in bool
	}{{"both", true, true}, {"out", true, false}, {"in", false, true}} {
		for _, addresses := range []int{2, 3} {
			n, a, b, ab, ba := two(t, addresses)
			switches := a.outbound()
			first, heals := a.pair(0, b, 0), n.now+30*time.Minute
			back := engine.Pair{Local: first.Peer, Peer: first.Local}
			c := a.connect(ab, 1500)
			n.pass(time.Second)
			n.loses = func(p engine.Pair, payload bool, _ int) bool {
				return payload && n.now < heals && (x.out && p == first || x.in && p == back)
			}
			n.pass(6 * time.Second)
			if c.silence() > 300*time.Millisecond || x.out && a.current(ab) == first || x.in && b.current(ba) == back {
				t.Errorf("%s: silent for %v, A by %v, B by %v: %q", x.name, c.silence(), a.current(ab), b.current(ba), n.probes())
				continue
			}
			if l := switches(); len(l) != 1 || l[0].Trigger != Payload || l[0].From != first {
				t.Errorf("%s: %+v", x.name, l)
			}
			n.pass(9 * time.Minute)
			if c.longest > 6*time.Second || len(switches()) != 1 {
				t.Errorf("%s: silent for %v: %+v", x.name, c.longest, switches())
			}
			// There is at most one more attempt before the path is healed, as short as the first.
			n.pass(3 * time.Hour)
			if c.longest > 6*time.Second || len(switches()) > 5 || a.current(ab) != first || b.current(ba) != back {
				t.Errorf("%s: silent for %v, A by %v, B by %v: %+v", x.name, c.longest, a.current(ab), b.current(ba), switches())
			}
		}
	}
}

// Both hosts have data, and both leave at once.
func TestPayloadBlockedTwice(t *testing.T) {
	n, a, b, ab, ba := two(t, 2)
	first := a.pair(0, b, 0)
	c, d := a.connect(ab, 1500), b.connect(ba, 900)
	n.pass(time.Second)
	n.loses = func(p engine.Pair, payload bool, _ int) bool { return payload && either(p, first) }
	n.pass(7 * time.Second)
	if c.silence() > 300*time.Millisecond || d.silence() > 300*time.Millisecond || either(a.current(ab), first) || either(b.current(ba), first) {
		t.Errorf("silent for %v and %v: A by %v, B by %v: %q", c.silence(), d.silence(), a.current(ab), b.current(ba), n.probes())
	}
}

// The last of four pairs is the only one that carries payload.
func TestLastPairCarriesPayload(t *testing.T) {
	n, a, b, ab, ba := two(t, 2)
	switches := a.outbound()
	c := a.connect(ab, 1500)
	n.pass(time.Second)
	bad := []engine.Pair{a.pair(0, b, 0), a.pair(1, b, 1), a.pair(0, b, 1)}
	n.loses = func(p engine.Pair, payload bool, _ int) bool { return payload && either(p, bad...) }
	n.pass(40 * time.Second)
	if c.silence() > 300*time.Millisecond || a.current(ab) != a.pair(1, b, 0) || b.current(ba) != b.pair(0, a, 1) {
		t.Errorf("silent for %v: A by %v, B by %v: %+v", c.silence(), a.current(ab), b.current(ba), switches())
	}
}

// No pair carries payload, or none carries long packets. All pairs are tried, and then seldom again.
func TestNoPairCarriesPayload(t *testing.T) {
	for name, loses := range map[string]func(p engine.Pair, payload bool, length int) bool{
		"payload": func(_ engine.Pair, payload bool, _ int) bool { return payload },
		"long":    func(_ engine.Pair, _ bool, length int) bool { return length > 1400 },
	} {
		n, a, b, ab, _ := two(t, 3)
		switches := a.outbound()
		a.connect(ab, 1500)
		n.pass(time.Second)
		n.loses = loses
		n.pass(time.Minute)
		if len(switches()) == 0 {
			t.Errorf("%s: nothing was tried", name)
		}
		n.pass(15 * time.Minute)
		if l := len(switches()); l > 20 {
			t.Errorf("%s: %d switches in a quarter of an hour", name, l)
		}
		before := len(switches())
		n.pass(6 * time.Hour)
		if l := len(switches()) - before; l > 6*(NumberOfInitialProbes+2) {
			t.Errorf("%s: %d switches in six hours", name, l)
		}
		if a.current(ab) != a.pair(0, b, 0) {
			t.Errorf("%s: by %v in the end", name, a.current(ab))
		}
	}
}

// The peer does not take Probes that are longer than the message. That is not held against the
// path, and a pair that carries no payload is left all the same.
func TestPeerWithoutLongProbes(t *testing.T) {
	n, a, b, ab, _ := two(t, 2)
	switches := a.outbound()
	first := a.pair(0, b, 0)
	c := a.connect(ab, 1500)
	n.pass(time.Second)
	n.loses = func(p engine.Pair, payload bool, length int) bool {
		return payload && either(p, first) || !payload && length > 0
	}
	n.pass(15 * time.Second)
	if c.silence() > 300*time.Millisecond || len(switches()) != 1 {
		t.Errorf("silent for %v: %+v", c.silence(), switches())
	}
	if a.path(ab, first).State == NoPayload && a.r.paths.long {
		t.Error("what the peer does not take is held against the path")
	}
}

// A peer that is gone answers no Probe, and the context stays at its pair.
func TestStuckPeerGone(t *testing.T) {
	n, a, _, ab, _ := two(t, 3)
	switches := a.outbound()
	a.connect(ab, 1500)
	n.pass(time.Second)
	n.dead = func(s, _ netip.Addr) bool { return n.owner[s] != a }
	n.pass(time.Hour)
	if l := switches(); len(l) != 0 {
		t.Errorf("%+v", l)
	}
}

// While other connections of the context get on, the pair is not left because of one that is stuck,
// unless long packets are lost.
func TestOthersGetOn(t *testing.T) {
	n, a, _, ab, _ := two(t, 2)
	switches := a.outbound()
	c := a.connect(ab, 1500)
	c.progress = true
	n.pass(time.Second)
	n.loses = func(p engine.Pair, payload bool, length int) bool { return payload }
	n.pass(10 * time.Minute)
	if l := switches(); len(l) != 0 {
		t.Errorf("%+v", l)
	}
	var b *host
	n, a, b, ab, _ = two(t, 2)
	switches = a.outbound()
	c = a.connect(ab, 1500)
	c.progress = true
	first := a.pair(0, b, 0)
	n.loses = func(p engine.Pair, _ bool, length int) bool { return either(p, first) && length > 1400 }
	n.pass(5 * time.Second)
	if c.silence() > 300*time.Millisecond || len(switches()) != 1 {
		t.Errorf("silent for %v: %+v", c.silence(), switches())
	}
}

// A connection's timer expires now and then, and the connection gets on. No pair is left because of
// it, and no long Probe is sent.
func TestLossIsNoStall(t *testing.T) {
	n, a, _, ab, _ := two(t, 2)
	switches := a.outbound()
	c := a.connect(ab, 1500)
	sent := 0
	n.loses = func(_ engine.Pair, payload bool, length int) bool {
		if !payload || length < 1000 {
			return false
		}
		sent++
		return sent%3 == 0
	}
	n.pass(10 * time.Minute)
	for _, p := range n.trace {
		if p.length > 0 {
			t.Fatalf("a Probe of %d octets", p.length)
		}
	}
	if c.longest > time.Second || len(switches()) != 0 {
		t.Errorf("%v, %+v", c.longest, switches())
	}
}

// A stall is forgotten after a while.
func TestStallForgotten(t *testing.T) {
	n, a, b, ab, _ := two(t, 2)
	first := a.pair(0, b, 0)
	c := a.connect(ab, 1500)
	n.pass(time.Second)
	n.loses = func(p engine.Pair, payload bool, _ int) bool { return payload && either(p, first) }
	n.pass(10 * time.Second)
	n.loses = nil
	if c.silence() > 300*time.Millisecond || a.r.by[ab] == nil || a.r.by[ab].stall == nil {
		t.Fatalf("silent for %v", c.silence())
	}
	n.pass(3 * time.Hour)
	if x := a.r.by[ab]; x != nil && x.stall != nil {
		t.Errorf("%+v", x.stall)
	}
	if a.current(ab) != first {
		t.Errorf("by %v", a.current(ab))
	}
}
