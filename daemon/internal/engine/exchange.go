// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"time"

	"shim6/daemon/wire"
)

// newNonce gives c an Initiator Nonce that no other exchange has.
func (e *Engine) newNonce(c *context) {
	e.dropNonce(c)
	for {
		n := e.random.nonce()
		if _, taken := e.byNonce[n]; !taken {
			c.exchange.nonce = n
			e.byNonce[n] = c
			return
		}
	}
}

func (e *Engine) dropNonce(c *context) {
	if e.byNonce[c.exchange.nonce] == c {
		delete(e.byNonce, c.exchange.nonce)
	}
}

// exchangeOf finds the context whose exchange an R1 or R2 belongs to, by its Initiator Nonce
// and by the addresses between which the answer must come (RFC 5533, section 12.4). It is nil
// if there is none.
func (e *Engine) exchangeOf(p packet, nonce uint32) *context {
	c := e.byNonce[nonce]
	if c == nil || !c.exchange.pair.SamePath(p.pair()) {
		return nil
	}
	return c
}

// await starts the timer that retransmits a message which waits for an answer.
func (e *Engine) await(c *context, timeout time.Duration) {
	e.timers.start(&c.exchange.retransmit, e.now+e.backoff(timeout, c.exchange.retries, noLimit))
}

// appendNames appends the names of the context that the addresses of the packet don't say:
// the ULID Pair option if the ULIDs are not the locators, and the FII if it is not 0.
func appendNames(o wire.Options, c *context) wire.Options {
	if !c.exchange.pair.SamePath(c.ulidPair()) {
		o = append(o, &wire.ULIDPair{Sender: c.ulids.Local, Receiver: c.ulids.Peer})
	}
	if c.ulids.FII != 0 {
		o = append(o, &wire.ForkedInstanceIdentifier{FII: c.ulids.FII})
	}
	return o
}

// refreshOffer takes our newest locators for the messages of an exchange. All messages of an
// exchange tell the same locators. Otherwise we would not know which of them the peer has.
func (e *Engine) refreshOffer(c *context) {
	s := e.setFor(c)
	e.dropUpdate(c)
	if c.announced.set != s {
		// An R2 of ours, in answer to an I1, may have told others.
		c.announced.uncertain = c.announced.uncertain || !c.announced.set.same(s)
		c.announced.set = s
		c.kernel.changed |= FieldLocatorsLocal
	}
	c.announced.generation, c.exchange.taken = s.generation, false
}

// acceptedNow makes every I2 or I2bis too old that answers an R1 or R1bis from before now.
func (e *Engine) acceptedNow(c *context) {
	c.accepted.responderNonce, c.accepted.initiatorNonce, c.accepted.known = e.validator.nonce(e.now), 0, true
}

// takePeer takes over what the peer has told in an I2, I2bis or R2: its tag and its
// locators. The exchange has shown that the peer is at the packet's source.
func (e *Engine) takePeer(c *context, tag wire.ContextTag, o offer, p packet) {
	e.unindex(c)
	if !c.hasTagPeer || c.tagPeer != tag {
		c.tagPeer, c.hasTagPeer = tag, true
		c.accepted.unheard, c.accepted.shown, c.accepted.ignored = 0, false, false
		c.kernel.changed |= FieldTagPeer
	}
	e.setPeers(c, o.peers(c, p.source))
	c.peer.generation, c.peer.listed = o.generation, o.listed
	if l := c.peerLocator(p.source); l != nil && l.Verified {
		l.Probed = true
	}
	if o.pds != nil {
		c.peer.pds = o.pds
	}
	e.trustShown(c, p.destination)
	c.setKeepalive(o.keepalive)
}

// setKeepalive notes the Keepalive Timeout: the Send Timeout that the peer has told.
func (c *context) setKeepalive(timeout time.Duration) {
	if c.peer.keepalive != timeout {
		c.peer.keepalive = timeout
		c.kernel.changed |= FieldKeepaliveTimeout
	}
}

// firstPair makes the pair of an exchange the current one. The exchange has shown
// that the peer is there.
func (e *Engine) firstPair(c *context, p Pair) {
	if !p.SamePath(c.ulidPair()) && !c.usable(p) {
		p = c.ulidPair().By(p.Encapsulation)
	}
	if c.current != p {
		c.current = p
		c.kernel.changed |= FieldLocator
	}
	if c.inbound != p {
		c.inbound = p
		c.kernel.changed |= FieldInbound
	}
}

// established ends an exchange.
func (e *Engine) established(c *context, why string) {
	e.timers.stop(&c.exchange.retransmit)
	e.timers.stop(&c.exchange.other)
	e.dropNonce(c)
	c.exchange.validator, c.exchange.retries, c.exchange.rounds, c.exchange.spare = nil, 0, 0, Pair{}
	c.errorNoted = false
	e.index(c)
	e.setState(c, Established, why)
	if h := e.holds[c.ulidPair()]; h != nil {
		e.release(h)
	}
	c.pending.established = true
}

// settle tells the peer what has changed while the context was being made. If again is set, or
// if the peer may have got something else, it tells the whole list.
func (e *Engine) settle(c *context, again bool) {
	if (again || c.announced.uncertain) && c.state == Established {
		e.sendUpdate(c, e.setFor(c), true)
		return
	}
	e.refresh(c)
	e.tellPeers()
}
