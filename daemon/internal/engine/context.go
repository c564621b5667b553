// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/wire"
)

// requestsKept is how many Request Nonces of the peer are remembered, so that nobody can
// replay an Update Request that was superseded.
const requestsKept = 16

// context is a ULID-pair context (RFC 5533, section 6.1). The Engine's goroutine alone
// reads and writes it.
type context struct {
	ulids      ULIDs
	prev, next *context
	state      State
	// tagLocal is CT(local). tagPeer is CT(peer), valid if hasTagPeer.
	tagLocal, tagPeer wire.ContextTag
	hasTagPeer        bool
	// current is Lp(local) and Lp(peer). inbound is the pair by which the peer sends.
	current, inbound Pair
	// sendTimeout is our Send Timeout in this context. It does not follow changes of the
	// configuration: the peer was told this value, and the kernel's Send Timer must agree
	// with what the peer was told. A Wish can make it shorter, which the peer is told then.
	sendTimeout time.Duration
	// wished: a Wish has changed sendTimeout, so the peer has to be told the default as well. standby
	// is that of the last Wish.
	wished, standby bool
	// wish is the Send Timeout that programs ask for, or 0.
	wish time.Duration
	// indexed: the context is in Engine.byPeer. gone: it was discarded, and is in no table.
	indexed, gone bool
	// errorNoted: an Error message of the peer has caused a Note. The end of an exchange
	// clears it.
	errorNoted bool
	// strange counts messages from addresses that are no locators of the peer.
	strange uint8

	exchange  exchange
	accepted  accepted
	announced announced
	peer      peerView
	liveness  liveness
	kernel    kernelView
	pending   pending
}

// exchange is the part of a context in I1-SENT, I2-SENT and I2BIS-SENT: the exchange that
// we have begun. Except pair, nothing here means anything in ESTABLISHED.
type exchange struct {
	// pair is the locator pair of the exchange. The answers come by it. It need not be the
	// current pair (RFC 5533, section 7.18, as section 7.5 needs it).
	pair Pair
	// spare is another one, after an exchange that has failed; I1s go by both in turn.
	spare Pair
	// nonce is the Initiator Nonce. The next three are from the R1 or R1bis; packetTag is
	// only in an R1bis.
	nonce, responderNonce uint32
	validator             []byte
	packetTag             wire.ContextTag
	// retries counts the retransmissions of the present message. rounds counts how often
	// I2 was given up for I1.
	retries, rounds uint8
	// taken: the peer behaves as if it has accepted our I2 or I2bis, but its R2 has not
	// arrived.
	taken bool
	// retransmit runs as long as the exchange. other runs while an I1 that was sent by one
	// encapsulation waits for its answer.
	retransmit, other timer
	// resendAt is the time from which payload may cause another I2 or I2bis.
	resendAt time.Duration
}

// accepted is the newest I2 or I2bis of the peer that was accepted, if known. An older
// one is a replay. An R2 or Update Request that was accepted counts as an I2 with an
// initiatorNonce of 0.
type accepted struct {
	known                          bool
	responderNonce, initiatorNonce uint32
	// unheard counts R2s since the peer has shown that it has the context, the first at unheardAt.
	unheard   uint8
	unheardAt time.Duration
	// shown: it has shown that, with the tag that it has now.
	shown bool
	// ignored: it seems to accept no R2.
	ignored bool
}

// announced is what the peer knows of us.
type announced struct {
	// set is Ls(local) as the peer was last told it, under the number generation.
	set        *localSet
	generation uint32
	// update is the Update Request that waits for its acknowledgement, nil if there is
	// none.
	update *update
	// queued: the context is in Engine.untold.
	queued bool
	// uncertain: the peer was told different locators of ours, and we do not know which
	// of them it has accepted.
	uncertain bool
	trust     trust
	// plain: the peer seems to have ignored a list with signed locators. It is told only of
	// those that need no signature.
	plain bool
	// offer is the last R2 that told the peer an unproved list.
	offer unprovedOffer
	// acked is the Request Nonce that was acknowledged last. Acknowledgements of other
	// nonces are of older requests; againAt is the time from which they may cause another
	// Update Request.
	acked   lastAcked
	againAt time.Duration
}

// trust is whether the peer trusts our prefixes, so that it believes a Locator List that
// nothing proves.
type trust uint8

const (
	// trustUnknown: the peer has shown neither. It is told of unproved locators.
	trustUnknown trust = iota
	// trustShown: the peer has itself told us unproved locators, or sent to an address
	// that it has from such a list.
	trustShown
	// trustRefused: the peer seems to have ignored an unproved list. It is told only what
	// can be proved.
	trustRefused
)

// unprovedOffer is an R2 with an unproved list.
type unprovedOffer struct {
	// nonce is the Initiator Nonce that the R2 answers.
	nonce uint32
	// at is when the first R2 with this nonce was sent; 0 if none was.
	at time.Duration
}

// lastAcked is a Request Nonce, if known.
type lastAcked struct {
	nonce uint32
	known bool
}

