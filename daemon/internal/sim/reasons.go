// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"bytes"
	"slices"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// arrival is the packet that the daemon is dealing with. It is the cause of all messages that
// the daemon sends meanwhile.
type arrival struct {
	packet
	// state is the kernel's state of the context that the packet is about.
	state engine.State
	// validated: the packet is an I2 or I2bis that returns a validator of this host.
	validated bool
	// answers counts the messages that were sent in answer.
	answers map[wire.Type]int
}

// is reports whether it is a message of one of these types.
func (a *arrival) is(types ...wire.Type) bool {
	return a != nil && a.message != nil && slices.Contains(types, wire.Type(a.message[2]))
}

// arrives notes a packet, and what it gives the daemon reason to send.
func (h *host) arrives(p packet) {
	h.arrival = &arrival{packet: p, answers: make(map[wire.Type]int)}
	if p.message == nil {
		return
	}
	m, err := wire.Decode(p.message)
	if err != nil {
		return
	}
	if e, ok := m.(*wire.ErrorMessage); ok {
		h.refusal(e)
	}
	u, ok := h.about(p, m)
	if !ok {
		return
	}
	if k := h.kernel.Get(u); k != nil {
		h.arrival.state = k.State
	}
	switch m := m.(type) {
	case *wire.R1, *wire.R1bis:
		// If the I2 fails, the I1s are counted from 0 again.
		h.answeredI1(u)
	case *wire.I2, *wire.I2bis, *wire.R2, *wire.UpdateRequest, *wire.UpdateAcknowledgement:
		h.answeredI1(u)
		h.begins(u)
		if h.arrival.is(wire.TypeR2) {
			// The peer may have something else than what we told it last.
			h.rates.news[u]++
		}
	case *wire.Probe:
		// RFC 5534, section 4.3: the pauses grow while there is no response.
		h.begins(u)
		if m.State != wire.ProbeOperational || h.exploring(u) {
			// Sections 6.7 and 6.8. A context that explores and does not believe
			// the reports has at least heard something, as in section 6.1.
			h.ask(u)
		}
	}
	if h.arrival.is(wire.TypeUpdateAcknowledgement) {
		h.acknowledged(u)
	}
	h.learns(p, m, u)
}

// acknowledged notes an Update Acknowledgement. If it is not for the last request, or if the
// last request superseded another one, the peer may have got the older one later.
func (h *host) acknowledged(u engine.ULIDs) {
	x := h.rates.updates[u]
	switch {
	case x == nil:
		h.rates.news[u]++
	case !bytes.Equal(nonceOf(x.message), nonceOf(h.arrival.message)):
		h.rates.news[u]++
	default:
		x.answered = true
		if x.superseded {
			h.rates.news[u]++
			x.superseded = false
		}
	}
}

// refusal notes an Error message about an Update Request: the peer may have lost track of our
// locators.
func (h *host) refusal(m *wire.ErrorMessage) {
	in, err := m.Invoking()
	if err != nil || len(in.Header) < 16 {
		return
	}
	for u, x := range h.rates.updates {
		if bytes.HasPrefix(in.Header, x.message[:16]) {
			h.rates.news[u]++
		}
	}
}

func (h *host) answeredI1(u engine.ULIDs) {
	if x := h.rates.i1[u]; x != nil {
		x.sent, x.udp.sent = 0, 0
	}
}

// about is the context that a message is about; false if the world knows none.
func (h *host) about(p packet, m wire.Message) (u engine.ULIDs, ok bool) {
	named := func(o wire.Options) (engine.ULIDs, bool) {
		u := engine.ULIDs{Local: p.destination, Peer: p.source, FII: o.FII()}
		if names := o.ULIDPair(); names != nil {
			u.Local, u.Peer = names.Receiver, names.Sender
		}
		return u, true
	}
	exchange := func(nonce uint32) (engine.ULIDs, bool) {
		x, ok := h.exchanges[nonce]
		return x.ulids, ok && x.pair == engine.Pair{Local: p.destination, Peer: p.source}
	}
	switch m := m.(type) {
	case *wire.I1:
		return named(m.Options)
	case *wire.I2:
		return named(m.Options)
	case *wire.I2bis:
		return named(m.Options)
	case *wire.R1:
		return exchange(m.InitiatorNonce)
	case *wire.R2:
		return exchange(m.InitiatorNonce)
	case *wire.R1bis:
		// The kernel keeps the tag of a context that has fallen back to I1-SENT. Where tags are few,
		// another context may have the same.
		for _, of := range h.kernel.Order() {
			k := h.kernel.Get(of)
			if k.HasTagPeer && k.TagPeer == m.PacketContextTag && (p.source == k.Peer || slices.Contains(k.LocatorsPeer, p.source)) {
				if u, ok = of, true; k.State == engine.Established {
					break
				}
			}
		}
		return u, ok
	}
	if tag, tagged := wire.ReceiverContextTag(p.message); tagged {
		if k := h.kernel.ByTag(tag); k != nil {
			return k.ULIDs, true
		}
		if h.forgotten {
			u, ok = h.tags[tag]
		}
	}
	return u, ok
}

