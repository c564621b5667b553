// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
)

// silence has the kernel tell that the stream of a context has stopped, and resumption that it goes
// on.
func (h *host) silence(u engine.ULIDs) {
	h.handle(engine.Reap{ULIDs: u, Tag: h.kernel[u].TagLocal, Kind: engine.ReapSilence})
}

func (h *host) resumption(u engine.ULIDs) {
	h.handle(engine.Reap{ULIDs: u, Tag: h.kernel[u].TagLocal, Kind: engine.ReapResumption})
}

// A stream that has stopped makes the host ask the current pair, soon the best other one, and after
// a pause it explores. The pauses grow with the round-trip time, if that is known.
func TestSilencePauses(t *testing.T) {
	for _, x := range []struct{ rtt, patience, pause time.Duration }{
		{0, streamPatience, streamPause},
		{20 * time.Millisecond, streamPatience, streamPause},
		{200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond},
		{2 * time.Second, maxStreamPause / 2, maxStreamPause},
	} {
		n, a, _, ab, _ := two(t, 2)
		n.dead = func(_, _ netip.Addr) bool { return true }
		if x.rtt > 0 {
			a.r.paths.answered(a.current(ab), n.now-x.rtt, n.now, 0)
		}
		a.silence(ab)
		n.pass(x.patience - time.Millisecond)
		if got := fmt.Sprint(n.probes()); got != "[A1>B1 InboundOk 1]" {
			t.Errorf("%v: %s", x.rtt, got)
		}
		n.pass(time.Millisecond)
		if got := fmt.Sprint(n.probes()); got != "[A1>B1 InboundOk 1 A2>B2 InboundOk 1]" {
			t.Errorf("%v: %s", x.rtt, got)
		}
		n.pass(x.pause - x.patience - time.Millisecond)
		if len(n.trace) != 2 || a.state(ab) != inboundOK {
			t.Errorf("%v: %q", x.rtt, n.probes())
		}
		n.pass(time.Millisecond)
		if len(n.trace) != 3 || a.state(ab) != exploring {
			t.Errorf("%v: %q", x.rtt, n.probes())
		}
	}
}

// If both hosts miss their streams, they don't wait.
func TestSilenceBoth(t *testing.T) {
	n, a, b, ab, ba := two(t, 2)
	switches := a.record()
	n.kill(a.pair(0, b, 0))
	began := n.now
	a.silence(ab)
	n.pass(5 * time.Millisecond)
	b.silence(ba)
	for a.current(ab) == a.pair(0, b, 0) || b.current(ba) == b.pair(0, a, 0) {
		if n.pass(time.Millisecond); n.now-began > time.Second {
			t.Fatalf("%q", n.probes())
		}
	}
	if took := n.now - began; took > streamPatience+60*time.Millisecond {
		t.Errorf("it took %v: %q", took, n.probes())
	}
	n.pass(time.Second)
	if a.current(ab) != a.pair(1, b, 1) || b.current(ba) != b.pair(1, a, 1) || a.state(ab) != operational || b.state(ba) != operational {
		t.Errorf("A %v by %v, B %v by %v: %q", a.state(ab), a.current(ab), b.state(ba), b.current(ba), n.probes())
	}
	if len(switches()) == 0 {
		t.Error("A has no Switch")
	}
}

// A host that misses what its peer sends by a dead pair makes the peer move.
func TestSilenceOneWay(t *testing.T) {
	n, a, b, ab, ba := two(t, 2)
	n.killOneWay(a.pair(0, b, 0))
	b.silence(ba)
	n.pass(streamPause + 100*time.Millisecond)
	if a.current(ab) == a.pair(0, b, 0) || a.state(ab) != operational || b.state(ba) != operational {
		t.Errorf("A %v by %v, B %v: %q", a.state(ab), a.current(ab), b.state(ba), n.probes())
	}
}

