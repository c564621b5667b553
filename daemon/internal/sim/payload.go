// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"time"

	"shim6/daemon/internal/engine"
)

const (
	// rescue is how long it may take until a session that can make progress does. Of
	// sixteen pairs hosts try five and then wait, longer each time, and several sessions may
	// make them move for different reasons. The tests in daemon/internal/reap show how fast
	// it is if a single path fails.
	rescue = 90 * time.Minute
	// restless is how often a context may change its pair within an hour, in which nothing
	// changes except by the hosts themselves. A round takes six moves, and both hosts begin
	// some, each time after a connection has made progress for a while.
	restless = 90
	// limit is the longest packet, in octets, that passes a path which loses long ones. full
	// is the length of the session's packets.
	limit, full = 1400, 1500
)

// stream is a TCP connection by a context that always has something to send.
type stream struct {
	h *host
	u engine.ULIDs
	// length is how long its packets are.
	length int
	// retransmits and due belong to its timer; run is the number of the timer's present
	// run. got is when something was last acknowledged, and told when the daemon was last
	// told that the connection is stuck.
	retransmits    int
	rto            time.Duration
	run            int
	got, told      time.Duration
	pair           engine.Pair
	moves          []time.Duration
	hopeless, over bool
}

// hides reports whether a pair carries Probes, but not this packet.
func (w *world) hides(p engine.Pair, payload bool, length int) bool {
	p = p.By(engine.Native)
	return w.dull[p] && length > limit || payload && w.deaf[p]
}

// send is a segment, its acknowledgement, and the timer.
func (t *stream) send() {
	k := t.h.kernel.Get(t.u)
	if t.over || k == nil || t.h.e == nil {
		return
	}
	w := t.h.w
	t.run++
	run := t.run
	w.after(t.rto, func() {
		if t.run == run && !t.over {
			t.retransmits++
			t.rto = min(2*t.rto, 2*time.Minute)
			t.send()
		}
	})
	if t.pair != k.Locator {
		if t.pair != (engine.Pair{}) {
			t.moves = append(t.moves, w.now)
			w.logf("%s: %v goes by %v, which hides %v", t.h.name, t.u, k.Locator, w.hides(k.Locator, true, t.length))
		}
		t.pair = k.Locator
	}
	t.h.pays(k)
	if t.retransmits == 1 && k.ReapState == engine.ReapOperational {
		// Its acknowledgements have stopped as well, or its answers.
		kind := engine.ReapSilence
		if k.TagLocal&1 == 1 {
			kind = engine.ReapUnanswered
		}
		t.h.handle(engine.Reap{ULIDs: t.u, Tag: k.TagLocal, Kind: kind})
		if k = t.h.kernel.Get(t.u); k == nil {
			return
		}
	}
	if t.retransmits > 0 && k.ReapState == engine.ReapOperational && w.now-t.told >= time.Second {
		t.told = w.now
		t.h.handle(engine.Reap{ULIDs: t.u, Tag: k.TagLocal, Kind: engine.ReapRetransmission,
			Stall: engine.Stall{Retransmits: t.retransmits, Length: t.length}})
		if k = t.h.kernel.Get(t.u); k == nil {
			return
		}
	}
	if w.hides(k.Locator, true, t.length) || w.dropsPayload(k) {
		return
	}
	peer := w.owner[t.u.Peer]
	w.after(10*time.Millisecond, func() {
		p := peer.kernel.Get(reverse(t.u))
		if p == nil || peer.e == nil {
			return
		}
		peer.hears(p)
		peer.pays(p)
		if w.hides(p.Locator, true, 60) || w.dropsPayload(p) {
			return
		}
		w.after(10*time.Millisecond, func() {
			if k := t.h.kernel.Get(t.u); k != nil && t.run == run && !t.over {
				t.h.hears(k)
				t.got, t.retransmits, t.rto = w.now, 0, time.Second
				t.run++
				w.after(5*time.Second, t.send)
			}
		})
	})
}

