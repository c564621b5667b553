// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"shim6/daemon/wire"
)

// receivedI1 answers an I1 (RFC 5533, section 7.9). It makes no state, and changes none but a count of
// R2s (see unheard), because an I1 proves nothing about its sender.
//
// An R2 tells our tag, so it goes only to a locator of the peer. An I1 from elsewhere is
// answered by R1, also in the states in which the RFC answers every I1 by R2. The owner of
// that locator will prove it in the I2.
func (e *Engine) receivedI1(p packet, m *wire.I1) {
	u, _ := ulidsOf(p, m.Options)
	if !e.ours(u) {
		return
	}
	c := e.byULIDs[u]
	switch {
	case c == nil || !c.isPeer(p.source):
		e.sendR1(p, m, u)
	case c.state == Established && c.tagPeer != m.InitiatorContextTag:
		e.sendR1(p, m, u)
	case !e.limits.r1.allow(e.now, p.source, e.known(p.source)):
		// Otherwise anybody could make us send R2s, which are long, to the peer.
		e.stats.Limited++
	default:
		e.sendR2(c, p, m.InitiatorNonce)
	}
}

// sendR1 sends an R1. It uses nothing but what the I1 says (RFC 5533, section 7.10).
func (e *Engine) sendR1(p packet, m *wire.I1, u ULIDs) {
	if !e.limits.r1.allow(e.now, p.source, e.known(p.source)) {
		e.stats.Limited++
		return
	}
	nonce := e.validator.nonce(e.now)
	v := e.validator.r1(e.now, 0, nonce, p, m.InitiatorContextTag, u)
	e.transmit(ULIDs{}, p.pair(), &wire.R1{
		InitiatorNonce: m.InitiatorNonce,
		ResponderNonce: nonce,
		Options:        wire.Options{&wire.ResponderValidator{Validator: v}},
	})
}

// sendR2 answers an I1, I2 or I2bis of the context's peer, by the message's pair (RFC 5533,
// section 7.14). No timer repeats an R2.
func (e *Engine) sendR2(c *context, p packet, nonce uint32) {
	if c.announced.set.incomplete {
		// The list that the peer knew before a restart can't be proved again. The peer
		// does not say whether it accepts the new one from this R2.
		c.announced.set, c.announced.uncertain = e.setFor(c), true
		c.kernel.changed |= FieldLocatorsLocal
		c.pending.unsaved = true
	}
	s := c.announced.set
	if c.announced.update == nil {
		c.pending.unsaved = c.pending.unsaved || c.announced.generation != s.generation
		c.announced.generation = s.generation
	} else if !c.announced.update.set.incomplete {
		// If the peer accepts a list from this R2, that must be the newest one: it may
		// have got the Update Request before, and would not take it a second time.
		s = c.announced.update.set
	}
	s = e.offerAgain(c, s, nonce)
	m := &wire.R2{ResponderContextTag: c.tagLocal, InitiatorNonce: nonce}
	m.Options = c.appendSet(nil, s)
	e.send(c, p.pair(), m)
	if c.state == Established {
		e.unheard(c)
	}
	if c.announced.uncertain {
		e.settle(c, false)
	}
}

// receivedI2 makes or renews a context, if the I2 has a validator that we have made for it
// (RFC 5533, section 7.13). It checks that before it does any other work.
func (e *Engine) receivedI2(p packet, m *wire.I2) {
	u, _ := ulidsOf(p, m.Options)
	age, recent := e.validator.recent(e.now, m.ResponderNonce)
	if !recent || !valid(m.Options.ResponderValidator(), e.validator.r1(e.now, age, m.ResponderNonce, p, m.InitiatorContextTag, u)) {
		e.stats.InvalidValidator++
		return
	}
	e.accept(p, m, m.Options, u, request{
		tag:            m.InitiatorContextTag,
		nonce:          m.InitiatorNonce,
		responderNonce: m.ResponderNonce,
		packetTag:      noTag,
		why:            "I2",
	})
}

// request is what an I2 and an I2bis have in common.
type request struct {
	tag                   wire.ContextTag
	nonce, responderNonce uint32
	packetTag             wire.ContextTag
	why                   string
}

// seenExchange deals with an I2 or I2bis that c has accepted before, or that is older than
// one which it has accepted. It returns false if there is neither.
func (e *Engine) seenExchange(c *context, p packet, r request) bool {
	if !c.accepted.known {
		return false
	}
	age := int32(c.accepted.responderNonce - r.responderNonce)
	switch {
	case c.state.Sends() && c.tagPeer == r.tag && c.isPeer(p.source) && (age > 0 || age == 0 && c.accepted.initiatorNonce == r.nonce):
		// It is the accepted one, whose R2 was lost. Or it is late, and by now an R2 or
		// Update Request may have said something else.
		e.sendR2(c, p, r.nonce)
		return true
	case age > 0:
		// The Responder Nonce counts up, so a newer message has overtaken this one. If it
		// is a replay, it would make us use a tag that the peer has given up.
		e.stats.Replayed++
		return true
	}
	return false
}

// accept deals with an I2 or I2bis whose validator is good (RFC 5533, sections 7.13 and
// 7.20).
func (e *Engine) accept(p packet, m wire.Message, options wire.Options, u ULIDs, r request) {
	if !e.ours(u) {
		return
	}
	c := e.byULIDs[u]
	if c == nil && e.room(u, false) != nil {
		e.stats.Full++
		return
	}
	if c != nil && e.seenExchange(c, p, r) {
		return
	}
	o, ok := e.offered(p, m, options, u.Peer, c)
	if !ok {
		return
	}
	if !e.mayBe(p.source, u.Peer, c, o) {
		e.stats.Unverified++
		return
	}
	e.proved(p.source)
	e.Learn(p.pair())
	if c == nil {
		c = e.newContext(u, r.packetTag)
	}
	c.accepted.responderNonce, c.accepted.initiatorNonce, c.accepted.known = r.responderNonce, r.nonce, true
	e.takePeer(c, r.tag, o, p)
	if o.pds != nil && e.Obstacle(u) == PeerTranslated {
		delete(e.obstacles, c.ulidPair())
	}
	switch c.state {
	case Idle, I1Sent:
		e.firstPair(c, p.pair())
		e.established(c, r.why)
	case Established, I2bisSent:
		e.index(c)
		if c.state == Established {
			c.pending.established = true
		}
	case I2Sent:
		e.confusion(c)
	}
	e.sendR2(c, p, r.nonce)
	if e.Obstacle(u) == ProofIgnored && c.state == Established && c.announced.update == nil {
		e.sendUpdate(c, e.setFor(c), true)
	}
	e.settle(c, false)
}
