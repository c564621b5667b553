// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"testing"
	"time"

	"shim6/daemon/internal/engine"
)

// A pair fails in one direction or both, and each host has a hint, or the other alone, in any order
// and at any distance: whatever each has asked by then, whose packets are lost has soon left the pair.
func TestHintsMeet(t *testing.T) {
	const rtt = 20 * time.Millisecond
	for _, x := range []struct {
		rtt, most time.Duration
		tcp       bool
	}{
		{0, InitialProbeTimeout + 2*rtt, true},
		// The exploration of one may be an answer to the other, which asks once more.
		{rtt, streamPause + 2*streamPatience + 2*rtt, false},
		{rtt, patientRTTs*rtt + 2*rtt, true},
	} {
		kinds := []engine.ReapKind{0, engine.ReapSilence, engine.ReapRetransmission}
		if x.rtt != 0 && x.tcp {
			kinds = []engine.ReapKind{0, engine.ReapRetransmission}
		}
		for _, way := range []string{"both", "from A", "from B"} {
			for _, atA := range kinds {
				for _, atB := range kinds {
					if atA == 0 && atB == 0 {
						continue
					}
					worst, trace := hintsMeet(t, way, atA, atB, x.rtt)
					if most := x.most; worst > most {
						t.Errorf("RTT of TCP %v, %s, kinds %d and %d: it took %v: %q", x.rtt, way, atA, atB, worst, trace)
					}
				}
			}
		}
	}
}

// hintsMeet returns the longest time from the first hint until both hosts have left the pair, and
// the Probes of that time.
func hintsMeet(t *testing.T, way string, atA, atB engine.ReapKind, rtt time.Duration) (worst time.Duration, trace []string) {
	const most = 600 * time.Millisecond
	for d := -most; d <= most; d += 10 * time.Millisecond {
		n, a, b, ab, ba := two(t, 2)
		there, back := a.pair(0, b, 0), b.pair(0, a, 0)
		switch way {
		case "both":
			n.kill(there)
		case "from A":
			n.killOneWay(there)
		case "from B":
			n.killOneWay(back)
		}
		waitA, waitB := max(0, d), max(0, -d)
		if atA == 0 || atB == 0 {
			waitA, waitB, d = 0, 0, most
		}
		began := n.now
		n.after(waitA, func() { a.hint(ab, atA, rtt) })
		n.after(waitB, func() { b.hint(ba, atB, rtt) })
		for way != "from B" && a.current(ab) == there || way != "from A" && b.current(ba) == back {
			if n.pass(time.Millisecond); n.now-began > 5*time.Second {
				break
			}
		}
		if took := n.now - began; took > worst {
			worst, trace = took, n.probes()
		}
	}
	return worst, trace
}

// hint has the kernel tell of a context; nothing if kind is 0.
func (h *host) hint(u engine.ULIDs, kind engine.ReapKind, rtt time.Duration) {
	if kind != 0 {
		h.handle(engine.Reap{ULIDs: u, Tag: h.kernel[u].TagLocal, Kind: kind, Stall: engine.Stall{RTT: rtt}})
	}
}

// A pair that fails a moment after a switch is left as soon as the one before.
func TestHintAfterSwitch(t *testing.T) {
	const rtt = 20 * time.Millisecond
	for _, after := range []time.Duration{rtt, 100 * time.Millisecond, 500 * time.Millisecond, 900 * time.Millisecond} {
		n, a, b, ab, ba := two(t, 3)
		dead := []engine.Pair{a.pair(0, b, 0)}
		for range 2 {
			n.kill(dead...)
			failed := n.now
			from := a.current(ab)
			a.hint(ab, engine.ReapRetransmission, rtt)
			for a.current(ab) == from || b.current(ba) == (engine.Pair{Local: from.Peer, Peer: from.Local}) || a.state(ab) != operational {
				if n.pass(time.Millisecond); n.now-failed > time.Second {
					t.Fatalf("%v after the switch: by %v: %q", after, a.current(ab), n.probes())
				}
			}
			if took := n.now - failed; took > patientRTTs*rtt+3*rtt {
				t.Errorf("%v after the switch: it took %v: %q", after, took, n.probes())
			}
			n.pass(after)
			dead = append(dead, a.current(ab))
		}
	}
}

