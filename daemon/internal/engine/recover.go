// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"net/netip"

	"shim6/daemon/wire"
)

// sendR1bis tells the sender of a packet that there is no context for its tag (RFC 5533,
// section 7.17). It makes no state. It is limited, because anybody can cause it.
func (e *Engine) sendR1bis(p packet, tag wire.ContextTag) {
	if !e.limits.r1bis.allow(e.now, p.source, e.known(p.source)) {
		e.stats.Limited++
		return
	}
	nonce := e.validator.nonce(e.now)
	v := e.validator.r1bis(e.now, 0, nonce, p, tag)
	e.transmit(ULIDs{}, p.pair(), &wire.R1bis{
		PacketContextTag: tag,
		ResponderNonce:   nonce,
		Options:          wire.Options{&wire.ResponderValidator{Validator: v}},
	})
}

// receivedR1bis begins to make a context again that the peer has lost (RFC 5533, section
// 7.18). An R1bis may come by any pair of the context's locators: when the current pair has
// failed, it comes by the pair that was probed (sections 7.5 and 12.4).
func (e *Engine) receivedR1bis(p packet, m *wire.R1bis) {
	c := e.byPeer[peerKey{m.PacketContextTag, p.source.As16()}]
	v := m.Options.ResponderValidator()
	if c == nil || c.state != Established || !c.isLocal(p.destination) || v == nil || len(v.Validator) > maxValidator {
		e.stats.Unmatched++
		return
	}
	c.exchange.responderNonce, c.exchange.validator, c.exchange.packetTag = m.ResponderNonce, v.Validator, m.PacketContextTag
	c.exchange.pair = p.pair()
	// It may be another daemon.
	c.forgetTrust()
	c.exchange.retries, c.exchange.resendAt = 0, 0
	e.newNonce(c)
	e.refreshOffer(c)
	e.setState(c, I2bisSent, "R1bis")
	e.sendI2bis(c)
}

// sendI2bis sends an I2bis by the pair of the R1bis, and waits for an answer.
func (e *Engine) sendI2bis(c *context) {
	m := &wire.I2bis{
		InitiatorContextTag: c.tagLocal,
		InitiatorNonce:      c.exchange.nonce,
		ResponderNonce:      c.exchange.responderNonce,
		PacketContextTag:    c.exchange.packetTag,
	}
	m.Options = append(m.Options, &wire.ResponderValidator{Validator: c.exchange.validator})
	m.Options = c.appendSet(appendNames(m.Options, c), c.announced.set)
	e.await(c, I2bisTimeout)
	e.send(c, e.way(c.exchange.pair, c.exchange.retries), m)
}

// receivedI2bis makes a context again, if the I2bis has a validator that we have made for it
// (RFC 5533, section 7.20).
func (e *Engine) receivedI2bis(p packet, m *wire.I2bis) {
	u, _ := ulidsOf(p, m.Options)
	age, recent := e.validator.recent(e.now, m.ResponderNonce)
	if !recent || !valid(m.Options.ResponderValidator(), e.validator.r1bis(e.now, age, m.ResponderNonce, p, m.PacketContextTag)) {
		e.stats.InvalidValidator++
		return
	}
	e.accept(p, m, m.Options, u, request{
		tag:            m.InitiatorContextTag,
		nonce:          m.InitiatorNonce,
		responderNonce: m.ResponderNonce,
		packetTag:      m.PacketContextTag,
		why:            "I2bis",
	})
}

// mayBe reports whether an I2 or I2bis may come from a locator. The locator must be proved
// to be the peer's, before or by the message (RFC 5533, sections 7.13 and 7.20). The RFC
// does not ask for that in IDLE. We do, so that nobody makes a context in the name of a
// ULID without being there.
func (e *Engine) mayBe(source, ulid netip.Addr, c *context, o offer) bool {
	if source == ulid || c != nil && c.isPeer(source) {
		return true
	}
	for i := range o.locators {
		if o.locators[i].Address == source {
			return true
		}
	}
	return e.trusted(source) && e.trusted(ulid)
}
