// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"fmt"
	"net/netip"
	"time"
)

// ULIDs names a context: its ULID pair and, if the context is forked, its FII (RFC 5533,
// section 7.7).
type ULIDs struct {
	Local, Peer netip.Addr
	FII         uint32 // 0 if the context is not forked
}

// Context is a ULID-pair context (RFC 5533, section 6.1), as the kernel has it.
type Context struct {
	ULIDs
	// TagLocal and TagPeer are the context tags, 47 bits. Both are nil if the caller has no
	// CAP_NET_ADMIN; TagPeer is nil also as long as the peer has named none.
	TagLocal, TagPeer *uint64
	State             ContextState
	// LocatorLocal and LocatorPeer are the current locator pair: Lp(local)
	// and Lp(peer).
	LocatorLocal, LocatorPeer netip.Addr
	// Encapsulation is how payload is carried on the current locator pair. It is
	// EncapsulationNative if the kernel is too old to tell.
	Encapsulation Encapsulation
	// LocatorsLocal and LocatorsPeer are Ls(local) and Ls(peer), without the ULIDs.
	LocatorsLocal, LocatorsPeer []netip.Addr
	// InboundLocatorLocal and InboundLocatorPeer are the pair by which the peer sends, as
	// the daemon has told the kernel.
	InboundLocatorLocal, InboundLocatorPeer netip.Addr
	// InboundEncapsulation is how payload is carried on that pair, as the daemon has told the
	// kernel. It is EncapsulationNative if the kernel is too old to tell.
	InboundEncapsulation          Encapsulation
	SendTimeout, KeepaliveTimeout time.Duration
	ReapState                     ReapState
	// LastSent is how long ago payload was last sent, LastHeard how long ago the peer was last
	// heard; nil if never.
	LastSent, LastHeard *time.Duration
	// SentOctets and HeardOctets count the payload since the context was made, as IPv6 packets
	// between the ULIDs without any header of Shim6, however they are carried, cut or merged. Both
	// are 0 if the kernel is too old to tell.
	SentOctets, HeardOctets uint64
	// Switches is how often the current locator pair has changed.
	Switches uint32
	// MTU is how many octets a packet of the ULP may have. It is 0 if packets go by the
	// ULID pair without a header.
	MTU uint32
	// Header is 1 if payload has the Payload Extension header even on the ULID pair,
	// because either host has re-homed the context (RFC 5533, section 11.1); otherwise 0.
	Header uint32
}

// ContextUpdate has the values to set. A nil field leaves the kernel's value; an empty list
// empties the kernel's. Durations are whole milliseconds.
type ContextUpdate struct {
	TagPeer                   *uint64
	State                     *ContextState
	LocatorLocal, LocatorPeer *netip.Addr
	// Encapsulation belongs to the pair: a request that names a locator of the
	// pair and no Encapsulation means EncapsulationNative. Older kernels
	// refuse a request that names it.
	Encapsulation                           *Encapsulation
	LocatorsLocal, LocatorsPeer             *[]netip.Addr
	InboundLocatorLocal, InboundLocatorPeer *netip.Addr
	// InboundEncapsulation is for that pair what Encapsulation is for the current one.
	InboundEncapsulation          *Encapsulation
	SendTimeout, KeepaliveTimeout *time.Duration
	ReapState                     *ReapState
	// ReapTimer is a timer to start again; it is not part of a Context.
	ReapTimer *ReapTimer
	Header    *uint32
}

// NewContext makes a context with a local tag of 47 bits. Its state is I1-SENT unless update
// has another; a later state needs TagPeer. If the ULID pair or the tag is taken, the error is
// an fs.ErrExist.
func (c *Client) NewContext(ulids ULIDs, tagLocal uint64, update ContextUpdate) error {
	return c.change(cmdContextNew, contextAttributes, func(e *encoder) {
		e.ulids(ulids)
		e.Uint64(attrContextTagLocal, tagLocal)
		e.contextUpdate(update)
	})
}

// SetContext sets the values of update: all of them or, on error, none. If there is no such
// context, the error is an fs.ErrNotExist.
func (c *Client) SetContext(ulids ULIDs, update ContextUpdate) error {
	return c.change(cmdContextSet, contextAttributes, func(e *encoder) {
		e.ulids(ulids)
		e.contextUpdate(update)
	})
}

// DeleteContext deletes a context. If there is no such context, the error is an
// fs.ErrNotExist.
func (c *Client) DeleteContext(ulids ULIDs) error {
	return c.change(cmdContextDel, contextAttributes, func(e *encoder) { e.ulids(ulids) })
}

// DeleteTagged is DeleteContext for a context that has this local tag as well. If the context
// of these ULIDs has another tag, or there is none, the error is an fs.ErrNotExist.
func (c *Client) DeleteTagged(ulids ULIDs, tagLocal uint64) error {
	return c.change(cmdContextDel, contextAttributes, func(e *encoder) {
		e.ulids(ulids)
		e.Uint64(attrContextTagLocal, tagLocal)
	})
}

// FlushContexts deletes all contexts of the namespace.
func (c *Client) FlushContexts() error {
	return c.change(cmdContextFlush, nil, func(*encoder) {})
}

// Context returns one context. If there is no such context, the error is an fs.ErrNotExist.
func (c *Client) Context(ulids ULIDs) (Context, error) {
	return get(c, "context-get", cmdContextGet, contextAttributes, func(e *encoder) { e.ulids(ulids) }, parseContext)
}