// peerView is what we know of the peer.
type peerView struct {
	// locators are Ls(peer). The first is the ULID.
	locators   []PeerLocator
	generation uint32
	// listed is the length of the peer's Locator List. Some of it may not be in locators.
	listed int
	// pds is the peer's CGA Parameters data structure, nil if it has sent none.
	pds []byte
	// requests are the Request Nonces of the last Update Requests, the newest last.
	requests []uint32
	// keepalive is the Keepalive Timeout: the peer's Send Timeout.
	keepalive time.Duration
}

// liveness is what we know of REAP in the kernel (RFC 5534).
type liveness struct {
	// stall is what TCP said last.
	stall Stall
	// setAt is when the kernel was last told which timer to start, if set.
	setAt time.Duration
	set   bool
	state ReapState
}

// kernelView is what the kernel has of the context.
type kernelView struct {
	// present: the kernel has it.
	present bool
	// changed are the fields of which the kernel has an old value. reapTimer is the timer
	// to start with the next ContextSet, 0 for none.
	changed   Fields
	reapTimer ReapTimer
}

// pending is what flush has yet to hand out.
type pending struct {
	// queued: the context is in Engine.pending.
	queued bool
	// unsaved: its Record has changed.
	unsaved bool
	// established and hint are calls of the Explorer that are due.
	established bool
	hint        hint
}

func ulidPeerLocator(u ULIDs) PeerLocator {
	return PeerLocator{Address: u.Peer, Verified: true, Probed: true, Index: -1}
}

// peerLocator is the peer's locator with an address, nil if there is none.
func (c *context) peerLocator(a netip.Addr) *PeerLocator {
	for i := range c.peer.locators {
		if c.peer.locators[i].Address == a {
			return &c.peer.locators[i]
		}
	}
	return nil
}

// isPeer reports whether a is in Ls(peer).
func (c *context) isPeer(a netip.Addr) bool {
	l := c.peerLocator(a)
	return l != nil && l.Verified
}

// isLocal reports whether a is in Ls(local), as the peer knows it or as an Update Request
// is telling it.
func (c *context) isLocal(a netip.Addr) bool {
	return slices.Contains(c.announced.set.addresses, a) ||
		c.announced.update != nil && slices.Contains(c.announced.update.set.addresses, a)
}

// usable reports whether messages may be sent by a pair: the peer's locator must be proved,
// and the peer must know ours (RFC 5533, section 7.2).
func (c *context) usable(p Pair) bool {
	l := c.peerLocator(p.Peer)
	return l != nil && l.Verified && !l.Dropped && slices.Contains(c.announced.set.addresses, p.Local)
}

func (c *context) ulidPair() Pair { return Pair{Local: c.ulids.Local, Peer: c.ulids.Peer} }

// kernelContext is c as the kernel should have it, with the locator lists only if they are
// among the fields.
func (c *context) kernelContext(f Fields) KernelContext {
	k := KernelContext{
		ULIDs:            c.ulids,
		TagLocal:         c.tagLocal,
		TagPeer:          c.tagPeer,
		HasTagPeer:       c.hasTagPeer,
		State:            c.state,
		Locator:          c.current,
		Inbound:          c.inbound,
		SendTimeout:      c.sendTimeout,
		KeepaliveTimeout: c.peer.keepalive,
		ReapState:        c.liveness.state,
		ReapTimer:        c.kernel.reapTimer,
	}
	if f&FieldLocatorsLocal != 0 {
		k.LocatorsLocal = c.announced.set.addresses
		if c.announced.update != nil {
			k.LocatorsLocal = c.announced.update.set.addresses
		}
	}
	if f&FieldLocatorsPeer != 0 {
		k.LocatorsPeer = make([]netip.Addr, 0, len(c.peer.locators))
		for i := range c.peer.locators {
			if c.peer.locators[i].Verified {
				k.LocatorsPeer = append(k.LocatorsPeer, c.peer.locators[i].Address)
			}
		}
	}
	return k
}

func (e *Engine) setState(c *context, to State, why string) {
	if c.state != to {
		e.emit(StateChange{ULIDs: c.ulids, From: c.state, To: to, Why: why})
		c.state = to
		c.kernel.changed |= FieldState
	}
	c.pending.unsaved = true
	e.touch(c)
}

// newContext makes a context and enters it in the tables. The caller has checked that there
// is room and that the local ULID is an address of ours.
func (e *Engine) newContext(u ULIDs, exclude wire.ContextTag) *context {
	c := &context{
		ulids:       u,
		tagLocal:    e.newTag(exclude),
		sendTimeout: e.config.SendTimeout,
		peer:        peerView{locators: []PeerLocator{ulidPeerLocator(u)}, keepalive: DefaultSendTimeout},
		liveness:    liveness{state: ReapOperational},
	}
	c.announced.set = e.localSet(u)
	c.announced.generation = c.announced.set.generation
	c.current, c.inbound, c.exchange.pair = c.ulidPair(), c.ulidPair(), c.ulidPair()
	e.insert(c)
	return c
}
