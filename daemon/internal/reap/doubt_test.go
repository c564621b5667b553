// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"fmt"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
)

func (h *host) doubt(u engine.ULIDs) uint64 {
	h.used++
	h.handle(engine.Doubt{ID: h.used, ULIDs: u})
	return h.used
}

// Advice from outside costs a Probe and its answer if it is wrong, and is limited.
func TestDoubtWrong(t *testing.T) {
	n, a, b, ab, _ := two(t, 2)
	if d, ok := a.answered(a.doubt(ab)); !ok || d.Err != nil || d.ULIDs != ab {
		t.Fatalf("%+v (%v)", d, ok)
	}
	if d, ok := a.answered(a.doubt(ab)); !ok || d.Err == nil {
		t.Errorf("at the same time: %+v (%v)", d, ok)
	}
	n.pass(500 * time.Millisecond)
	if d, ok := a.answered(a.doubt(ab)); !ok || d.Err == nil {
		t.Errorf("soon: %+v (%v)", d, ok)
	}
	if got := fmt.Sprint(n.probes()); got != "[A1>B1 InboundOk 1 B1>A1 Operational 1]" {
		t.Error(got)
	}
	if a.current(ab) != a.pair(0, b, 0) || a.state(ab) != operational {
		t.Errorf("%v by %v", a.state(ab), a.current(ab))
	}
	n.pass(time.Minute)
	if d, ok := a.answered(a.doubt(ab)); !ok || d.Err != nil {
		t.Errorf("later: %+v (%v)", d, ok)
	}
	if d, ok := a.answered(a.doubt(engine.ULIDs{Local: ab.Peer, Peer: ab.Local})); !ok || d.Err == nil {
		t.Errorf("no context: %+v (%v)", d, ok)
	}
}

// If it is right, the context moves, and says why.
func TestDoubtRight(t *testing.T) {
	n, a, b, ab, _ := two(t, 2)
	switches := a.record()
	n.kill(a.pair(0, b, 0))
	a.doubt(ab)
	n.pass(streamPause + 100*time.Millisecond)
	if a.current(ab) == a.pair(0, b, 0) || a.state(ab) != operational {
		t.Errorf("%v by %v: %q", a.state(ab), a.current(ab), n.probes())
	}
	if l := switches(); len(l) == 0 || l[0].Trigger != Advice || l[0].Trigger.String() != "advice" {
		t.Errorf("%+v", l)
	}
}
