// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// use sends a command to use a pair, with the next number, and returns that.
func (h *host) use(u engine.ULIDs, p engine.Pair) uint64 {
	h.used++
	h.handle(engine.Use{ID: h.used, ULIDs: u, Pair: p})
	return h.used
}

// answered is the answer to a command, false if there is none yet. There must be no second one.
func (h *host) answered(id uint64) (engine.Done, bool) {
	h.n.t.Helper()
	var found []engine.Done
	for _, d := range h.done {
		if d.ID == id {
			found = append(found, d)
		}
	}
	if len(found) > 1 {
		h.n.t.Errorf("%d answers to command %d", len(found), id)
	}
	return append(found, engine.Done{})[0], len(found) > 0
}

// A pair of a fresh context, by which nothing has ever come, is probed and then used.
func TestUseOfFreshContext(t *testing.T) {
	n, a, b, ab, _ := two(t, 2)
	switches := a.record()
	n.trace = nil
	id := a.use(ab, a.pair(1, b, 1))
	if _, ok := a.answered(id); ok || a.current(ab) != a.pair(0, b, 0) {
		t.Fatalf("it is answered before the peer has: by %v", a.current(ab))
	}
	n.pass(100 * time.Millisecond)
	if d, ok := a.answered(id); !ok || d.Err != nil || d.ULIDs != ab || a.current(ab) != a.pair(1, b, 1) {
		t.Fatalf("%+v (%v), by %v: %q", d, ok, a.current(ab), n.probes())
	}
	l := switches()
	if len(l) != 1 || l[0].Trigger != Operator || l[0].Outage != 0 || len(l[0].Probed) != 1 || l[0].Probed[0].Pair != a.pair(1, b, 1) {
		t.Errorf("history %+v", l)
	}
	// A command for the current pair needs no Probe.
	n.pass(time.Second)
	n.trace = nil
	if d, ok := a.answered(a.use(ab, a.pair(1, b, 1))); !ok || d.Err != nil || len(n.trace) != 0 {
		t.Errorf("%+v (%v), %q", d, ok, n.probes())
	}
	n.pass(3 * time.Hour)
	if a.current(ab) != a.pair(1, b, 1) || a.state(ab) != operational {
		t.Errorf("later %v by %v", a.state(ab), a.current(ab))
	}
	if _, ok := a.r.Next(); ok || len(a.r.uses) != 0 {
		t.Error("something is left to do")
	}
}

// The first Probes may be lost.
func TestUseWithLoss(t *testing.T) {
	n, a, b, ab, _ := two(t, 2)
	wanted := a.pair(1, b, 1)
	n.dead = func(s, d netip.Addr) bool { return (engine.Pair{Local: s, Peer: d}) == wanted }
	id := a.use(ab, wanted)
	n.pass(900 * time.Millisecond)
	n.dead = func(_, _ netip.Addr) bool { return false }
	n.pass(200 * time.Millisecond)
	if d, ok := a.answered(id); !ok || d.Err != nil || a.current(ab) != wanted {
		t.Errorf("%+v (%v), by %v", d, ok, a.current(ab))
	}
}

// A pair that does not answer is not used, and the context stays where it is.
func TestUseInVain(t *testing.T) {
	n, a, b, ab, _ := two(t, 2)
	switches := a.record()
	wanted := a.pair(1, b, 1)
	n.dead = func(s, d netip.Addr) bool { return (engine.Pair{Local: s, Peer: d}) == wanted }
	n.trace = nil
	began := n.now
	id := a.use(ab, wanted)
	for _, ok := a.answered(id); !ok && n.now < began+time.Minute; _, ok = a.answered(id) {
		n.pass(10 * time.Millisecond)
	}
	d, _ := a.answered(id)
	if d.Err == nil || !strings.Contains(d.Err.Error(), "no Probe from "+wanted.Local.String()+" to "+wanted.Peer.String()) {
		t.Errorf("%v", d.Err)
	}
	if n.now-began > useTimeout+10*time.Millisecond {
		t.Errorf("after %v", n.now-began)
	}
	n.pass(time.Minute)
	if a.current(ab) != a.pair(0, b, 0) || a.state(ab) != operational || len(switches()) != 0 {
		t.Errorf("%v by %v", a.state(ab), a.current(ab))
	}
	tries := 0
	for _, p := range n.trace {
		if p.source == wanted.Local && p.destination == wanted.Peer {
			tries++
		}
	}
	if tries != useProbes {
		t.Errorf("%d Probes: %q", tries, n.probes())
	}
}

