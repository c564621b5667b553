// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/wire"
)

// requestsKept is how many Request Nonces of the peer are remembered, so that an
// Update Request that was superseded can't be played again.
const requestsKept = 16

// context is a ULID-pair context (RFC 5533, section 6.1).
type context struct {
	ulids      ULIDs
	prev, next *context
	state      State
	// tagLocal is CT(local), tagPeer CT(peer), which means something if
	// hasTagPeer.
	tagLocal, tagPeer wire.ContextTag
	hasTagPeer        bool
	// current is Lp(local) and Lp(peer), inbound the pair by which the peer
	// sends, and exchange the one of the exchange that makes the context:
	// its answers come by it, which need not be the current one (RFC 5533,
	// section 7.18, as 7.5 needs it).
	current, inbound, exchange Pair

	// Of the exchange: retries counts retransmissions, rounds how often
	// I2 was given up for I1.
	nonce, responderNonce uint32
	validator             []byte
	packetTag             wire.ContextTag
	retries, rounds       uint8
	retransmit            timer
	// resendAt is from when payload may cause another I2 or I2bis.
	resendAt time.Duration
	// uncertain: the exchange has told the peer different locators of ours,
	// and which it has taken is not known.
	uncertain bool
	// errorNoted: an Error message of the peer's has been noted.
	errorNoted bool
	// acceptedNonce is the Responder Nonce of the newest I2 or I2bis that
	// was accepted, if hasAccepted. An older one is a replay.
	acceptedNonce, acceptedInitiator uint32
	hasAccepted                      bool

	// local is Ls(local) as told to the peer, and localGeneration the number
	// under which it was.
	local           *localSet
	localGeneration uint32
	update          *update
	// alone: the peer does not trust us, as it seems, and is told of no locators that
	// nothing proves. offered is the Initiator Nonce of an exchange in which an R2
	// told it of some, at offeredAt.
	// taken: it has taken an I2 or I2bis of ours, whose R2 has not come. trusts: it has
	// shown that it trusts us.
	alone, taken, trusts bool
	offered              uint32
	offeredAt            time.Duration
	// acked is the Request Nonce that was acknowledged last, if hasAcked.
	// Acknowledgements of others are of older requests, and againAt is from
	// when they may cause another one.
	acked    uint32
	hasAcked bool
	againAt  time.Duration

	// peers is Ls(peer), the ULID first.
	peers          []PeerLocator
	peerGeneration uint32
	// peerListed is how many locators the peer's list has, of which some may
	// not be in peers.
	peerListed int
	peerPDS    []byte
	requests   []uint32
	keepalive  time.Duration

	// sendTimeout is ours of this context. It stays as it is when the one of the
	// configuration changes: the peer was told this one, and must be told what the
	// kernel's Send Timer does.
	sendTimeout time.Duration

	// stall is what TCP has said last.
	stall     Stall
	reap      ReapState
	reapTimer ReapTimer
	// reapSet is when the kernel was last told which of its timers to start, and
	// reapSetOnce that it was.
	reapSet     time.Duration
	reapSetOnce bool

	// changed is what the kernel doesn't know.
	changed                               Fields
	inKernel, unsaved, dirty, gone, stale bool
	// What the Explorer is to be told.
	tellExplorer bool
	hint         hint
	// indexed: it is in byPeer.
	indexed bool
}

func ulidPeerLocator(u ULIDs) PeerLocator {
	return PeerLocator{Address: u.Peer, Verified: true, Probed: true, Index: -1}
}

// peerLocator is the peer's locator of an address, nil if there is none.
func (c *context) peerLocator(a netip.Addr) *PeerLocator {
	for i := range c.peers {
		if c.peers[i].Address == a {
			return &c.peers[i]
		}
	}
	return nil
}

// isPeer reports whether a is in Ls(peer).
func (c *context) isPeer(a netip.Addr) bool {
	l := c.peerLocator(a)
	return l != nil && l.Verified
}

// isLocal reports whether a is in Ls(local), as the peer knows it or as it is
// being told.
func (c *context) isLocal(a netip.Addr) bool {
	return slices.Contains(c.local.addresses, a) ||
		c.update != nil && slices.Contains(c.update.set.addresses, a)
}

// usable reports whether messages may be sent by a pair: the peer's locator must be
// its own, and the peer must know ours (RFC 5533, section 7.2).
func (c *context) usable(p Pair) bool {
	l := c.peerLocator(p.Peer)
	return l != nil && l.Verified && !l.Dropped && slices.Contains(c.local.addresses, p.Local)
}

func (c *context) ulidPair() Pair { return Pair{c.ulids.Local, c.ulids.Peer} }

// kernel is c as the kernel is to have it, with the lists only if they are among
// the fields.
func (c *context) kernel(f Fields) KernelContext {
	k := KernelContext{
		ULIDs:            c.ulids,
		TagLocal:         c.tagLocal,
		TagPeer:          c.tagPeer,
		HasTagPeer:       c.hasTagPeer,
		State:            c.state,
		Locator:          c.current,
		Inbound:          c.inbound,
		SendTimeout:      c.sendTimeout,
		KeepaliveTimeout: c.keepalive,
		ReapState:        c.reap,
		ReapTimer:        c.reapTimer,
	}
	if f&FieldLocatorsLocal != 0 {
		k.LocatorsLocal = c.local.addresses
		if c.update != nil {
			k.LocatorsLocal = c.update.set.addresses
		}
	}
	if f&FieldLocatorsPeer != 0 {
		k.LocatorsPeer = make([]netip.Addr, 0, len(c.peers))
		for i := range c.peers {
			if c.peers[i].Verified {
				k.LocatorsPeer = append(k.LocatorsPeer, c.peers[i].Address)
			}
		}
	}
	return k
}

func (e *Engine) setState(c *context, to State, why string) {
	if c.state != to {
		e.emit(StateChange{ULIDs: c.ulids, From: c.state, To: to, Why: why})
		c.state = to
		c.changed |= FieldState
	}
	c.unsaved = true
	e.touch(c)
}

// newContext makes a context and enters it in the tables. The caller has seen to it
// that there is room and that the local ULID is an address of ours.
func (e *Engine) newContext(u ULIDs, exclude wire.ContextTag) *context {
	c := &context{
		ulids:       u,
		tagLocal:    e.newTag(exclude),
		local:       e.localSet(u),
		peers:       []PeerLocator{ulidPeerLocator(u)},
		keepalive:   DefaultSendTimeout,
		reap:        ReapOperational,
		sendTimeout: e.config.SendTimeout,
	}
	c.localGeneration = c.local.generation
	c.current, c.inbound, c.exchange = c.ulidPair(), c.ulidPair(), c.ulidPair()
	e.insert(c)
	return c
}
