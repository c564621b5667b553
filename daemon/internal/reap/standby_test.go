// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"testing"
	"time"

	"shim6/daemon/internal/engine"
)

// A pair in reserve that has answered lately is used at once if ours is gone, and is left again if
// it does not answer. Without one, payload waits for an answer.
func TestStandbyTakesOver(t *testing.T) {
	for _, x := range []struct {
		name    string
		standby time.Duration
		before  func(n *network, a, b *host)
		at      time.Duration // 0: not at once
	}{
		{"in reserve", time.Minute, func(n *network, _, _ *host) { n.pass(2 * time.Minute) }, time.Millisecond},
		{"not asked yet", time.Hour, func(n *network, _, _ *host) {}, 0},
		{"without a reserve", 0, func(n *network, _, _ *host) { n.pass(2 * time.Minute) }, 0},
		{"in reserve, but dead since", time.Minute, func(n *network, a, b *host) {
			n.pass(70 * time.Second)
			n.kill(a.pair(1, b, 1))
		}, time.Millisecond},
	} {
		t.Run(x.name, func(t *testing.T) {
			n, a, b, ab, _ := two(t, 3, Config{Standby: x.standby})
			x.before(n, a, b)
			switches := a.record()
			from := a.current(ab)
			a.link(0, false)
			n.pass(time.Millisecond)
			if moved := a.current(ab) != from; moved != (x.at != 0) {
				t.Fatalf("by %v after a millisecond: %q", a.current(ab), n.probes())
			}
			n.pass(2 * time.Second)
			if p := a.current(ab); p == from || n.dead(p.Local, p.Peer) || a.state(ab) != operational {
				t.Errorf("by %v in %v: %q", p, a.state(ab), n.probes())
			}
			if s := switches(); len(s) == 0 || s[0].Trigger != Local || s[0].From != from {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A doubt that another pair has answered is over when the current one has had its time: payload
// takes the other pair then, and the peer hears of it afterwards.
func TestDoubtTakesOver(t *testing.T) {
	n, a, b, ab, _ := two(t, 2)
	n.killOneWay(a.pair(0, b, 0))
	a.hint(ab, engine.ReapRetransmission, 20*time.Millisecond)
	// A round trip and a half would be less.
	n.pass(leastDelay - time.Millisecond)
	if a.current(ab) != a.pair(0, b, 0) {
		t.Errorf("too early: %q", n.probes())
	}
	n.pass(time.Millisecond)
	if a.current(ab) != a.pair(1, b, 1) || a.state(ab) != exploring {
		t.Errorf("by %v in %v: %q", a.current(ab), a.state(ab), n.probes())
	}
	n.pass(time.Second)
	if a.current(ab) != a.pair(1, b, 1) || a.state(ab) != operational {
		t.Errorf("by %v in %v: %q", a.current(ab), a.state(ab), n.probes())
	}
	// Nothing was answered: payload stays until something is.
	n, a, b, ab, _ = two(t, 2)
	n.kill(a.pair(0, b, 0))
	a.hint(ab, engine.ReapRetransmission, 20*time.Millisecond)
	n.pass(patientRTTs * 20 * time.Millisecond)
	if a.current(ab) != a.pair(0, b, 0) || a.state(ab) != exploring {
		t.Errorf("by %v in %v: %q", a.current(ab), a.state(ab), n.probes())
	}
}
