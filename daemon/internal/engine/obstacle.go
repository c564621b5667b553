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
		return "the peer's proof is of another address than its ULID, as where a router changes addresses (NPTv6, NAT66)"
	case ProofIgnored:
		return "the peer does not accept our proof, as where a router changes our addresses (NPTv6, NAT66), or long messages are lost"
	}
	return "nothing is known to be in the way"
}

const (
	// maxUnheard is how many R2s to one context, without anything that shows that the peer has got
	// one, can be lost, in unheardTime. The peer asks for three in one exchange.
	maxUnheard  = 4
	unheardTime = 10 * time.Second
	// maxRepeats is how often an Update Request is then repeated before users are told.
	maxRepeats = 2
	// maxStrange is after how many messages of the peer from an address that is not its locator
	// that is noted. A peer whose addresses have just changed sends fewer.
	maxStrange = 3
	// maxObstacles is how many ULID pairs are remembered, for obstacleTime.
	maxObstacles = 4096
	obstacleTime = time.Hour
	// strangerPause is between obstacles of peers without a context.
	strangerPause = 5 * time.Second
)

// obstacles are those of ULID pairs. They outlive contexts and hold-downs, so that users are told
// once an hour.
type obstacles map[Pair]known

type known struct {
	Obstacle
	until time.Duration
}

// put remembers an obstacle, and reports whether it is news. If there is no room, it is not told either.
func (t obstacles) put(p Pair, o Obstacle, now time.Duration) bool {
	if k, ok := t[p]; ok && k.until > now && k.Obstacle == o {
		return false
	}
	if len(t) >= maxObstacles {
		maps.DeleteFunc(t, func(_ Pair, k known) bool { return k.until <= now })
	}
	if len(t) >= maxObstacles {
		return false
	}
	t[p] = known{o, now + obstacleTime}
	return true
}

// Obstacle returns what is known to be in the way between two ULIDs.
func (e *Engine) Obstacle(u ULIDs) Obstacle {
	if k, ok := e.obstacles[Pair{Local: u.Local, Peer: u.Peer}]; ok && k.until > e.now {
		return k.Obstacle
	}
	return NoObstacle
}

// ofAnother reports whether a proof is a good one of another address.
func ofAnother(err error) bool {
	return errors.Is(err, cga.ErrSubnetPrefix) || errors.Is(err, cga.ErrNotMember) || errors.Is(err, cga.ErrHash1)
}

// hinder remembers an obstacle between two ULIDs, and tells of it if it is news.
func (e *Engine) hinder(u ULIDs, o Obstacle) {
	if e.obstacles.put(Pair{Local: u.Local, Peer: u.Peer}, o, e.now) {
		e.emit(Note{ULIDs: u, Text: o.String()})
	}
}

// translated is called when a peer has shown that it is at its ULID, and its proof is of another
// address. Later messages will be no better. The first changes nothing else (RFC 5533, sections 7.13
// and 7.16), and the peer gets as many requests for its R2 as it takes to learn of it (see unheard). c
// is nil if there is no context.
func (e *Engine) translated(local, ulid netip.Addr, c *context) {
	if c != nil && c.state.Sends() {
		// This is about another host behind the same address.
		return
	}
	if c == nil {
		// Anybody who can receive at many addresses could fill the log.
		if e.now < e.strangerAt {
			return
		}
		e.strangerAt = e.now + strangerPause
	}
	e.hinder(ULIDs{Local: local, Peer: ulid}, PeerTranslated)
	if c != nil && c.exchange.rounds > 0 {
		e.holdDown(c, EFailed, ICMPHolddownTime, "the peer's proof is of another address")
	}
}

// hindered reports whether messages of the peer are to be ignored, because its proof is never accepted. An
// answer would have it move its payload to another pair, where that has other ULIDs than the session.
func (e *Engine) hindered(c *context) bool {
	return !c.state.Sends() && e.Obstacle(c.ulids) == PeerTranslated
}

// unheard counts an R2. If nothing has shown that the peer accepts them, it is asked: a peer that has the
// context acknowledges an Update Request. The requests may be ones that somebody repeats.
func (e *Engine) unheard(c *context) {
	a := &c.accepted
	if a.unheard == 0 {
		a.unheardAt = e.now
	}
	a.unheard = min(a.unheard+1, maxUnheard)
	if e.suspects(c) && c.announced.update == nil {
		e.sendUpdate(c, e.setFor(c), true)
	}
}

// suspects reports whether R2s have gone unheard for long.
func (e *Engine) suspects(c *context) bool {
	return !c.accepted.shown && c.accepted.unheard == maxUnheard && e.now-c.accepted.unheardAt >= unheardTime
}

// unacknowledged is called when an Update Request was repeated so often. The context then keeps its pair
// (see Session.may) until the peer is heard; the request is repeated for ever. While the context
// explores, a lost request says nothing.
func (e *Engine) unacknowledged(c *context, retries uint8) {
	if retries >= maxRepeats && e.suspects(c) && c.liveness.state == ReapOperational {
		c.accepted.ignored = true
		e.hinder(c.ulids, ProofIgnored)
	}
}

// heard is called when a message has shown that the peer has the context.
func (e *Engine) heard(c *context) {
	c.accepted.unheard, c.accepted.shown, c.accepted.ignored = 0, true, false
	delete(e.obstacles, c.ulidPair())
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
