// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"errors"
	"maps"
	"net/netip"
	"time"

	"shim6/daemon/cga"
)

// A router that changes addresses (NPTv6, RFC 6296; NAT66) gives a session other ULIDs at its two ends:
// a proof is of the address that its sender has, and the receiver knows another one. Shim6 can't
// protect such a session, and leaves it as it is. The two ends learn that in different ways. The one
// that sees the changed address gets a proof of another one. The other end sees only that its I2s or
// R2s get no answer.

// Obstacle is why there is no context with a peer that has Shim6, or none that is of use.
type Obstacle uint8

const (
	// NoObstacle is known.
	NoObstacle Obstacle = iota
	// PeerTranslated: the peer's proof is of another address than its ULID.
	PeerTranslated
	// ProofIgnored: the peer answers our I1, but accepts no I2 or R2 with our proof.
	ProofIgnored
)

// String is a clause for users.
func (o Obstacle) String() string {
	switch o {
	case PeerTranslated:
		return "the peer's proof is of another address than its ULID: a router changes the peer's addresses (NPTv6, NAT66)"
	case ProofIgnored:
		return "the peer does not accept our proof: a router changes our addresses (NPTv6, NAT66), or drops long messages"
	}
	return "nothing is known to be in the way"
}

const (
	// maxUnheard is how many R2s to one context, without anything that shows that the peer has got
	// one, can be lost. The peer asks for three in one exchange.
	maxUnheard = 4
	// maxStrange is after how many messages of the peer from an address that is not its locator
	// that is noted. A peer whose addresses have just changed sends fewer.
	maxStrange = 3
	// maxStrangers is how many ULID pairs are remembered without a context.
	maxStrangers = 256
)

// Obstacle returns what is known to be in the way of a context.
func (e *Engine) Obstacle(u ULIDs) Obstacle {
	if c := e.byULIDs[u]; c != nil {
		return c.obstacle
	}
	if h := e.holds[Pair{Local: u.Local, Peer: u.Peer}]; h != nil && h.until > e.now {
		return h.obstacle
	}
	if until, ok := e.strangers[Pair{Local: u.Local, Peer: u.Peer}]; ok && until > e.now {
		return PeerTranslated
	}
	return NoObstacle
}

// strangers are ULID pairs whose peer has a proof of another address, and until when that is
// remembered.
type strangers map[Pair]time.Duration

// put remembers a pair, and reports whether there was room: it is for what users are told alone.
func (s strangers) put(p Pair, now time.Duration) bool {
	if len(s) >= maxStrangers {
		maps.DeleteFunc(s, func(_ Pair, until time.Duration) bool { return until <= now })
	}
	if len(s) >= maxStrangers {
		return false
	}
	s[p] = now + ICMPHolddownTime
	return true
}

// ofAnother reports whether a proof is a good one of another address.
func ofAnother(err error) bool {
	return errors.Is(err, cga.ErrSubnetPrefix) || errors.Is(err, cga.ErrNotMember) || errors.Is(err, cga.ErrHash1)
}

// translated is called when a peer has shown that it is at its ULID, and its proof is of another
// address. Later messages will be no better. c is nil if there is no context. Then this is only
// remembered, since the message must change nothing else (RFC 5533, section 7.13).
func (e *Engine) translated(local, ulid netip.Addr, c *context) {
	switch {
	case c == nil:
		if p := (Pair{Local: local, Peer: ulid}); e.Obstacle(ULIDs{Local: local, Peer: ulid}) == NoObstacle && e.strangers.put(p, e.now) {
			e.emit(Note{ULIDs: ULIDs{Local: local, Peer: ulid}, Text: PeerTranslated.String()})
		}
	case c.state.Sends():
		// This is about another host behind the same address.
	case c.exchange.rounds > 0:
		e.holdDown(c, EFailed, ICMPHolddownTime, PeerTranslated.String(), PeerTranslated)
	default:
		e.hinder(c, PeerTranslated)
	}
}

// hinder notes an obstacle.
func (e *Engine) hinder(c *context, o Obstacle) {
	if c.obstacle != o {
		c.obstacle = o
		e.note(c, o.String())
	}
}

// unheard counts an R2. If nothing shows that the peer accepts them, it does not.
func (e *Engine) unheard(c *context) {
	if c.accepted.unheard = min(c.accepted.unheard+1, maxUnheard); c.accepted.unheard == maxUnheard {
		e.hinder(c, ProofIgnored)
	}
}

// heard is called when a message has shown that the peer has the context.
func (c *context) heard() {
	c.accepted.unheard = 0
	if c.obstacle == ProofIgnored {
		c.obstacle = NoObstacle
	}
}

// strange counts messages with our tag from an address that is no locator of the peer.
func (e *Engine) strange(c *context, p packet) {
	if c.strange < maxStrange {
		if c.strange++; c.strange == maxStrange {
			e.note(c, "messages of the peer come from "+p.source.String()+", which is no locator of it: "+
				"if a router changes the peer's addresses (NPTv6, NAT66), that path can't be used")
		}
	}
}
