// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"time"

	"shim6/daemon/wire"
)

// This file gives the tests in package engine_test what they need and the Engine does not
// export. They can't be in package engine, because they use package enginetest, which imports
// engine.

// Constants of the Engine that tests go up to.
const (
	Losses       = losses
	MaxHolds     = maxHolds
	MaxValidator = maxValidator
	NonceAge     = nonceAge
	NoTag        = noTag
	TellAtOnce   = tellAtOnce
	TellPause    = tellPause
)

// Context is a context, with the methods of this file.
type Context = context

// NoExplorer is the Explorer of an Engine that has none.
type NoExplorer = noExplorer

// Find is a context, nil if there is none.
func (e *Engine) Find(u ULIDs) *Context { return e.byULIDs[u] }

// PeerKeys is how many entries the table has by which contexts are found by CT(peer).
func (e *Engine) PeerKeys() int { return len(e.byPeer) }

// Has reports whether an address is one of the host's.
func (e *Engine) Has(a netip.Addr) bool { return e.locals[a] != nil }

// Known reports whether the host at an address is no stranger.
func (e *Engine) Known(a netip.Addr) bool { return e.known(a) }

// NewTag draws a tag that no context has, and that isn't exclude.
func (e *Engine) NewTag(exclude wire.ContextTag) wire.ContextTag { return e.newTag(exclude) }

// IsULID reports whether an address may be a ULID or a locator.
func IsULID(a netip.Addr) bool { return isULID(a) }

// SetRandom replaces the source of random numbers.
func (e *Engine) SetRandom(s rand.Source) { e.random.Source = s }

// ResponderNonce is the Responder Nonce that the Engine gives now.
func (e *Engine) ResponderNonce(now time.Duration) uint32 { return e.validator.nonce(now) }

// SetResponderNonce makes the Engine continue from another Responder Nonce.
func (e *Engine) SetResponderNonce(now time.Duration, nonce uint32) {
	e.validator.base += nonce - e.validator.nonce(now)
}

// R1Validator is the Responder Validator that the Engine gives now to an I1 that came by pair.
func (e *Engine) R1Validator(now time.Duration, nonce uint32, pair Pair, tag wire.ContextTag, u ULIDs) []byte {
	return e.validator.r1(now, 0, nonce, packet{source: pair.Peer, destination: pair.Local}, tag, u)
}

// R1bisValidator is the Responder Validator that the Engine gives now to a packet with a tag
// that came by pair.
func (e *Engine) R1bisValidator(now time.Duration, nonce uint32, pair Pair, tag wire.ContextTag) []byte {
	return e.validator.r1bis(now, 0, nonce, packet{source: pair.Peer, destination: pair.Local}, tag)
}

// Told are the locators that peers are told for a local ULID, List is the list of them for the
// peer of a context, PDS is its proof, and ListOptions are both as options.
func (e *Engine) Told(ulid netip.Addr) []netip.Addr { return e.locals[ulid].set.addresses }
func (e *Engine) List(u ULIDs) *wire.LocatorList    { return e.localSet(u).list }
func (e *Engine) PDS(u ULIDs) []byte                { return e.localSet(u).pds }
func (e *Engine) ListOptions(u ULIDs) wire.Options  { return appendList(nil, e.localSet(u)) }

// The knowledge of a context: its names and state, and what it knows of the peer and the peer of us.
func (c *context) TagLocal() wire.ContextTag             { return c.tagLocal }
func (c *context) TagPeer() wire.ContextTag              { return c.tagPeer }
func (c *context) HasTagPeer() bool                      { return c.hasTagPeer }
func (c *context) State() State                          { return c.state }
func (c *context) TrustRefused() bool                    { return c.announced.trust == trustRefused }
func (c *context) ToldPlain() bool                       { return c.announced.plain }
func (c *context) Told() []netip.Addr                    { return c.announced.set.addresses }
func (c *context) LocalGeneration() uint32               { return c.announced.generation }
func (c *context) IsPeer(a netip.Addr) bool              { return c.isPeer(a) }
func (c *context) PeerLocator(a netip.Addr) *PeerLocator { return c.peerLocator(a) }

// Updating reports whether there is an Update Request, and whether its timer runs.
func (c *context) Updating() (there, runs bool) {
	u := c.announced.update
	return u != nil, u != nil && u.timer.running()
}

// MissGeneration makes the context lose the generation of the peer's list.
func (c *context) MissGeneration() { c.peer.generation++ }

