// SPDX-License-Identifier: BSD-3-Clause

package sim

import "shim6/daemon/internal/engine"

// carry makes a world in which hosts use UDP, as they like, and paths carry packets by one
// encapsulation alone, or by both. One direction may carry what the other one does not. But every
// pair carries packets both ways by an encapsulation that both of its hosts use: answers come the
// way of what they answer.
func (w *world) carry() {
	w.udp = true
	other := engine.UDPNever
	if w.chance(0.5) {
		other = engine.UDPAlways
	}
	for _, h := range w.hosts {
		h.config.UDP = engine.UDPAuto
		if w.chance(0.2) {
			h.config.UDP = other
		}
	}
	all := w.chance(0.3)
	for i, h := range w.hosts {
		for _, o := range w.hosts[i+1:] {
			for _, a := range h.all {
				for _, b := range o.all {
					w.lose(h, o, engine.Pair{Local: a.Address, Peer: b.Address}, all)
				}
			}
		}
	}
}

// lose chooses what the pair of two hosts does not carry. all says that no pair carries what it
// need not.
func (w *world) lose(h, o *host, p engine.Pair, all bool) {
	switch {
	case h.config.UDP == engine.UDPNever || o.config.UDP == engine.UDPNever:
		p.Encapsulation = engine.UDP
	case h.config.UDP == engine.UDPAuto && o.config.UDP == engine.UDPAuto && !all && w.chance(0.3):
		p.Encapsulation = engine.UDP
	}
	back := engine.Pair{Local: p.Peer, Peer: p.Local, Encapsulation: p.Encapsulation}
	w.drops[p] = all || w.chance(0.4)
	w.drops[back] = all || w.chance(0.5) && w.drops[p] || w.chance(0.3)
}

// dropsPayload reports whether the payload of a context is lost because of how it is carried.
// Between the ULIDs it has no header.
func (w *world) dropsPayload(k *engine.KernelContext) bool {
	return !k.Locator.SamePath(pairOf(k.ULIDs)) && w.drops[k.Locator]
}

// opens reports whether a host takes a packet as it is carried.
func (h *host) opens(p packet) bool { return p.by == engine.Native || h.config.UDP != engine.UDPNever }

// anyCarrier is how an attacker sends.
func (w *world) anyCarrier() engine.Encapsulation {
	if w.udp && w.chance(0.4) {
		return engine.UDP
	}
	return engine.Native
}
