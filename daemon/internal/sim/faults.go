// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"shim6/daemon/internal/engine"
)

const (
	// healing is how long hosts may take to agree once everything works: I1 may be held
	// down for ten minutes, and before that be retransmitted for three.
	healing = 40 * time.Minute
	// step is how often there is traffic meanwhile.
	step = 5 * time.Second
)

// emptyWorld makes a world without hosts.
func emptyWorld(seed uint64) *world {
	return &world{
		seed: seed, rand: rand.New(rand.NewPCG(seed, 0x5317)), now: time.Hour,
		owner: make(map[netip.Addr]*host), holes: make(map[engine.Pair]bool), drops: make(map[engine.Pair]bool),
		hashed: make(map[netip.Addr]bool), signed: make(map[string][]netip.Addr),
	}
}

// newWorld makes the world of a seed.
func newWorld(seed uint64) *world {
	w := emptyWorld(seed)
	n := 2
	if w.chance(0.3) {
		n += 1 + w.rand.IntN(2)
	}
	lab := w.chance(0.1)
	for range n {
		k := hba
		switch {
		case lab:
			k = plain
		case w.chance(0.1):
			k = cgaHBA
		case w.chance(0.1):
			k = single
		}
		w.newHost(k)
	}
	w.loss, w.dup, w.delay = w.rand.Float64()*0.4, w.rand.Float64()*0.3, w.rand.Float64()*0.5
	for range w.rand.IntN(3) {
		w.newAttacker(w.chance(0.5))
	}
	for range 1 + w.rand.IntN(4) {
		a := w.rand.IntN(n)
		b := (a + 1 + w.rand.IntN(n-1)) % n
		w.flows = append(w.flows, flow{
			a: w.hosts[a], b: w.hosts[b],
			local: pick(w, w.hosts[a].all).Address, peer: pick(w, w.hosts[b].all).Address,
		})
	}
	if w.chance(0.5) {
		w.carry()
	}
	return w
}

// live is the whole life of a world. It panics with a violation.
func (w *world) live() {
	for _, h := range w.hosts {
		h.boot(true)
	}
	w.suffer()
	w.heal()
	w.survive()
	// It is longer than all the rest together.
	if w.chance(0.5) {
		w.disguise()
	}
	w.end()
}

// suffer is the time of faults.
func (w *world) suffer() {
	w.faults = true
	for range 10 + w.rand.IntN(50) {
		w.after(w.between(0, 5*time.Minute), w.fault)
	}
	for i := range w.attackers {
		for range 5 + w.rand.IntN(30) {
			w.after(w.between(0, 5*time.Minute), func() { w.attackers[i].act(w) })
		}
	}
	for range 60 {
		w.traffic(0.3)
		w.run(step)
	}
}

// traffic does what kernels do when ULPs send.
func (w *world) traffic(acquire float64) {
	for i := range w.flows {
		f := &w.flows[i]
		if w.chance(acquire) {
			f.a.acquire(f.local, f.peer)
		}
		if w.chance(acquire / 2) {
			f.b.acquire(f.peer, f.local)
		}
	}
	for _, h := range w.hosts {
		for _, k := range h.kernel.Dump() {
			h.payload(k.ULIDs)
		}
	}
}

// acquire makes the kernel ask for a context, if it has none.
func (h *host) acquire(local, peer netip.Addr) {
	if h.kernel.Get(engine.ULIDs{Local: local, Peer: peer}) == nil && h.has(local) {
		h.handle(engine.Acquire{Local: local, Peer: peer})
	}
}

