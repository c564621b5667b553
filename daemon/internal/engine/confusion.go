// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"shim6/daemon/wire"
)

// peerKey is what the peer knows a context by, and one of its locators. No two
// contexts that send can have the same: the peer could not tell their packets
// apart (RFC 5533, section 7.15).
type peerKey struct {
	tag     wire.ContextTag
	address [16]byte
}

// index enters a context that can send by what the peer knows it by. Contexts of
// which the peer has thereby shown that it has lost them are discarded: they must
// not be used to send (RFC 5533, sections 7.6 and 7.15).
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

// unindex must be called before tagPeer or peers change.
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

// isHeld reports whether a locator is the peer's beyond what anybody could say: it is its
// ULID, is of its HBA set, has answered, or is trusted. A CGA signature says only that who
// has the key wants to be reached there, and it can be made for any address.
func (e *Engine) isHeld(c *context, l *PeerLocator) bool {
	return l.Address == c.ulids.Peer || l.Probed || l.Method == wire.MethodHBA || e.trusted(l.Address) && e.trusted(c.ulids.Peer)
}

// confusion sees to it that no other context has CT(peer) of c and a locator in common
// with it. If both peers hold the locator they are the same host, which has lost the other
// context, and that is discarded. Else one of them only claims it, and loses it: who has
// seen the tag of a peer could otherwise have its contexts discarded, by a list with the
// peer's locators that is signed by any key.
func (e *Engine) confusion(c *context) {
	// First those that are held, since what is claimed of a context that goes need not
	// be lost.
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

// disbelieve has a locator not used for a context, until the peer tells its locators anew.
func (e *Engine) disbelieve(c *context, l *PeerLocator) {
	e.stats.Claimed++
	l.Verified = false
	c.kernel.changed |= FieldLocatorsPeer
	c.pending.unsaved, c.pending.established = true, true
	e.touch(c)
}