// Contexts returns all contexts of the namespace, oldest first. With ErrInterrupted there is a
// list, too: the contexts that were read.
func (c *Client) Contexts() ([]Context, error) { return c.ContextsWith(ContextFilter{}) }

// ContextFilter selects contexts by their values. A nil field fits every context.
type ContextFilter struct {
	Local, Peer *netip.Addr // the ULIDs
	State       *ContextState
	ReapState   *ReapState
	// ActiveWithin selects contexts in which payload was sent or heard so short a time ago, in
	// whole milliseconds.
	ActiveWithin *time.Duration
}

func (f ContextFilter) encode(e *encoder) {
	optional(attrContextUlidLocal, f.Local, e.addr)
	optional(attrContextUlidPeer, f.Peer, e.addr)
	enum(e, attrContextState, f.State)
	enum(e, attrContextReapState, f.ReapState)
	optional(attrContextActiveWithin, f.ActiveWithin, e.milliseconds)
}

// ContextsWith is Contexts for the contexts that the filter fits; the kernel selects them.
func (c *Client) ContextsWith(f ContextFilter) ([]Context, error) {
	return dump(c, cmdContextGet, contextAttributes, f.encode, parseContext)
}

func (e *encoder) ulids(u ULIDs) {
	e.addr(attrContextUlidLocal, u.Local)
	e.addr(attrContextUlidPeer, u.Peer)
	if u.FII != 0 {
		e.Uint32(attrContextFii, u.FII)
	}
}

func (e *encoder) contextUpdate(u ContextUpdate) {
	optional(attrContextTagPeer, u.TagPeer, e.Uint64)
	enum(e, attrContextState, u.State)
	optional(attrContextLocatorLocal, u.LocatorLocal, e.addr)
	optional(attrContextLocatorPeer, u.LocatorPeer, e.addr)
	enum(e, attrContextEncapsulation, u.Encapsulation)
	optional(attrContextLocatorsLocal, u.LocatorsLocal, e.locators)
	optional(attrContextLocatorsPeer, u.LocatorsPeer, e.locators)
	optional(attrContextInboundLocatorLocal, u.InboundLocatorLocal, e.addr)
	optional(attrContextInboundLocatorPeer, u.InboundLocatorPeer, e.addr)
	enum(e, attrContextInboundEncapsulation, u.InboundEncapsulation)
	optional(attrContextSendTimeout, u.SendTimeout, e.milliseconds)
	optional(attrContextKeepaliveTimeout, u.KeepaliveTimeout, e.milliseconds)
	enum(e, attrContextReapState, u.ReapState)
	enum(e, attrContextReapTimer, u.ReapTimer)
	optional(attrContextHeader, u.Header, e.Uint32)
}

// parseContext reads the attributes of a reply or a notification. It ignores those of a newer
// kernel.
func parseContext(b []byte) (Context, error) {
	c := Context{Encapsulation: EncapsulationNative, InboundEncapsulation: EncapsulationNative}
	err := decode(b, "context", func(d *decoder) {
		switch d.Type() {
		case attrContextUlidLocal:
			c.Local = d.addr()
		case attrContextUlidPeer:
			c.Peer = d.addr()
		case attrContextFii:
			c.FII = d.Uint32()
		case attrContextTagLocal:
			c.TagLocal = pointer(d.Uint64())
		case attrContextTagPeer:
			c.TagPeer = pointer(d.Uint64())
		case attrContextState:
			c.State = ContextState(d.Uint32())
		case attrContextLocatorLocal:
			c.LocatorLocal = d.addr()
		case attrContextLocatorPeer:
			c.LocatorPeer = d.addr()
		case attrContextEncapsulation:
			c.Encapsulation = Encapsulation(d.Uint32())
		case attrContextLocatorsLocal:
			c.LocatorsLocal = d.locators()
		case attrContextLocatorsPeer:
			c.LocatorsPeer = d.locators()
		case attrContextInboundLocatorLocal:
			c.InboundLocatorLocal = d.addr()
		case attrContextInboundLocatorPeer:
			c.InboundLocatorPeer = d.addr()
		case attrContextInboundEncapsulation:
			c.InboundEncapsulation = Encapsulation(d.Uint32())
		case attrContextSendTimeout:
			c.SendTimeout = d.milliseconds()
		case attrContextKeepaliveTimeout:
			c.KeepaliveTimeout = d.milliseconds()
		case attrContextReapState:
			c.ReapState = ReapState(d.Uint32())
		case attrContextLastSent:
			c.LastSent = pointer(d.milliseconds64())
		case attrContextLastHeard:
			c.LastHeard = pointer(d.milliseconds64())
		case attrContextSentOctets:
			c.SentOctets = d.Uint64()
		case attrContextHeardOctets:
			c.HeardOctets = d.Uint64()
		case attrContextSwitches:
			c.Switches = d.Uint32()
		case attrContextMtu:
			c.MTU = d.Uint32()
		case attrContextHeader:
			c.Header = d.Uint32()
		}
	})
	if err == nil && (!c.Local.IsValid() || !c.Peer.IsValid()) {
		err = fmt.Errorf("the kernel's context lacks its ULID pair")
	}
	return c, err
}