// Each command has one answer, whatever happens: another command comes, the pair is impossible, or
// the context goes.
func TestUseIsAnswered(t *testing.T) {
	n, a, b, ab, ba := two(t, 3)
	wanted := a.pair(1, b, 1)
	n.dead = func(s, d netip.Addr) bool { return (engine.Pair{Local: s, Peer: d}) == wanted }
	first := a.use(ab, wanted)
	second := a.use(ab, a.pair(2, b, 2))
	if d, ok := a.answered(first); !ok || d.Err != errReplaced {
		t.Errorf("one that was replaced: %+v (%v)", d, ok)
	}
	n.pass(600 * time.Millisecond)
	if d, ok := a.answered(second); !ok || d.Err != nil || a.current(ab) != a.pair(2, b, 2) {
		t.Errorf("the second: %+v (%v), by %v", d, ok, a.current(ab))
	}
	for name, id := range map[string]uint64{
		"an address of nobody": a.use(ab, engine.Pair{Local: address(9, 9), Peer: b.addr(0)}),
		"a locator of nobody":  a.use(ab, engine.Pair{Local: a.addr(0), Peer: address(9, 9)}),
		"no context":           a.use(ba, a.pair(0, b, 0)),
		"the other way round":  a.use(ab, engine.Pair{Local: b.addr(0), Peer: a.addr(0)}),
	} {
		if d, ok := a.answered(id); !ok || d.Err == nil {
			t.Errorf("%s: %+v (%v)", name, d, ok)
		}
	}
	third := a.use(ab, wanted)
	a.handle(engine.Close{ID: 99, ULIDs: ab})
	if d, ok := a.answered(third); !ok || d.Err != errGone {
		t.Errorf("without a context: %+v (%v)", d, ok)
	}
	if _, ok := a.r.nextUse(); ok || len(a.r.reported) != 0 {
		t.Errorf("left are %d commands, %d reports", len(a.r.uses), len(a.r.reported))
	}
}

// If the context explores already, the pair that the operator wants is probed next. If that is dead
// as well, the command ends and the exploration goes on.
func TestUseWhileExploring(t *testing.T) {
	for _, works := range []bool{true, false} {
		n, a, b, ab, _ := two(t, 3)
		wanted := a.pair(2, b, 1)
		n.dead = func(s, d netip.Addr) bool {
			p := engine.Pair{Local: s, Peer: d}
			return n.owner[s] == a && !(works && p == wanted)
		}
		a.handle(engine.Reap{ULIDs: ab, Tag: a.kernel[ab].TagLocal, Kind: engine.ReapSendTimeout})
		n.pass(time.Second)
		if a.state(ab) == operational {
			t.Fatal("it does not explore")
		}
		id := a.use(ab, wanted)
		n.pass(useTimeout)
		d, ok := a.answered(id)
		if !ok || (d.Err == nil) != works || (a.current(ab) == wanted) != works {
			t.Errorf("%v: %+v (%v), by %v", works, d, ok, a.current(ab))
		}
		if x := a.r.by[ab]; !works && (a.state(ab) == operational || x == nil || x.place == 0) {
			t.Error("the exploration has ended")
		}
	}
}

