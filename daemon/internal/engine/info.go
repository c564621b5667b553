// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/wire"
)

// Info is a copy of a context, for the caller to look at. Its slices must not be changed.
type Info struct {
	ULIDs
	State State
	// TagLocal and TagPeer are secrets. TagPeer is valid in ESTABLISHED and I2BIS-SENT.
	TagLocal, TagPeer wire.ContextTag
	// Current is the locator pair by which payload is sent, and Inbound the pair by which
	// the peer sends.
	Current, Inbound Pair
	// LocalLocators are our locators as the peer was last told them. Those of an Update
	// Request count once it is acknowledged. The first is the ULID.
	LocalLocators []netip.Addr
	// LocalGeneration and PeerGeneration are those of the locator lists.
	LocalGeneration, PeerGeneration uint32
	// PeerLocators are Ls(peer). The first is the ULID.
	PeerLocators []PeerLocator
	// Updating: an Update Request waits for its acknowledgement.
	Updating bool
	// KeepaliveTimeout is the peer's Send Timeout.
	KeepaliveTimeout time.Duration
	Reap             ReapState
}

// Context returns a context. In E-FAILED and NO-SUPPORT the Info has only names and state. It
// returns false if there is no context.
func (e *Engine) Context(u ULIDs) (Info, bool) {
	if c := e.byULIDs[u]; c != nil {
		return c.info(), true
	}
	if s := e.State(u); s != Idle {
		return Info{ULIDs: u, State: s}, true
	}
	return Info{}, false
}

// State is the state of a context, Idle if there is none.
func (e *Engine) State(u ULIDs) State {
	if c := e.byULIDs[u]; c != nil {
		return c.state
	}
	if h := e.holds[Pair{Local: u.Local, Peer: u.Peer}]; h != nil && h.until > e.now {
		return h.state
	}
	return Idle
}

// Contexts are all contexts, the oldest first, without ULID pairs in E-FAILED and NO-SUPPORT.
// The Engine must get no event meanwhile.
func (e *Engine) Contexts() iter.Seq[Info] {
	return func(yield func(Info) bool) {
		for c := e.first; c != nil; c = c.next {
			if !yield(c.info()) {
				return
			}
		}
	}
}

// Names are the ULIDs of all contexts, in the order of Contexts. The Engine must get no event
// meanwhile.
func (e *Engine) Names() iter.Seq[ULIDs] {
	return func(yield func(ULIDs) bool) {
		for c := e.first; c != nil; c = c.next {
			if !yield(c.ulids) {
				return
			}
		}
	}
}

func (c *context) info() Info {
	return Info{
		ULIDs:            c.ulids,
		State:            c.state,
		TagLocal:         c.tagLocal,
		TagPeer:          c.tagPeer,
		Current:          c.current,
		Inbound:          c.inbound,
		LocalLocators:    c.announced.set.addresses,
		LocalGeneration:  c.announced.generation,
		PeerGeneration:   c.peer.generation,
		PeerLocators:     slices.Clone(c.peer.locators),
		Updating:         c.announced.update != nil && c.announced.update.sent,
		KeepaliveTimeout: c.peer.keepalive,
		Reap:             c.liveness.state,
	}
}

// Size says how much an Engine holds.
type Size struct {
	Contexts int
	// HoldDowns are ULID pairs in E-FAILED or NO-SUPPORT.
	HoldDowns int
	Timers    int
	// Entries is the sum over all tables by which contexts are found and counted.
	Entries int
}

// Size returns how much e holds. Everything is 0 if there are no contexts and hold-downs,
// except Timers, of which one may be for local addresses.
func (e *Engine) Size() Size {
	return Size{
		Contexts:  len(e.byULIDs),
		HoldDowns: len(e.holds),
		Timers:    len(e.timers.heap),
		Entries: len(e.byULIDs) + len(e.byTag) + len(e.byNonce) + len(e.byPeer) +
			len(e.perPeer) + len(e.perPrefix),
	}
}

// LocalULIDs are the local ULIDs of all contexts. The call takes some nanoseconds for each.
func (e *Engine) LocalULIDs() map[netip.Addr]bool {
	used := map[netip.Addr]bool{}
	for c := e.first; c != nil; c = c.next {
		used[c.ulids.Local] = true
	}
	return used
}
