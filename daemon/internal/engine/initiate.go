// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"fmt"

	"shim6/daemon/wire"
)

const (
	// maxValidator is the longest Responder Validator of a peer, in octets, that is kept
	// and returned.
	maxValidator = 128
	// maxRounds is how often I2 may be given up for I1 before the context is given up.
	// Otherwise a peer that answers every I1 and no I2 would keep us busy for ever.
	maxRounds = 4
	// leastPending is how many exchanges there may always be. Beyond that, traffic begins
	// no more exchanges than the share of MaxContexts that is kept for this host. Otherwise
	// any program could fill the tables by sending to very many addresses that don't answer.
	leastPending = 16
)

// acquire begins a context for traffic, unless a hold-down or a limit forbids it.
func (e *Engine) acquire(ev Acquire) {
	u := ULIDs{Local: ev.Local, Peer: ev.Peer}
	switch {
	case e.byULIDs[u] != nil:
		// The kernel asks for a context that it should have.
		e.resync()
	case e.holds[Pair{Local: ev.Local, Peer: ev.Peer}] != nil:
		e.stats.HeldDown++
	case checkULIDs(u) != nil || e.locals[u.Local] == nil:
		e.stats.NotOurs++
	case e.room(u, true) != nil || len(e.byNonce) >= max(e.config.MaxContexts/ownShare, leastPending):
		e.stats.Full++
	default:
		e.begin(u, Pair{Local: u.Local, Peer: u.Peer}, "traffic wants a context")
	}
}

func (e *Engine) open(ev Open) error {
	u := ev.ULIDs
	if err := checkULIDs(u); err != nil {
		return err
	}
	if c := e.byULIDs[u]; c != nil {
		return fmt.Errorf("there is a context between these ULIDs with this FII, in %v: close it first, or take another FII", c.state)
	}
	if e.locals[u.Local] == nil {
		return errLocalULID
	}
	pair := Pair{Local: u.Local, Peer: u.Peer}
	if ev.Pair != (Pair{}) {
		pair = ev.Pair
		if e.locals[pair.Local] == nil || !isULID(pair.Peer) {
			return fmt.Errorf("a locator pair of %v and %v can't be used: the local one must be an address of this host, the peer's a unicast IPv6 address", pair.Local, pair.Peer)
		}
		if pair.Peer != u.Peer && !(e.trusted(pair.Peer) && e.trusted(u.Peer)) {
			return fmt.Errorf("%v is not known to be a locator of %v: leave the pair out, or trust a prefix of both in the configuration", pair.Peer, u.Peer)
		}
	}
	if h := e.holds[Pair{Local: u.Local, Peer: u.Peer}]; h != nil {
		if !ev.Force {
			return fmt.Errorf("in %v, no I1 is sent for another %v: wait, or force it", h.state, h.until-e.now)
		}
		e.release(h)
	}
	if err := e.room(u, true); err != nil {
		return err
	}
	e.begin(u, pair, "by command")
	return nil
}

// begin makes a context and sends an I1 (RFC 5533, section 7.7).
func (e *Engine) begin(u ULIDs, pair Pair, why string) {
	c := e.newContext(u, noTag)
	if pair.Peer != u.Peer {
		c.peer.locators = append(c.peer.locators, PeerLocator{Address: pair.Peer, Verified: true, Index: -1})
	}
	c.exchange.pair = pair
	e.newNonce(c)
	e.setState(c, I1Sent, why)
	e.sendI1(c)
}

// fallBack gives up an I2 or I2bis for an I1 (RFC 5533, sections 7.12 and 7.19).
// Payload then goes by the ULIDs (section 11).
func (e *Engine) fallBack(c *context, why string) {
	e.unindex(c)
	c.hasTagPeer = false
	c.exchange.rounds++
	c.exchange.retries = 0
	// Messages already sent may still arrive.
	c.exchange.validator, c.announced.uncertain = nil, true
	c.forgetTrust()
	// The pair of the exchange may be the one that fails, and an R1bis says little: a router that
	// changes our address has the peer send one. So the next pair is that of payload, or the ULIDs.
	c.exchange.spare = c.exchange.pair
	if !c.current.SamePath(c.exchange.pair) {
		c.exchange.pair = c.current
	} else if !c.current.SamePath(c.ulidPair()) {
		c.exchange.spare = c.ulidPair()
	}
	if !c.current.SamePath(c.ulidPair()) {
		c.current = c.ulidPair()
		c.kernel.changed |= FieldLocator
	}
	if !e.canUse(c.exchange.pair.Local) && e.canUse(c.ulids.Local) {
		c.exchange.pair = c.ulidPair()
	}
	e.setState(c, I1Sent, why)
	e.sendI1(c)
}

// sendI1 sends an I1 and waits for an answer. If that does not come soon, another encapsulation
// is tried as well.
func (e *Engine) sendI1(c *context) {
	first, _, both := e.Encapsulations(c.exchange.pair)
	c.exchange.pair = c.exchange.pair.By(first)
	e.await(c, I1Timeout)
	if both {
		e.timers.start(&c.exchange.other, e.now+OtherTimeout)
	}
	e.sendI1By(c, first)
}

