// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"container/list"
	"fmt"
	"time"

	"shim6/daemon/wire"
)

const (
	// maxValidator is the most octets of a peer's Responder Validator that are
	// kept and returned.
	maxValidator = 128
	// maxRounds is how often I2 may be given up for I1 before the context is
	// given up: a peer that answers every I1 and no I2 would keep us busy for
	// ever.
	maxRounds = 4
	// maxHolds is how many ULID pairs are remembered for which I1 is held
	// down. The oldest are forgotten first.
	maxHolds = 4096
	// leastPending is how many exchanges there may always be; traffic begins no
	// more than the share of MaxContexts that is kept for this host. Or else any
	// program could fill the tables, by sending to very many who don't answer.
	leastPending = 16
)

// hold keeps a ULID pair in E-FAILED or NO-SUPPORT (RFC 5533, section 7.8). It
// holds down our I1 alone: packets of the peer find no context, as in IDLE.
type hold struct {
	pair  Pair
	state State
	until time.Duration
	timer timer
	order *list.Element
}

// acquire begins a context for traffic, if nothing speaks against it.
func (e *Engine) acquire(ev Acquire) {
	u := ULIDs{Local: ev.Local, Peer: ev.Peer}
	switch {
	case e.byULIDs[u] != nil:
		// The kernel asks for what it should have.
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
		c.peers = append(c.peers, PeerLocator{Address: pair.Peer, Verified: true, Index: -1})
	}
	c.exchange = pair
	e.newNonce(c)
	e.setState(c, I1Sent, why)
	e.sendI1(c)
}

// fallBack gives up an I2 or I2bis for an I1 (RFC 5533, sections 7.12 and 7.19).
// Payload then goes by the ULIDs (section 11).
func (e *Engine) fallBack(c *context, why string) {
	e.unindex(c)
	c.hasTagPeer = false
	c.rounds++
	c.retries = 0
	// Of what was sent by now the peer may get some late.
	c.validator, c.uncertain, c.trusts = nil, true, false
	if c.current != c.ulidPair() {
		c.current = c.ulidPair()
		c.changed |= FieldLocator
	}
	if !e.canUse(c.exchange.Local) && e.canUse(c.ulids.Local) {
		c.exchange = c.ulidPair()
	}
	e.setState(c, I1Sent, why)
	e.sendI1(c)
}

// sendI1 sends an I1 and waits for an answer.
func (e *Engine) sendI1(c *context) {
	m := &wire.I1{InitiatorContextTag: c.tagLocal, InitiatorNonce: c.nonce}
	m.Options = appendNames(nil, c)
	e.await(c, I1Timeout)
	e.send(c, c.exchange, m)
}

func (e *Engine) await(c *context, timeout time.Duration) {
	e.timers.start(&c.retransmit, e.now+e.backoff(timeout, c.retries, noLimit))
}

// appendNames appends what names the context, as far as the addresses of the packet
// don't: the ULID Pair option if the ULIDs are not the locators, and the FII.
func appendNames(o wire.Options, c *context) wire.Options {
	if c.exchange != c.ulidPair() {
		o = append(o, &wire.ULIDPair{Sender: c.ulids.Local, Receiver: c.ulids.Peer})
	}
	if c.ulids.FII != 0 {
		o = append(o, &wire.ForkedInstanceIdentifier{FII: c.ulids.FII})
	}
	return o
}

