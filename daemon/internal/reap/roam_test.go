// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// roams makes a host lose all its addresses, and get one by another provider some time later. The
// first addresses are still valid, as ULIDs. If kept, the kernel has them on the new link, and
// nothing says that they are of no use there.
func (h *host) roams(to netip.Addr, after time.Duration, kept bool) {
	for i := range h.locals {
		h.locals[i].Preference.Flags = wire.FlagBroken
	}
	h.handle(engine.Locators{Local: slices.Clone(h.locals)})
	h.n.after(after, func() {
		if kept {
			for i := range h.locals {
				h.locals[i].Preference.Flags = 0
			}
		}
		h.locals = append(h.locals, engine.LocalLocator{Address: to})
		h.n.owner[to] = h
		h.handle(engine.Locators{Local: slices.Clone(h.locals)})
	})
}

// A host with one interface comes to another network. The peer does not know its only locator there.
// The host tells it from that locator, and the session goes on within a second.
func TestRoam(t *testing.T) {
	for _, peers := range []int{1, 2} {
		for i, away := range []time.Duration{10 * time.Millisecond, 3 * time.Second, time.Minute, 20 * time.Minute,
			10 * time.Millisecond, 3 * time.Second, time.Minute, 20 * time.Minute} {
			kept := i >= 4
			n := newNetwork(t)
			a, b := n.host("A", 1, Config{}), n.host("B", peers, Config{})
			ab := engine.ULIDs{Local: a.addr(0), Peer: b.addr(0)}
			ba := engine.ULIDs{Local: ab.Peer, Peer: ab.Local}
			a.handle(engine.Acquire{Local: ab.Local, Peer: ab.Peer})
			n.pass(time.Minute)
			a.flow(ab, 100*time.Millisecond)
			b.flow(ba, 100*time.Millisecond)
			n.pass(time.Second)
			first := a.addr(0)
			gone := true
			n.dead = func(s, d netip.Addr) bool { return gone && (s == first || d == first) }
			there := address(7, 7)
			a.roams(there, away, kept)
			n.pass(away + time.Second)
			if a.current(ab).Local != there || b.current(ba).Peer != there || a.state(ab) != operational || b.state(ba) != operational {
				t.Errorf("%d locators of the peer, away for %v, kept %v: A by %v, %v; B by %v, %v", peers, away, kept, a.current(ab), a.state(ab), b.current(ba), b.state(ba))
			}
			n.pass(10 * time.Second)
			if n.now-a.kernel[ab].heardAt > time.Second || n.now-b.kernel[ba].heardAt > time.Second {
				t.Errorf("%d locators of the peer, away for %v, kept %v: nothing was heard for %v and %v", peers, away, kept, n.now-a.kernel[ab].heardAt, n.now-b.kernel[ba].heardAt)
			}
		}
	}
}