// fault makes one thing go wrong, or gives one command.
func (w *world) fault() {
	h := pick(w, w.hosts)
	var u engine.ULIDs
	if h.kernel.Len() > 0 {
		u = pick(w, h.kernel.Order())
	}
	switch w.rand.IntN(15) {
	case 0, 1:
		h.crash()
		keep := w.chance(0.6)
		w.after(w.between(0, time.Minute), func() { h.boot(keep) })
	case 2:
		if w.chance(0.3) {
			h.reboot()
			keep := w.chance(0.5)
			w.after(w.between(0, time.Minute), func() { h.boot(keep) })
		}
	case 3:
		// Somebody flushes the kernel's table. The daemon hears of it now, or only when
		// it compares.
		w.logf("%s: the kernel's table is flushed", h.name)
		h.kernel.Clear()
		if h.e != nil && w.chance(0.5) {
			h.forgotten = true
			return
		}
		h.handle(engine.Dump{})
	case 4:
		if k := h.kernel.Get(u); k != nil {
			h.must(h.kernel.Del(engine.ContextDel{ULIDs: u, TagLocal: k.TagLocal}))
			h.handle(engine.ContextGone{ULIDs: u, Tag: k.TagLocal})
		}
	case 5, 6:
		i := w.rand.IntN(len(h.all))
		h.up[i] = !h.up[i]
		w.logf("%s: %v is up: %v", h.name, h.all[i].Address, h.up[i])
		h.handle(engine.Locators{Local: h.locals()})
	case 7, 8:
		i := w.rand.IntN(len(h.all))
		h.broken[i] = !h.broken[i]
		w.logf("%s: %v is broken: %v", h.name, h.all[i].Address, h.broken[i])
		h.handle(engine.Locators{Local: h.locals()})
	case 9, 10, 11:
		w.explore(h, u)
	case 12:
		f := pick(w, w.flows)
		f.a.handle(engine.Open{ULIDs: engine.ULIDs{Local: f.local, Peer: f.peer, FII: w.rand.Uint32N(3)}, Force: w.chance(0.5)})
	case 13:
		if w.chance(0.5) {
			h.handle(engine.Close{ULIDs: u})
		} else {
			h.handle(engine.Refresh{ULIDs: u})
		}
	case 14:
		h.stall(w.between(time.Second, 2*time.Minute))
	}
}

// heal ends the faults, and waits for the hosts to agree.
func (w *world) heal() {
	w.faults, w.attackers = false, nil
	clear(w.holes)
	for _, h := range w.hosts {
		for i := range h.up {
			h.up[i], h.broken[i] = true, false
		}
		h.stalled = 0
		h.write()
		h.boot(true)
		h.handle(engine.Locators{Local: h.locals()})
		if h.forgotten {
			// By now the daemon has heard that its table was flushed.
			h.forgotten = false
			h.handle(engine.Dump{Contexts: h.kernel.Dump()})
		}
	}
	w.logf("all works again")
	w.agree()
}

// agree waits for the hosts to have contexts, and the same of each other.
func (w *world) agree() {
	deadline := w.now + healing
	for {
		w.traffic(1)
		w.run(step)
		text, u := w.disagreement()
		if text == "" && w.allOpen() {
			return
		}
		if w.now > deadline {
			w.fail("the hosts don't agree %v after the last fault: %s (%v)", healing, text, u)
		}
	}
}

// allOpen reports whether every flow has a context.
func (w *world) allOpen() bool {
	for _, f := range w.flows {
		if f.a.kernel.Get(engine.ULIDs{Local: f.local, Peer: f.peer}) == nil {
			return false
		}
	}
	return true
}

// end ends all need for contexts, and checks that nothing is left.
func (w *world) end() {
	// Messages that are still on their way may make the hosts differ once more.
	for range 2 * time.Minute / step {
		w.traffic(1)
		w.run(step)
	}
	w.agree()
	w.run(time.Minute)
	if text, u := w.disagreement(); text != "" {
		w.fail("the hosts had agreed, and don't any more: %s (%v)", text, u)
	}
	for _, h := range w.hosts {
		for _, k := range h.kernel.Dump() {
			h.handle(engine.Expire{ULIDs: k.ULIDs, Tag: k.TagLocal, Idle: engine.MinIdleTimeout})
		}
	}
	w.run(11 * time.Minute)
	for _, h := range w.hosts {
		if s := h.e.Size(); s != (engine.Size{}) || h.kernel.Len() > 0 || len(h.records) > 0 {
			w.fail("%s: after the last context there are %+v, %d contexts in the kernel, %d records", h.name, s, h.kernel.Len(), len(h.records))
		}
		if n := h.explorer.Size(); n > 0 {
			w.fail("%s: REAP remembers %d contexts that are gone", h.name, n)
		}
	}
}
