// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"shim6/daemon/wire"
)

// peerKey is CT(peer) of a context and one of the peer's locators. No two contexts that send
// can have the same peerKey: the peer could not tell their packets apart (RFC 5533, section
// 7.15).
type peerKey struct {
	tag     wire.ContextTag
	address [16]byte
}

// index enters a context that can send in byPeer. If another context is there already, the
// peer has lost that one; it is discarded, and must not be used to send (RFC 5533, sections
// 7.6 and 7.15).
func (e *Engine) index(c *context) {
	e.unindex(c)
	e.confusion(c)
	for i := range c.peer.locators {
		if c.peer.locators[i].Verified {
			e.byPeer[peerKey{c.tagPeer, c.peer.locators[i].Address.As16()}] = c
		}
	}
	c.indexed = true
}

// unindex takes a context out of byPeer. It must be called before tagPeer or peer.locators
// change.
func (e *Engine) unindex(c *context) {
	if !c.indexed {
		return
	}
	c.indexed = false
	for i := range c.peer.locators {
		k := peerKey{c.tagPeer, c.peer.locators[i].Address.As16()}
		if e.byPeer[k] == c {
			delete(e.byPeer, k)
		}
	}
}

// isHeld reports whether a locator is certainly the peer's: it is the peer's ULID, is in the
// peer's HBA set, has answered, or is trusted. A CGA signature is not enough. It only says
// that the owner of the key wants to be reached there, and can be made for any address.
func (e *Engine) isHeld(c *context, l *PeerLocator) bool {
	return l.Address == c.ulids.Peer || l.Probed || l.Method == wire.MethodHBA || e.trusted(l.Address) && e.trusted(c.ulids.Peer)
}

// confusion ensures that no other context has CT(peer) of c and a locator of c. If both peers
// hold the locator (isHeld), they are the same host, which has lost the other context: that
// one is discarded. Otherwise one of them only claims the locator, and loses it. Without
// that, an attacker who has seen the tag of a peer could get its contexts discarded, by a
// list with the peer's locators that is signed by any key.
func (e *Engine) confusion(c *context) {
	// Held locators come first: if the other context is discarded for one of them, c need
	// not lose those that it only claims.
	for _, held := range []bool{true, false} {
		for i := range c.peer.locators {
			l := &c.peer.locators[i]
			other := e.byPeer[peerKey{c.tagPeer, l.Address.As16()}]
			if !l.Verified || other == nil || other == c || e.isHeld(c, l) != held {
				continue
			}
			switch theirs := other.peerLocator(l.Address); {
			case !held:
				e.disbelieve(c, l)
			case !e.isHeld(other, theirs):
				delete(e.byPeer, peerKey{other.tagPeer, l.Address.As16()})
				e.disbelieve(other, theirs)
				// The kernel must not see both with it.
				e.sync(other)
			default:
				e.stats.Confusions++
				e.discard(other, Idle, "context confusion: the peer uses its tag for another context")
			}
		}
	}
}

// disbelieve forbids a locator for a context until the peer tells its locators again.
func (e *Engine) disbelieve(c *context, l *PeerLocator) {
	e.stats.Claimed++
	l.Verified = false
	c.kernel.changed |= FieldLocatorsPeer
	c.pending.unsaved, c.pending.established = true, true
	e.touch(c)
}
