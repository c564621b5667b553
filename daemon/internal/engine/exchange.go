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

// exchangeOf is the context whose exchange an R1 or R2 belongs to: by the nonce,
// and the locator pair on which the answer was to come (RFC 5533, section 12.4).
func (e *Engine) exchangeOf(p packet, nonce uint32) *context {
	c := e.byNonce[nonce]
	if c == nil || c.exchange.pair != p.pair() {
		return nil
	}
	return c
}

func (e *Engine) await(c *context, timeout time.Duration) {
	e.timers.start(&c.exchange.retransmit, e.now+e.backoff(timeout, c.exchange.retries, noLimit))
}

// appendNames appends what names the context, as far as the addresses of the packet
// don't: the ULID Pair option if the ULIDs are not the locators, and the FII.
func appendNames(o wire.Options, c *context) wire.Options {
	if c.exchange.pair != c.ulidPair() {
		o = append(o, &wire.ULIDPair{Sender: c.ulids.Local, Receiver: c.ulids.Peer})
	}
	if c.ulids.FII != 0 {
		o = append(o, &wire.ForkedInstanceIdentifier{FII: c.ulids.FII})
	}
	return o
}

// offer takes our newest locators for the messages of an exchange, which all have
// the same: or else it would not be known which of them the peer has got.
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

// acceptedNow has an I2 or I2bis be too old that answers an R1 or R1bis from before.
func (e *Engine) acceptedNow(c *context) {
	c.accepted.responderNonce, c.accepted.initiatorNonce, c.accepted.known = e.validator.nonce(e.now), 0, true
}

// takePeer takes over what the peer has told in an I2, I2bis or R2: its tag and its
// locators, and that it is where it sends from, as the exchange has shown.
func (e *Engine) takePeer(c *context, tag wire.ContextTag, o offer, p packet) {
	e.unindex(c)
	if !c.hasTagPeer || c.tagPeer != tag {
		c.tagPeer, c.hasTagPeer = tag, true
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
	if p != c.ulidPair() && !c.usable(p) {
		p = c.ulidPair()
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

// established is the end of an exchange.
func (e *Engine) established(c *context, why string) {
	e.timers.stop(&c.exchange.retransmit)
	e.dropNonce(c)
	c.exchange.validator, c.exchange.retries, c.exchange.rounds = nil, 0, 0
	c.errorNoted = false
	e.index(c)
	e.setState(c, Established, why)
	if h := e.holds[c.ulidPair()]; h != nil {
		e.release(h)
	}
	c.pending.established = true
}

// settle has the peer told of what has changed while the context was being made, or,
// if it may have got something else or again says so, of all.
func (e *Engine) settle(c *context, again bool) {
	if (again || c.announced.uncertain) && c.state == Established {
		e.sendUpdate(c, e.setFor(c), true)
		return
	}
	e.refresh(c)
	e.tellPeers()
}
