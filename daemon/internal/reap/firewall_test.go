// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"testing"
	"time"

	"shim6/daemon/internal/engine"
)

// watch has the kernel of a host tell when the stream that it hears stops, and when it goes on. It
// answers each packet if it is told to.
func (h *host) watch(u engine.ULIDs, patience time.Duration, answers bool) {
	k := h.kernel[u]
	told, last := false, h.n.now
	k.came = func() {
		last = h.n.now
		if told {
			told = false
			h.resumption(u)
		}
		if answers {
			h.payload(u)
		}
	}
	var look func()
	look = func() {
		if !told && h.n.now-last > patience {
			told = true
			h.silence(u)
		}
		h.n.after(time.Millisecond, look)
	}
	look()
}

// Stateful firewalls in front of both hosts let a pair pass that both have tried. A failure of one
// host's link, of both, or of the path costs a few round trips more than without them.
func TestFirewallsAtBothEnds(t *testing.T) {
	for name, fail := range map[string]func(n *network, a, b *host){
		"link of A":  func(_ *network, a, _ *host) { a.link(0, false) },
		"both links": func(_ *network, a, b *host) { a.link(0, false); b.link(0, false) },
		"both links, one after the other": func(n *network, a, b *host) {
			a.link(0, false)
			n.after(5*time.Millisecond, func() { b.link(0, false) })
		},
		"path": func(n *network, a, b *host) { n.kill(a.pair(0, b, 0)) },
	} {
		for _, x := range []struct{ answers, early bool }{{}, {answers: true}, {answers: true, early: true}} {
			n, a, b, ab, ba := two(t, 2)
			first, last := a.pair(0, b, 0), a.pair(1, b, 1)
			n.firewalls(first)
			a.flow(ab, 10*time.Millisecond)
			if !x.answers {
				b.flow(ba, 10*time.Millisecond)
			}
			a.watch(ab, 90*time.Millisecond, false)
			b.watch(ba, 60*time.Millisecond, x.answers)
			n.pass(5 * time.Second)
			began := n.now
			n.trace = nil
			fail(n, a, b)
			// A's TCP sends at once what was lost, and complains soon after that.
			if x.early {
				// It may do so before shim6d has sent its answer.
				a.kernel[ab].early = func() { a.payload(ab) }
			}
			a.kernel[ab].restart = func() {
				a.payload(ab)
				n.after(2*time.Millisecond, func() { a.hint(ab, engine.ReapRetransmission, 20*time.Millisecond) })
			}
			for a.current(ab) != last || b.current(ba) != b.pair(1, a, 1) {
				if n.pass(time.Millisecond); n.now-began > 5*time.Second {
					break
				}
			}
			if took := n.now - began; took > 450*time.Millisecond {
				t.Errorf("%s, %+v: it took %v, A sends by %v, B by %v: %q", name, x, took, a.current(ab), b.current(ba), n.probes())
			}
		}
	}
}
