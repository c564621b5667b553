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