// The exchange of a context: its pair, nonces and validator, and the timer that retransmits.
func (c *context) ExchangePair() Pair           { return c.exchange.pair }
func (c *context) InitiatorNonce() uint32       { return c.exchange.nonce }
func (c *context) ResponderNonce() uint32       { return c.exchange.responderNonce }
func (c *context) Validator() []byte            { return c.exchange.validator }
func (c *context) Retries() int                 { return int(c.exchange.retries) }
func (c *context) Retransmits() bool            { return c.exchange.retransmit.running() }
func (c *context) RetransmitAt() time.Duration  { return c.exchange.retransmit.at }
func (c *context) SetRetries(n int)             { c.exchange.retries = uint8(n) }
func (c *context) SetResendAt(at time.Duration) { c.exchange.resendAt = at }

// RestartRetransmit draws the pause before the first retransmission again.
func (e *Engine) RestartRetransmit(c *Context, timeout time.Duration) {
	e.timers.stop(&c.exchange.retransmit)
	e.await(c, timeout)
}

// Inconsistent says what does not fit in the Engine's tables and timers, in the kernel or in the
// Records; "" if nothing. lax leaves out the kernel and the Records.
func (e *Engine) Inconsistent(kernel []KernelContext, records map[ULIDs]Record, lax bool) string {
	there := make(map[ULIDs]*KernelContext, len(kernel))
	for i := range kernel {
		there[kernel[i].ULIDs] = &kernel[i]
	}
	contexts, nonces, peers := 0, 0, 0
	for c := e.first; c != nil; c = c.next {
		contexts++
		exchange := c.state == I1Sent || c.state == I2Sent || c.state == I2bisSent
		if exchange {
			nonces++
		}
		text := e.inconsistent(c, exchange)
		for _, l := range c.peer.locators {
			if !c.state.Sends() || !l.Verified {
				continue
			}
			peers++
			if e.byPeer[peerKey{c.tagPeer, l.Address.As16()}] != c {
				text = fmt.Sprintf("not found by CT(peer) and %v", l.Address)
			}
		}
		if k := there[c.ulids]; !lax && text == "" {
			if k == nil || k.TagLocal != c.tagLocal || c.differs(k) != 0 || k.Inbound != c.inbound {
				text = fmt.Sprintf("the kernel has %+v", k)
			} else if r := records[c.ulids]; !reflect.DeepEqual(*c.record(), r) {
				text = fmt.Sprintf("the Record is %+v, not %+v", r, *c.record())
			}
		}
		if text != "" {
			return fmt.Sprintf("%v in %v: %s", c.ulids, c.state, text)
		}
	}
	if len(e.byULIDs) != contexts || len(e.byTag) != contexts || len(e.byNonce) != nonces || len(e.byPeer) != peers {
		return fmt.Sprintf("the tables have %d, %d, %d and %d entries, and should %d, %d, %d, %d",
			len(e.byULIDs), len(e.byTag), len(e.byNonce), len(e.byPeer), contexts, contexts, nonces, peers)
	}
	if !lax && len(kernel) != contexts {
		return fmt.Sprintf("the kernel has %d contexts of %d", len(kernel), contexts)
	}
	return ""
}

// inconsistent is Inconsistent for a context by itself.
func (e *Engine) inconsistent(c *context, exchange bool) string {
	switch {
	case c.pending.queued || c.kernel.changed != 0 || c.pending.unsaved || !c.kernel.present || c.gone:
		return fmt.Sprintf("not told to the kernel or the Records: %+v, %+v", c.pending, c.kernel)
	case e.byULIDs[c.ulids] != c || e.byTag[c.tagLocal] != c || exchange && e.byNonce[c.exchange.nonce] != c:
		return "not in the tables"
	case exchange != c.exchange.retransmit.running() || c.announced.update != nil && !c.announced.update.timer.running():
		return fmt.Sprintf("timers: %v, %+v", c.exchange.retransmit.running(), c.announced.update)
	case c.peer.locators[0].Address != c.ulids.Peer:
		return fmt.Sprintf("Ls(peer) is %+v", c.peer.locators)
	}
	if l := c.peerLocator(c.current.Peer); l == nil || c.state.Sends() && !l.Probed {
		return fmt.Sprintf("the current pair is %v, and Ls(peer) %+v", c.current, c.peer.locators)
	}
	return ""
}

// Carriers is how many pairs of networks are remembered.
func (e *Engine) Carriers() int { return len(e.carriers.by) }