// restarted is what the module does when a context is moved.
func (h *host) restarted(u engine.ULIDs) {
	for _, t := range h.w.streams {
		if t.h == h && t.u == u {
			h.w.after(0, func() {
				t.rto = time.Second
				if t.retransmits > 0 {
					t.retransmits++
				}
				t.send()
			})
		}
	}
}

// disguise makes paths that carry Probes but no payload, or no long packets. It checks that
// every session makes progress that can, and that none is moved too often.
func (w *world) disguise() {
	w.agree()
	w.dull, w.deaf = make(map[engine.Pair]bool), make(map[engine.Pair]bool)
	for _, h := range w.hosts {
		for _, u := range h.kernel.Order() {
			if c, ok := h.e.Context(u); ok && c.State == engine.Established && u.FII == 0 && w.chance(0.6) {
				t := &stream{h: h, u: u, length: full, rto: time.Second, got: w.now}
				if w.chance(0.3) {
					t.length = 100
				}
				w.streams = append(w.streams, t)
				t.send()
			}
		}
	}
	w.run(time.Minute)
	for _, h := range w.hosts {
		for _, o := range w.hosts {
			if h != o {
				w.hide(h, o)
			}
		}
	}
	w.logf("%d pairs lose long packets, and %d payload", len(w.dull), len(w.deaf))
	began := w.now
	for _, t := range w.streams {
		t.hopeless = !w.passes(t.h, t.u, t.length)
	}
	for w.now-began < rescue {
		w.run(time.Minute)
	}
	w.run(5 * time.Minute)
	for _, t := range w.streams {
		w.checkStream(t, began)
		t.over = true
	}
	w.streams, w.dull, w.deaf = nil, nil, nil
}

// hide makes pairs of two hosts that carry no payload, or no long packets: the pairs of some
// locators of each host, since a fault is that of a provider. One pair is spared.
func (w *world) hide(h, o *host) {
	if o.name < h.name {
		return
	}
	for _, x := range []*host{h, o} {
		good := w.rand.IntN(len(x.all))
		for i, l := range x.all {
			if i == good || w.chance(0.6) {
				continue
			}
			y := h
			if x == h {
				y = o
			}
			lost, out, in := w.deaf, true, true
			if w.chance(0.5) {
				// Each direction may have its own path.
				lost, out, in = w.dull, w.chance(0.7), w.chance(0.7)
			}
			for _, m := range y.all {
				if out {
					lost[engine.Pair{Local: l.Address, Peer: m.Address}] = true
				}
				if in {
					lost[engine.Pair{Local: m.Address, Peer: l.Address}] = true
				}
			}
		}
	}
}

// passes reports whether at least a quarter of a context's pairs carry packets of a length in
// each direction. So hosts try one of these within a quarter of an hour, though each host
// chooses for itself and makes the other move as well.
func (w *world) passes(h *host, u engine.ULIDs, length int) bool {
	c, ok := h.e.Context(u)
	if !ok {
		return false
	}
	all, good := 0, 0
	for _, a := range c.LocalLocators {
		for _, l := range c.PeerLocators {
			p := engine.Pair{Local: a, Peer: l.Address}
			if !l.Verified || l.Dropped {
				continue
			}
			all++
			if !w.hides(p, true, length) && !w.hides(engine.Pair{Local: p.Peer, Peer: p.Local}, true, length) {
				good++
			}
		}
	}
	return all > 0 && 4*good >= all
}

// checkStream checks that a session makes progress if it can, and that its context was not
// moved more often than useful.
func (w *world) checkStream(t *stream, began time.Duration) {
	if !t.hopeless && w.now-t.got > rescue {
		w.fail("%s: %v, which has pairs that carry payload, got on last %v ago, by %v, of which the peer sends by %v",
			t.h.name, t.u, w.now-t.got, t.pair, w.owner[t.u.Peer].kernel.Get(reverse(t.u)).Locator)
	}
	for i := range t.moves {
		if j := i + restless; j < len(t.moves) && t.moves[j]-t.moves[i] < time.Hour {
			w.fail("%s: %v was moved %d times within %v", t.h.name, t.u, restless+1, t.moves[j]-t.moves[i])
		}
	}
}