// Operators of both hosts give a command at the same moment.
func TestUseOfBoth(t *testing.T) {
	n, a, b, ab, ba := two(t, 3)
	i, j := a.use(ab, a.pair(1, b, 1)), b.use(ba, b.pair(2, a, 2))
	n.pass(useTimeout)
	d, ok := a.answered(i)
	e, too := b.answered(j)
	if !ok || !too || d.Err != nil || e.Err != nil || a.current(ab) != a.pair(1, b, 1) || b.current(ba) != b.pair(2, a, 2) {
		t.Errorf("A: %+v by %v, B: %+v by %v: %q", d, a.current(ab), e, b.current(ba), n.probes())
	}
	if a.state(ab) != operational || b.state(ba) != operational {
		t.Errorf("A is %v, B %v", a.state(ab), b.state(ba))
	}
}

// A Probe that asks for an answer reports the last Probe of the peer, however long ago, if there was
// one since the context was last Exploring; and no other.
func TestSoftProbesReport(t *testing.T) {
	shows.IDs(t, "5534-5.2-12")
	n, a, b, ab, ba := two(t, 2)
	// B has sent Probes by both pairs, the last by the second.
	b.use(ba, b.pair(1, a, 1))
	n.pass(time.Second)
	a.link(0, false)
	n.pass(3 * time.Second)
	if a.current(ab).Local != a.addr(1) {
		t.Fatal("it has not moved")
	}
	for _, pause := range []time.Duration{20 * time.Second, 3 * time.Hour} {
		n.pass(pause)
		var last wire.ProbeReport
		for _, p := range n.trace {
			if p.m != nil && p.from == "B" {
				last = p.m.Sent[0]
			}
		}
		before := len(n.trace)
		a.handle(engine.ICMP{Type: 1, Source: a.current(ab).Local, Destination: a.current(ab).Peer, ULIDs: ab})
		if len(n.trace) == before {
			t.Fatal("nothing is asked")
		}
		for _, p := range n.trace[before:] {
			if p.m.State != wire.ProbeInboundOk || len(p.m.Received) != 1 || p.m.Received[0] != last {
				t.Errorf("after %v %v with the reports %v; B's last is %v", pause, p.m.State, p.m.Received, last)
			}
		}
		n.pass(2 * time.Second)
	}
	// In Exploring, and after it, earlier Probes are not reported.
	n.dead = func(_, _ netip.Addr) bool { return true }
	a.handle(engine.Reap{ULIDs: ab, Tag: a.kernel[ab].TagLocal, Kind: engine.ReapSendTimeout})
	n.trace = nil
	n.pass(3 * time.Second)
	for _, p := range n.trace {
		if p.from == "A" && p.m != nil && len(p.m.Received) != 0 {
			t.Errorf("an Exploring Probe reports %v", p.m.Received)
		}
	}
	if len(a.r.reported) != 0 {
		t.Error("what was heard before is kept")
	}
}

// Both hosts ask at the same time, and report Probes received before. Nothing is wrong, and neither
// host takes the other to explore.
func TestBothAsk(t *testing.T) {
	n, a, b, ab, ba := two(t, 2)
	switches := a.record()
	a.use(ab, a.pair(1, b, 1))
	b.use(ba, b.pair(1, a, 1))
	n.pass(time.Hour)
	n.trace = nil
	for _, h := range []struct {
		*host
		u engine.ULIDs
	}{{a, ab}, {b, ba}} {
		c := h.current(h.u)
		h.handle(engine.ICMP{Type: 1, Source: c.Local, Destination: c.Peer, ULIDs: h.u})
	}
	n.pass(time.Minute)
	for _, p := range n.trace {
		if p.m != nil && p.m.State == wire.ProbeExploring {
			t.Fatalf("somebody explores: %q", n.probes())
		}
	}
	if a.state(ab) != operational || b.state(ba) != operational || a.current(ab) != a.pair(1, b, 1) || len(switches()) != 2 {
		t.Errorf("A %v by %v, B %v: %+v", a.state(ab), a.current(ab), b.state(ba), switches())
	}
}
