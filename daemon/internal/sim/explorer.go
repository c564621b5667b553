// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/reap"
)

// liveness is the kernel's part in REAP (RFC 5534), as coarse as there is traffic.
type liveness struct {
	// since is from when on something should have been heard, if waits is set.
	since time.Duration
	waits bool
	// heard is when something was last heard.
	heard time.Duration
}

// newExplorer is the daemon's part.
func newExplorer() *reap.Explorer { return reap.New(reap.Config{}) }

// live is the liveness of a context.
func (h *host) live(u engine.ULIDs) *liveness {
	if h.liveness == nil {
		h.liveness = make(map[engine.ULIDs]*liveness)
	}
	l := h.liveness[u]
	if l == nil {
		l = &liveness{heard: h.w.now}
		h.liveness[u] = l
	}
	return l
}

// orphan does what the kernel does when the daemon is gone.
func (h *host) orphan() {
	for _, u := range h.kernel.Order() {
		h.kernel.Get(u).ReapState = engine.ReapOperational
	}
	clear(h.liveness)
}

// pays is called when a context sends a payload packet. The Send Timer runs from the first one
// on, and may have expired.
func (h *host) pays(k *engine.KernelContext) {
	l := h.live(k.ULIDs)
	switch {
	case k.ReapState == engine.ReapExploring:
	case !l.waits:
		l.since, l.waits = h.w.now, true
	case h.w.now-l.since > k.SendTimeout && h.e != nil:
		l.waits = false
		k.ReapState = engine.ReapExploring
		h.handle(engine.Reap{ULIDs: k.ULIDs, Tag: k.TagLocal, Kind: engine.ReapSendTimeout})
	}
}

// timed is called when the daemon sets a context: it may start a timer again.
func (h *host) timed(a engine.ContextSet) {
	if a.Fields&(engine.FieldReapTimer|engine.FieldReapState) != 0 {
		h.live(a.Context.ULIDs).waits = false
	}
	if a.Fields&engine.FieldReapState != 0 {
		p := h.probing(a.Context.ULIDs)
		p.rested = a.Context.ReapState == engine.ReapOperational || p.rested && p.begun != h.w.now
	}
}

// hears is called when a packet of the context has arrived between locators of it.
func (h *host) hears(k *engine.KernelContext) {
	l := h.live(k.ULIDs)
	l.waits, l.heard = false, h.w.now
	if k.ReapState == engine.ReapExploring {
		k.ReapState = engine.ReapInboundOK
		h.handle(engine.Reap{ULIDs: k.ULIDs, Tag: k.TagLocal, Kind: engine.ReapInbound})
	}
}

// explore makes a context doubt its locator pair, or use another one.
func (w *world) explore(h *host, u engine.ULIDs) {
	if h.e == nil || h.kernel.Get(u) == nil {
		return
	}
	c, ok := h.e.Context(u)
	if !ok || !c.State.Sends() {
		return
	}
	pair := engine.Pair{Local: pick(w, h.all).Address, Peer: pick(w, c.PeerLocators).Address}
	switch w.rand.IntN(4) {
	case 0:
		h.begins(u)
		h.probing(u).used = h.w.now
		h.handle(engine.Use{ULIDs: u, Pair: pair})
	case 1:
		h.handle(engine.ICMP{Type: 1, Source: u.Local, Destination: u.Peer, ULIDs: u})
	case 2:
		l := h.live(u)
		l.since, l.waits = w.now-time.Minute, true
	case 3:
		// One direction of a pair is a black hole from now on, or was.
		if w.holes[pair] = !w.holes[pair]; w.chance(0.5) {
			pair.Local, pair.Peer = pair.Peer, pair.Local
			w.holes[pair] = !w.holes[pair]
		}
	}
}

// recovery is how long it may take until payload flows again, if only one of sixteen pairs
// works in each direction, and none in both. One host must probe its pair at a time when the
// other is about to answer by its own.
const recovery = 90 * time.Minute

// survive makes black holes of nearly all pairs, each direction for itself, and checks that
// payload flows again.
func (w *world) survive() {
	// The effects of forged packets that are still on their way could not be repaired in a
	// black hole.
	for range 2 * time.Minute / step {
		w.traffic(1)
		w.run(step)
	}
	w.agree()
	for _, h := range w.hosts {
		for _, o := range w.hosts {
			if h == o {
				continue
			}
			var pairs []engine.Pair
			for _, a := range h.all {
				for _, b := range o.all {
					pairs = append(pairs, engine.Pair{Local: a.Address, Peer: b.Address})
				}
			}
			w.rand.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
			for _, p := range pairs[1+w.rand.IntN(len(pairs)):] {
				w.holes[p] = true
			}
			// The pair that is left may need locators that can't be proved.
			w.spare(h, o)
		}
	}
	w.logf("%d black holes", len(w.holes))
	began := w.now
	for {
		w.traffic(0)
		w.run(step)
		text := w.silence(began)
		if text == "" {
			break
		}
		if w.now-began > recovery {
			w.fail("%v after the last black hole %s", recovery, text)
		}
	}
	clear(w.holes)
}

// spare leaves each context of two hosts a pair by which h can send: the last one of those
// that both have agreed on.
func (w *world) spare(h, o *host) {
	for _, u := range h.kernel.Order() {
		k := h.kernel.Get(u)
		if w.owner[k.Peer] != o {
			continue
		}
		c, ok := h.e.Context(u)
		if !ok {
			continue
		}
		var last engine.Pair
		works := false
		for _, a := range c.LocalLocators {
			for _, l := range c.PeerLocators {
				if p := (engine.Pair{Local: a, Peer: l.Address}); l.Verified && !l.Dropped {
					last = p
					works = works || !w.holes[p]
				}
			}
		}
		if !works {
			delete(w.holes, last)
		}
	}
}

// silence says where nothing was heard for long; "" if there is no such host.
func (w *world) silence(began time.Duration) string {
	for _, h := range w.hosts {
		for _, u := range h.kernel.Order() {
			if l := h.live(u); w.now-l.heard > 3*step || l.heard < began || h.kernel.Get(u).ReapState != engine.ReapOperational {
				return h.name + ": " + u.Peer.String() + " was heard last at " + l.heard.String()
			}
		}
	}
	return ""
}
