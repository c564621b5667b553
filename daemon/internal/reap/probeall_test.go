// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"net/netip"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
)

func (h *host) probeAll(u engine.ULIDs) uint64 {
	h.used++
	h.handle(engine.ProbeAll{ID: h.used, ULIDs: u})
	return h.used
}

// All pairs are asked, each is told apart, and the context stays where it is.
func TestProbeAll(t *testing.T) {
	n, a, b, ab, _ := two(t, 3)
	switches := a.record()
	lost := a.pair(1, b, 2)
	n.dead = func(s, d netip.Addr) bool { return (engine.Pair{Local: s, Peer: d}) == lost }
	before := a.current(ab)
	d, ok := a.answered(a.probeAll(ab))
	if !ok || d.Err != nil || d.ULIDs != ab {
		t.Fatalf("%+v (%v)", d, ok)
	}
	// Another command has to wait.
	if d, ok := a.answered(a.probeAll(ab)); !ok || d.Err == nil {
		t.Errorf("a second command: %+v (%v)", d, ok)
	}
	n.pass(10 * InitialProbeTimeout)
	for i := range 3 {
		for j := range 3 {
			pair := a.pair(i, b, j)
			if p := a.r.paths.get(pair); p.works() == (pair == lost) {
				t.Errorf("%v works: %v", pair, p.works())
			}
		}
	}
	if a.current(ab) != before || a.state(ab) != operational || len(switches()) != 0 {
		t.Errorf("%v by %v, %+v", a.state(ab), a.current(ab), switches())
	}
	n.pass(time.Hour)
	if d, ok := a.answered(a.probeAll(ab)); !ok || d.Err != nil {
		t.Errorf("later: %+v (%v)", d, ok)
	}
	// A context that is not there.
	if d, ok := a.answered(a.probeAll(engine.ULIDs{Local: ab.Peer, Peer: ab.Local})); !ok || d.Err == nil {
		t.Errorf("no context: %+v (%v)", d, ok)
	}
}

// A stream that stops meanwhile, at either host, is looked into, and then the other pairs are asked.
func TestProbeAllDoubted(t *testing.T) {
	for _, peer := range []bool{false, true} {
		_, a, b, ab, ba := two(t, 3)
		n := a.n
		before := a.current(ab)
		if d, ok := a.answered(a.probeAll(ab)); !ok || d.Err != nil {
			t.Fatalf("%+v (%v)", d, ok)
		}
		n.pass(InitialProbeTimeout / 10)
		if peer {
			b.silence(ba)
		} else {
			a.silence(ab)
		}
		n.pass(11 * InitialProbeTimeout)
		for i := range 3 {
			for j := range 3 {
				if pair := a.pair(i, b, j); !a.r.paths.get(pair).works() {
					t.Errorf("the peer doubts: %v; %v was not asked", peer, pair)
				}
			}
		}
		if a.current(ab) != before || a.state(ab) != operational {
			t.Errorf("%v by %v", a.state(ab), a.current(ab))
		}
	}
}
