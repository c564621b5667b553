// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"net/netip"
	"slices"

	"shim6/daemon/wire"
)

// In a laboratory with trusted prefixes, a list of ours may have nothing that proves it. A
// peer that does not trust us ignores every message with such a list, so that there would be
// no context. We can't know that before. So we offer the list until an Error message says
// that it was not proved, or until messages stay unanswered for so long that loss alone is
// unlikely to be the reason.
//
// The same is done for a list that has signed locators beside those of the HBA set. LinShim6 fails on
// it, and drops messages with options that it does not know. So a peer that answers no I2 of an exchange
// is told of the HBA set alone, without preferences, in the next exchange. Earlier would be wrong: a peer
// that knows signatures may get the first I2 after the plainer one, and take it for newer.

// losses is how many I2s or R2s in a row we assume to be lost on the way to a peer that
// trusts us.
const losses = 1

// seeTrust notes whether the peer has shown that it trusts us by telling locators itself
// that nothing proves. trustShown stays if the peer tells fewer later.
func (c *context) seeTrust() {
	if c.peer.pds == nil && slices.ContainsFunc(c.peer.locators, func(l PeerLocator) bool {
		return l.Index >= 0 && l.Address != c.ulids.Peer
	}) {
		c.announced.trust = trustShown
	}
}

// forgetTrust is called when the peer has lost the context, or answers nothing: it may be
// another daemon than the one that has shown that it trusts us.
func (c *context) forgetTrust() {
	if c.announced.trust == trustShown {
		c.announced.trust = trustUnknown
	}
}

// mayDistrust reports whether the peer may ignore messages with the set s of ours because nothing
// proves it. A peer that has shown trust does not.
func (c *context) mayDistrust(s *localSet) bool {
	return s.unproved() && c.announced.trust != trustShown
}

// mayFailOn reports whether the peer may ignore messages with the set s of ours because it has signed
// locators. A peer that has told such a list itself does not.
func (c *context) mayFailOn(s *localSet) bool {
	return s.signature != nil && !c.announced.plain && !c.peer.signs()
}

// signs reports whether the peer has itself told locators by HBA and signed ones in one list.
func (v *peerView) signs() bool {
	has := func(m wire.VerificationMethod) bool {
		return slices.ContainsFunc(v.locators, func(l PeerLocator) bool { return l.Index >= 0 && l.Method == m })
	}
	return has(wire.MethodHBA) && has(wire.MethodCGA)
}

// refused notes that the peer seems to have ignored a message with the set s of ours. It
// returns whether there is something else to tell: the ULID alone, or the HBA set alone.
func (e *Engine) refused(c *context, s *localSet) bool {
	switch {
	case c.mayDistrust(s):
		c.announced.trust, c.pending.unsaved = trustRefused, true
		e.note(c, "the peer seems not to trust us: it is told of no locators that nothing proves")
	case c.mayFailOn(s):
		e.toldPlain(c)
	default:
		return false
	}
	e.dropUpdate(c)
	c.announced.set = e.setFor(c)
	c.announced.generation = c.announced.set.generation
	c.kernel.changed |= FieldLocatorsLocal
	e.touch(c)
	return true
}

// toldPlain notes that from now on the peer is told what needs no signature.
func (e *Engine) toldPlain(c *context) {
	c.announced.plain, c.pending.unsaved = true, true
	e.note(c, "the peer seems not to understand signed locators: it is told of those of the HBA set alone")
}

// unprovedIgnored is called for an I2 or I2bis that was not answered so often that loss alone is
// unlikely to be the reason.
func (e *Engine) unprovedIgnored(c *context) {
	if c.announced.set.unproved() {
		e.refusedRequest(c)
	}
}

// signedIgnored is called when no I2 of an exchange was answered, before the next exchange.
func (e *Engine) signedIgnored(c *context) {
	if !c.exchange.taken && !c.announced.set.unproved() {
		e.refused(c, c.announced.set)
	}
}

// refusedRequest is refused for an I2 or I2bis that was not answered. The next message gets
// another nonce, so that the R2 tells which of them the peer has accepted.
func (e *Engine) refusedRequest(c *context) bool {
	if c.exchange.taken || c.exchange.pair.Local != c.ulids.Local || !e.refused(c, c.announced.set) {
		return false
	}
	e.newNonce(c)
	return true
}

// refusedByError deals with an Error message which says that a locator was not proved (RFC
// 5533, section 5.14). It returns whether there is something else to tell, and sends that.
func (e *Engine) refusedByError(p packet, q quoted) bool {
	c := q.c
	switch {
	case q.t == wire.TypeI2 && q.current && e.refusedRequest(c):
		e.sendI2(c)
	case q.t == wire.TypeI2bis && q.current && e.refusedRequest(c):
		e.sendI2bis(c)
	case q.t == wire.TypeR2 && e.refused(c, c.announced.set):
		e.sendR2(c, p, c.announced.offer.nonce)
	case q.t == wire.TypeUpdateRequest && q.current && c.mayFailOn(c.announced.update.set):
		// It may know another list of ours, so this one is told.
		e.toldPlain(c)
		e.dropUpdate(c)
		e.sendUpdate(c, e.setFor(c), true)
	case q.t == wire.TypeUpdateRequest && q.current && !c.announced.set.beyondULID():
		// The peer has never accepted a list.
		e.refused(c, c.announced.update.set)
	default:
		return false
	}
	return true
}

// offerAgain is called before an R2 with the set s is sent, and returns the set to send. If
// the peer asks again with the same nonce after a while, it has ignored the last R2, or not
// got it.
func (e *Engine) offerAgain(c *context, s *localSet, nonce uint32) *localSet {
	switch {
	case !c.mayDistrust(s):
	case c.announced.offer.at == 0 || c.announced.offer.nonce != nonce:
		c.announced.offer.nonce, c.announced.offer.at = nonce, e.now
	case e.now-c.announced.offer.at >= losses*I2Timeout+I2Timeout/2 && e.refused(c, s):
		return c.announced.set
	}
	return s
}

// trustShown is called when the peer has told its locators, or has sent something to our
// address at; if that is not the ULID, the peer has it from our list. It returns whether a
// peer that was told our ULID alone trusts us after all, or one that was told our HBA set alone
// signs locators itself. The caller then calls refresh.
func (e *Engine) trustShown(c *context, at netip.Addr) bool {
	before := c.announced.trust
	c.seeTrust()
	if at != c.ulids.Local {
		c.announced.trust = trustShown
	}
	signs := c.announced.plain && c.peer.signs()
	if signs {
		c.announced.plain = false
	}
	if !signs && (before != trustRefused || c.announced.trust != trustShown) {
		return false
	}
	c.pending.unsaved = true
	e.touch(c)
	return true
}