// tail has the kernel tell that TCP waits, with the round trip that it has measured and its deviation.
func (h *host) tail(u engine.ULIDs, retransmits int, rtt, deviation time.Duration) {
	h.handle(engine.Reap{ULIDs: u, Tag: h.kernel[u].TagLocal, Kind: engine.ReapRetransmission,
		Stall: engine.Stall{RTT: rtt, Deviation: deviation, Retransmits: retransmits, Length: 1400, Progress: true}})
}

// Once another pair has answered, the current one has half a round trip more, or what TCP's round trips
// differ by, and leastDelay in all.
func TestDelayOfTCP(t *testing.T) {
	for _, x := range []struct{ rtt, deviation, most time.Duration }{
		// The network's own round trip is 20 ms.
		{5 * time.Millisecond, 0, leastDelay},
		{20 * time.Millisecond, 0, leastDelay},
		{20 * time.Millisecond, 80 * time.Millisecond, 60 * time.Millisecond},
		{20 * time.Millisecond, time.Second, patientRTTs * 20 * time.Millisecond},
		{100 * time.Millisecond, 20 * time.Millisecond, 150 * time.Millisecond},
		{200 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond},
	} {
		n, a, b, ab, _ := two(t, 2)
		n.killOneWay(a.pair(0, b, 0))
		a.tail(ab, 0, x.rtt, x.deviation)
		n.pass(x.most - time.Millisecond)
		if a.current(ab) != a.pair(0, b, 0) {
			t.Errorf("%v, %v: too early: %q", x.rtt, x.deviation, n.probes())
		}
		n.pass(2 * time.Millisecond)
		if a.current(ab) == a.pair(0, b, 0) {
			t.Errorf("%v, %v: too late: %q", x.rtt, x.deviation, n.probes())
		}
	}
}

// A stream of acknowledgements stops before TCP itself waits for long. Then TCP shortens the doubt, at
// any time; a stream that goes on ends it all the same.
func TestTCPHastens(t *testing.T) {
	const rtt = 20 * time.Millisecond
	for _, after := range []time.Duration{0, time.Millisecond, 30 * time.Millisecond, streamPatience, streamPatience + rtt, 200 * time.Millisecond} {
		n, a, b, ab, _ := two(t, 2)
		switches := a.record()
		n.killOneWay(a.pair(0, b, 0))
		a.silence(ab)
		n.pass(after)
		a.tail(ab, 0, rtt, 0)
		n.pass(leastDelay + time.Millisecond)
		if a.current(ab) == a.pair(0, b, 0) {
			t.Errorf("after %v: not yet: %q", after, n.probes())
		}
		n.pass(time.Second)
		if l := switches(); len(l) == 0 || l[0].Trigger != ULP || a.state(ab) != operational {
			t.Errorf("after %v: %+v", after, l)
		}

		n, a, b, ab, _ = two(t, 2)
		n.killOneWay(a.pair(0, b, 0))
		a.silence(ab)
		a.tail(ab, 0, rtt, 0)
		a.resumption(ab)
		n.pass(time.Second)
		if a.current(ab) != a.pair(0, b, 0) || a.state(ab) != operational {
			t.Errorf("it goes on: by %v: %q", a.current(ab), n.probes())
		}
	}
}

// A connection that is stuck by itself complains, and the host has just answered a Probe. The failure
// that another connection notices then is left as soon as without it.
func TestHintBesideStuck(t *testing.T) {
	const rtt = 20 * time.Millisecond
	n, a, b, ab, ba := two(t, 2)
	a.tail(ab, stuck, 0, 0)
	n.pass(5 * time.Second)
	b.silence(ba)
	n.pass(rtt)
	from := a.pair(0, b, 0)
	if a.current(ab) != from || a.state(ab) != operational {
		t.Fatalf("by %v: %q", a.current(ab), n.probes())
	}
	n.killOneWay(from)
	a.tail(ab, 0, rtt, 0)
	n.pass(leastDelay + time.Millisecond)
	if a.current(ab) == from {
		t.Errorf("not yet: %q", n.probes())
	}
}