func (e *Engine) sendI1By(c *context, how Encapsulation) {
	m := &wire.I1{InitiatorContextTag: c.tagLocal, InitiatorNonce: c.exchange.nonce}
	m.Options = appendNames(nil, c)
	e.send(c, c.exchange.pair.By(how), m)
}

// fireOther is called when an I1 was not answered soon. Both go on to be sent until one is
// answered.
func fireOther(e *Engine, t *timer) {
	if c := t.c; c.state == I1Sent {
		e.sendI1By(c, c.exchange.pair.Other().Encapsulation)
	}
}

// fireRetransmit is called when an I1, I2 or I2bis was not answered in time.
func fireRetransmit(e *Engine, t *timer) {
	c := t.c
	c.exchange.retries++
	switch c.state {
	case I1Sent:
		if c.exchange.retries > I1RetriesMax {
			e.holdDown(c, EFailed, NoR1HolddownTime, "no answer to I1")
			return
		}
		if x := &c.exchange; x.spare != (Pair{}) && e.canUse(x.spare.Local) {
			x.pair, x.spare = x.spare, x.pair
		}
		e.sendI1(c)
	case I2Sent:
		if c.exchange.retries > I2RetriesMax {
			if c.exchange.rounds >= maxRounds {
				e.holdDown(c, EFailed, NoR1HolddownTime, "the peer answers I1 but never I2")
				return
			}
			e.signedIgnored(c)
			if c.exchange.rounds > 0 && e.Obstacle(c.ulids) == NoObstacle {
				e.hinder(c.ulids, ProofIgnored)
			}
			e.fallBack(c, "no answer to I2")
			return
		}
		if c.exchange.retries > losses {
			e.unprovedIgnored(c)
		}
		e.sendI2(c)
	case I2bisSent:
		if c.exchange.retries > I2bisRetriesMax {
			e.fallBack(c, "no answer to I2bis")
			return
		}
		if c.exchange.retries > losses {
			e.unprovedIgnored(c)
		}
		e.sendI2bis(c)
	}
}

// receivedR1 answers an R1 with an I2 (RFC 5533, section 7.11).
func (e *Engine) receivedR1(p packet, m *wire.R1) {
	c := e.exchangeOf(p, m.InitiatorNonce)
	v := m.Options.ResponderValidator()
	if c == nil || c.state != I1Sent || v == nil || len(v.Validator) > maxValidator {
		e.stats.Unmatched++
		return
	}
	c.exchange.responderNonce, c.exchange.validator = m.ResponderNonce, v.Validator
	// The answer has shown what passes.
	c.exchange.pair = p.pair()
	e.timers.stop(&c.exchange.other)
	c.exchange.retries, c.exchange.resendAt = 0, 0
	e.refreshOffer(c)
	e.setState(c, I2Sent, "R1")
	e.sendI2(c)
}

// sendI2 sends an I2 by the pair of the I1: the validator is bound to its addresses.
func (e *Engine) sendI2(c *context) {
	m := &wire.I2{InitiatorContextTag: c.tagLocal, InitiatorNonce: c.exchange.nonce, ResponderNonce: c.exchange.responderNonce}
	m.Options = append(m.Options, &wire.ResponderValidator{Validator: c.exchange.validator})
	m.Options = c.appendSet(appendNames(m.Options, c), c.announced.set)
	e.await(c, I2Timeout)
	e.send(c, e.way(c.exchange.pair, c.exchange.retries), m)
}

// resend sends an I2 or I2bis before its time, because the peer seems to be ESTABLISHED. It
// sends at most one in I2Timeout.
func (e *Engine) resend(c *context) {
	if c.state != I2Sent && c.state != I2bisSent || e.now < c.exchange.resendAt {
		return
	}
	c.exchange.resendAt, c.exchange.taken = e.now+I2Timeout, true
	at := c.exchange.retransmit.at
	if c.state == I2Sent {
		e.sendI2(c)
	} else {
		e.sendI2bis(c)
	}
	e.timers.start(&c.exchange.retransmit, at)
}

// receivedR2 ends an exchange of ours (RFC 5533, section 7.16).
func (e *Engine) receivedR2(p packet, m *wire.R2) {
	c := e.exchangeOf(p, m.InitiatorNonce)
	if c == nil {
		e.stats.Unmatched++
		return
	}
	o, ok := e.offered(p, m, m.Options, c.ulids.Peer, c)
	if !ok {
		return
	}
	initial := c.state != I2bisSent
	e.takePeer(c, m.ResponderContextTag, o, p)
	e.proved(p.source)
	c.exchange.pair = p.pair()
	e.Learn(c.exchange.pair)
	if initial {
		e.firstPair(c, c.exchange.pair)
	}
	// This is the peer's tag now. An I2 from before may say an older one.
	e.acceptedNow(c)
	accepted := c.state != I1Sent
	e.established(c, "R2")
	if accepted {
		// An R2 that answers an I1 says nothing of our proof, which that does not have.
		e.heard(c)
	}
	e.settle(c, false)
}