// unanswered has the kernel tell that the peer has not answered.
func (h *host) unanswered(u engine.ULIDs) {
	h.handle(engine.Reap{ULIDs: u, Tag: h.kernel[u].TagLocal, Kind: engine.ReapUnanswered})
}

// An answer that is missed makes the host ask as a stream does that has stopped, but the current pair
// may lose all Probes but the last one.
func TestUnanswered(t *testing.T) {
	for lost := range answerSpare + 3 {
		n, a, b, ab, _ := two(t, 2)
		current := a.pair(0, b, 0)
		sent := 0
		n.dead = func(s, d netip.Addr) bool {
			if s != current.Local || d != current.Peer {
				return false
			}
			sent++
			return sent <= lost
		}
		a.unanswered(ab)
		n.pass(2 * time.Second)
		// The last one is asked when the exploration begins.
		left := a.current(ab) != current
		if want := lost > answerSpare+1; left != want || a.state(ab) != operational {
			t.Errorf("%d Probes are lost: A is %v by %v: %q", lost, a.state(ab), a.current(ab), n.probes())
		}
	}
	// All of that is over soon. If the peer misses something too, it is not waited for.
	n, a, b, ab, _ := two(t, 2)
	n.kill(a.pair(0, b, 0))
	a.unanswered(ab)
	n.pass(streamPause + answerSpare*streamPatience + streamPatience)
	if a.current(ab) != a.pair(1, b, 1) {
		t.Errorf("A is %v by %v: %q", a.state(ab), a.current(ab), n.probes())
	}
	n, a, b, ab, ba := two(t, 2)
	n.kill(a.pair(0, b, 0))
	a.unanswered(ab)
	b.unanswered(ba)
	n.pass(2 * streamPatience)
	if a.current(ab) != a.pair(1, b, 1) {
		t.Errorf("A is %v by %v: %q", a.state(ab), a.current(ab), n.probes())
	}
	// Something that is heard ends the doubt.
	n, a, b, ab, _ = two(t, 2)
	n.kill()
	n.dead = func(_, _ netip.Addr) bool { return true }
	a.unanswered(ab)
	n.pass(streamPause)
	a.resumption(ab)
	n.pass(time.Second)
	if a.current(ab) != a.pair(0, b, 0) || a.state(ab) != operational {
		t.Errorf("A is %v by %v: %q", a.state(ab), a.current(ab), n.probes())
	}
}

// The peer is heard, but has not got what this host sends by the current pair: it asks once more,
// and leaves the pair then.
func TestSilenceOutbound(t *testing.T) {
	n, a, b, ab, _ := two(t, 2)
	n.killOneWay(a.pair(0, b, 0))
	a.silence(ab)
	n.pass(time.Second)
	want := "[A1>B1 InboundOk 1 A2>B2 InboundOk 1 B1>A1 Operational 1 A1>B1 InboundOk 2 "
	if got := fmt.Sprint(n.probes()); len(got) < len(want) || got[:len(want)] != want {
		t.Errorf("%s", got)
	}
	if a.current(ab) == a.pair(0, b, 0) || a.state(ab) != operational {
		t.Errorf("A %v by %v: %q", a.state(ab), a.current(ab), n.probes())
	}
	// One of the Probes alone may be lost.
	n, a, b, ab, _ = two(t, 2)
	n.killOneWay(a.pair(0, b, 0))
	a.silence(ab)
	n.pass(streamPatience)
	n.kill()
	n.pass(time.Second)
	if a.current(ab) != a.pair(0, b, 0) || a.state(ab) != operational || len(n.trace) != 5 {
		t.Errorf("A %v by %v: %q", a.state(ab), a.current(ab), n.probes())
	}
}