// exploring reports whether a context is Exploring.
func (h *host) exploring(u engine.ULIDs) bool {
	k := h.kernel.Get(u)
	return k != nil && k.ReapState == engine.ReapExploring
}

// happens notes an event, and what it gives the daemon reason to send.
func (h *host) happens(ev engine.Event) {
	h.event = ev
	r := &h.rates
	switch ev := ev.(type) {
	case engine.Start:
		// The daemon knows only what the kernel and the file have.
		boot := newRates()
		boot.requests, boot.answers = r.requests, r.answers
		*r = boot
		for _, u := range h.kernel.Order() {
			// The daemon tells the peer again what it was telling, with the changes
			// since, and once more when older messages have arrived.
			r.news[u] += 2
			r.i2[u] = &schedule{last: h.w.now}
		}
	case engine.Locators:
		// This is for all contexts: if the kernel's table was flushed, the daemon may
		// not know that yet.
		for u := range h.witnesses {
			r.news[u]++
			h.begins(u)
		}
	case engine.Dump:
		for u := range r.i1 {
			if h.kernel.Get(u) == nil {
				delete(r.i1, u)
			}
		}
	case engine.Reap:
		switch ev.Kind {
		case engine.ReapSendTimeout:
			h.begins(ev.ULIDs)
		case engine.ReapSilence:
			h.begins(ev.ULIDs)
			h.probing(ev.ULIDs).stopped = h.w.now
		case engine.ReapUnanswered:
			h.begins(ev.ULIDs)
			h.probing(ev.ULIDs).unanswered, h.probing(ev.ULIDs).stopped = h.w.now, h.w.now
		case engine.ReapRetransmission:
			h.begins(ev.ULIDs)
			h.probing(ev.ULIDs).doubted, h.probing(ev.ULIDs).stopped = h.w.now, h.w.now
		case engine.ReapInbound:
			// RFC 5534, sections 6.1 and 6.6.
			h.begins(ev.ULIDs)
			h.ask(ev.ULIDs)
		}
	case engine.ICMP:
		h.unsupported(ev)
		for u := range h.witnesses {
			h.begins(u)
		}
	case engine.Open:
		if ev.Force {
			delete(r.held, pairOf(ev.ULIDs))
		}
	case engine.Refresh:
		r.news[ev.ULIDs]++
	case engine.Close:
		delete(r.i1, ev.ULIDs)
	case engine.ContextGone:
		delete(r.i1, ev.ULIDs)
	case engine.ContextRefused:
		delete(r.i1, ev.ULIDs)
	}
}

// unsupported holds a ULID pair down if an ICMPv6 error quotes the last I1 and says that the
// peer has no Shim6 (RFC 5533, section 7.8).
func (h *host) unsupported(ev engine.ICMP) {
	if ev.Type != 4 || ev.Code != 1 {
		return
	}
	for u, x := range h.rates.i1 {
		y := h.exchanges[uint32Of(nonceOf(x.message))]
		if !bytes.HasPrefix(ev.Message, x.message[:16]) || y.pair != (engine.Pair{Local: ev.Source, Peer: ev.Destination}) {
			continue
		}
		switch k := h.kernel.Get(u); {
		case k != nil && k.State == engine.I1Sent:
			h.rates.held[pairOf(u)] = h.w.now + icmpHolddown
			delete(h.rates.i1, u)
		case k == nil && h.forgotten:
			// The daemon may be in I1-SENT, or not.
			delete(h.rates.i1, u)
		}
	}
}

// gone notes that the daemon has ended a context. If the cause is nothing but time, the
// exchange has failed, and the ULID pair is held down (RFC 5533, sections 6.2 and 7.8). If
// there was no cause, and the daemon begins again, that counts as the same exchange.
func (h *host) gone(u engine.ULIDs) {
	switch h.event.(type) {
	case engine.Tick:
		h.rates.held[pairOf(u)] = max(h.rates.held[pairOf(u)], h.w.now+failedHolddown)
		delete(h.rates.i1, u)
	case engine.Control:
		// Context confusion (section 7.15).
		if h.arrival.is(wire.TypeI2, wire.TypeI2bis, wire.TypeR2, wire.TypeUpdateRequest) {
			delete(h.rates.i1, u)
		}
	case engine.Start, engine.Dump, engine.Locators, engine.Expire:
		delete(h.rates.i1, u)
	}
}