// fireRetransmit is what happens when an I1, I2 or I2bis was not answered.
func fireRetransmit(e *Engine, t *timer) {
	c := t.c
	c.retries++
	switch c.state {
	case I1Sent:
		if c.retries > I1RetriesMax {
			e.holdDown(c, EFailed, NoR1HolddownTime, "no answer to I1")
			return
		}
		e.sendI1(c)
	case I2Sent:
		if c.retries > I2RetriesMax {
			if c.rounds >= maxRounds {
				e.holdDown(c, EFailed, NoR1HolddownTime, "the peer answers I1 but never I2")
				return
			}
			e.fallBack(c, "no answer to I2")
			return
		}
		if c.retries > losses {
			e.refusedRequest(c)
		}
		e.sendI2(c)
	case I2bisSent:
		if c.retries > I2bisRetriesMax {
			e.fallBack(c, "no answer to I2bis")
			return
		}
		if c.retries > losses {
			e.refusedRequest(c)
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
	c.responderNonce, c.validator = m.ResponderNonce, v.Validator
	c.retries, c.resendAt = 0, 0
	e.offer(c)
	e.setState(c, I2Sent, "R1")
	e.sendI2(c)
}

// offer takes our newest locators for the messages of an exchange, which all have
// the same: or else it would not be known which of them the peer has got.
func (e *Engine) offer(c *context) {
	s := e.setFor(c)
	e.dropUpdate(c)
	if c.local != s {
		// An R2 of ours, in answer to an I1, may have told others.
		c.uncertain = c.uncertain || !c.local.same(s)
		c.local = s
		c.changed |= FieldLocatorsLocal
	}
	c.localGeneration, c.taken = s.generation, false
}

// sendI2 sends an I2 by the pair of the I1, to which the validator is bound.
func (e *Engine) sendI2(c *context) {
	m := &wire.I2{InitiatorContextTag: c.tagLocal, InitiatorNonce: c.nonce, ResponderNonce: c.responderNonce}
	m.Options = append(m.Options, &wire.ResponderValidator{Validator: c.validator})
	m.Options = c.appendSet(appendNames(m.Options, c), c.local)
	e.await(c, I2Timeout)
	e.send(c, c.exchange, m)
}

// resend sends an I2 or I2bis before its time, because the peer seems to be
// ESTABLISHED; but at most one in the time of a first retransmission.
func (e *Engine) resend(c *context) {
	if c.state != I2Sent && c.state != I2bisSent || e.now < c.resendAt {
		return
	}
	c.resendAt, c.taken = e.now+I2Timeout, true
	at := c.retransmit.at
	if c.state == I2Sent {
		e.sendI2(c)
	} else {
		e.sendI2bis(c)
	}
	e.timers.start(&c.retransmit, at)
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
	if initial {
		e.firstPair(c, c.exchange)
	}
	// The peer's tag is now this. What an I2 of before says may be older.
	e.acceptedNow(c)
	e.established(c, "R2")
	e.settle(c, false)
}

// acceptedNow has an I2 or I2bis be too old that answers an R1 or R1bis from before.
func (e *Engine) acceptedNow(c *context) {
	c.acceptedNonce, c.acceptedInitiator, c.hasAccepted = e.validator.nonce(e.now), 0, true
}

// takePeer takes over what the peer has told in an I2, I2bis or R2: its tag and its
// locators, and that it is where it sends from, as the exchange has shown.
func (e *Engine) takePeer(c *context, tag wire.ContextTag, o offer, p packet) {
	e.unindex(c)
	if !c.hasTagPeer || c.tagPeer != tag {
		c.tagPeer, c.hasTagPeer = tag, true
		c.changed |= FieldTagPeer
	}
	e.setPeers(c, o.peers(c, p.source))
	c.peerGeneration, c.peerListed = o.generation, o.listed
	if l := c.peerLocator(p.source); l != nil && l.Verified {
		l.Probed = true
	}
	if o.pds != nil {
		c.peerPDS = o.pds
	}
	e.trustShown(c, p.destination)
	if c.keepalive != o.keepalive {
		c.keepalive = o.keepalive
		c.changed |= FieldKeepaliveTimeout
	}
}

// firstPair makes the pair of an exchange the current one. The exchange has shown
// that the peer is there.
func (e *Engine) firstPair(c *context, p Pair) {
	if p != c.ulidPair() && !c.usable(p) {
		p = c.ulidPair()
	}
	if c.current != p {
		c.current = p
		c.changed |= FieldLocator
	}
	if c.inbound != p {
		c.inbound = p
		c.changed |= FieldInbound
	}
}

// established is the end of an exchange.
func (e *Engine) established(c *context, why string) {
	e.timers.stop(&c.retransmit)
	e.dropNonce(c)
	c.validator, c.retries, c.rounds = nil, 0, 0
	c.errorNoted = false
	e.index(c)
	e.setState(c, Established, why)
	if h := e.holds[c.ulidPair()]; h != nil {
		e.release(h)
	}
	c.tellExplorer = true
}

// settle has the peer told of what has changed while the context was being made, or,
// if it may have got something else or again says so, of all.
func (e *Engine) settle(c *context, again bool) {
	if (again || c.uncertain) && c.state == Established {
		e.sendUpdate(c, e.setFor(c), true)
		return
	}
	e.refresh(c)
	e.tellPeers()
}

// holdDown gives a context up, and remembers for a time not to begin another (RFC
// 5533, section 7.8). It is per ULID pair: another pair of the same hosts may take
// another way. Of two that a pair has, of contexts with different FIIs, the longer one
// counts.
func (e *Engine) holdDown(c *context, s State, d time.Duration, why string) {
	e.discard(c, s, why)
	p := Pair{Local: c.ulids.Local, Peer: c.ulids.Peer}
	if h := e.holds[p]; h != nil {
		if h.until >= e.now+d {
			return
		}
		e.release(h)
	}
	if e.holdOrder.Len() >= maxHolds {
		e.release(e.holdOrder.Front().Value.(*hold))
	}
	h := &hold{pair: p, state: s, until: e.now + d}
	h.timer = timer{h: h, fire: func(e *Engine, t *timer) {
		e.emit(StateChange{ULIDs: ULIDs{Local: t.h.pair.Local, Peer: t.h.pair.Peer}, From: t.h.state, To: Idle, Why: "the hold-down is over"})
		e.release(t.h)
	}}
	h.order = e.holdOrder.PushBack(h)
	e.holds[p] = h
	e.timers.start(&h.timer, h.until)
}

func (e *Engine) release(h *hold) {
	e.timers.stop(&h.timer)
	e.holdOrder.Remove(h.order)
	delete(e.holds, h.pair)
}