// A stream that goes on ends the doubt, and no host moves, whenever that is and whatever was sent.
func TestResumption(t *testing.T) {
	for _, pause := range []time.Duration{10, 50, 70, 240, 255, 280, 400, 700} {
		pause *= time.Millisecond
		n, a, b, ab, ba := two(t, 2)
		home := a.pair(0, b, 0)
		// A hears nothing by its first address.
		n.dead = func(_, d netip.Addr) bool { return d == a.addr(0) }
		// A pair that works is found only if the pause is longer than any that is tolerated.
		only := func(s, d netip.Addr) bool { return d == a.addr(0) || d == a.addr(1) }
		if pause > streamPause {
			n.dead = only
		}
		a.silence(ab)
		n.pass(pause)
		n.kill()
		if a.state(ab) == exploring {
			a.resumption(ab)
			a.heardFirst(a.kernel[ab])
		} else {
			a.resumption(ab)
			if a.state(ab) != operational {
				t.Errorf("%v: %v", pause, a.state(ab))
			}
		}
		n.pass(2 * time.Second)
		if a.current(ab) != home || b.current(ba) != b.pair(0, a, 0) || a.state(ab) != operational || b.state(ba) != operational {
			t.Errorf("%v: A %v by %v, B %v by %v: %q", pause, a.state(ab), a.current(ab), b.state(ba), b.current(ba), n.probes())
		}
		if c, _ := b.e.Context(ba); c.Inbound != b.pair(0, a, 0) {
			t.Errorf("%v: B takes %v for the pair by which A sends: %q", pause, c.Inbound, n.probes())
		}
	}
}

// A host that was stopped itself hears first what has come meanwhile.
func TestSilenceOverslept(t *testing.T) {
	n, a, _, ab, _ := two(t, 2)
	n.dead = func(_, _ netip.Addr) bool { return true }
	a.silence(ab)
	n.now += 500 * time.Millisecond
	a.Tick()
	if len(n.trace) != 1 {
		t.Errorf("%q", n.probes())
	}
	n.pass(catchUp)
	if len(n.trace) != 2 {
		t.Errorf("%q", n.probes())
	}
}

// A stream that stops is looked into soon after a connection has complained, and a complaint soon after
// a stream has paused.
func TestHintsOfTwoKinds(t *testing.T) {
	for _, first := range []engine.ReapKind{engine.ReapRetransmission, engine.ReapSilence} {
		n, a, b, ab, _ := two(t, 2)
		hint := func(k engine.ReapKind) {
			a.handle(engine.Reap{ULIDs: ab, Tag: a.kernel[ab].TagLocal, Kind: k, Stall: engine.Stall{RTT: 20 * time.Millisecond}})
		}
		for range 3 {
			hint(first)
			n.pass(2 * time.Second)
		}
		hint(first)
		n.pass(100 * time.Millisecond)
		n.kill(a.pair(0, b, 0))
		hint(map[engine.ReapKind]engine.ReapKind{engine.ReapRetransmission: engine.ReapSilence, engine.ReapSilence: engine.ReapRetransmission}[first])
		n.pass(streamPause + 3*streamPatience)
		if a.current(ab) != a.pair(1, b, 1) {
			t.Errorf("after %v: A is %v by %v: %q", first, a.state(ab), a.current(ab), n.probes())
		}
	}
}

// A connection whose timer expires again and again while others get on is stuck by itself.
func TestStuckAlone(t *testing.T) {
	for _, x := range []struct {
		retransmits int
		progress    bool
		probes      int
	}{{0, true, 1}, {1, true, 1}, {2, true, 0}, {3, true, 0}, {2, false, 1}} {
		n, a, _, ab, _ := two(t, 2)
		n.trace = nil
		a.handle(engine.Reap{ULIDs: ab, Tag: a.kernel[ab].TagLocal, Kind: engine.ReapRetransmission,
			Stall: engine.Stall{RTT: 20 * time.Millisecond, Retransmits: x.retransmits, Progress: x.progress, Length: 100}})
		n.pass(time.Second)
		if asked := len(n.trace) > 0; asked != (x.probes > 0) {
			t.Errorf("%+v: %q", x, n.probes())
		}
	}
}
