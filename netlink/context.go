// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
)

// ULIDs names a context: its ULID pair and, for a forked one, its FII (RFC
// 5533, section 7.7).
type ULIDs struct {
	Local, Peer netip.Addr
	FII         uint32
}

// Context is a ULID-pair context (RFC 5533, section 6.1), as the kernel has
// it.
type Context struct {
	ULIDs
	// TagLocal and TagPeer are the context tags, 47 bits. They are nil for
	// who has no CAP_NET_ADMIN; TagPeer also while the peer has named none.
	TagLocal, TagPeer *uint64
	State             ContextState
	// LocatorLocal and LocatorPeer are the current locator pair: Lp(local)
	// and Lp(peer).
	LocatorLocal, LocatorPeer netip.Addr
	// Encapsulation is how payload is carried on the current locator pair. It is
	// EncapsulationNative if the kernel is too old to tell.
	Encapsulation Encapsulation
	// LocatorsLocal and LocatorsPeer are Ls(local) and Ls(peer), without
	// the ULIDs.
	LocatorsLocal, LocatorsPeer []netip.Addr
	// InboundLocatorLocal and InboundLocatorPeer are the pair by which the
	// peer sends.
	InboundLocatorLocal, InboundLocatorPeer netip.Addr
	SendTimeout, KeepaliveTimeout           time.Duration
	ReapState                               ReapState
	// LastSent and LastHeard are how long ago payload was; nil if never.
	LastSent, LastHeard *time.Duration
	// Switches is how often the current locator pair has changed.
	Switches uint32
	// MTU is what the ULP may send at a time, 0 on the ULID pair without a
	// header.
	MTU uint32
	// Header is 1 if payload bears the Payload Extension header on the ULID
	// pair as well, because either host has re-homed the context (RFC 5533,
	// section 11.1).
	Header uint32
}

// ContextUpdate names the values to set. A nil field is left alone.
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
	SendTimeout, KeepaliveTimeout           *time.Duration
	ReapState                               *ReapState
	// ReapTimer starts this timer anew; it is not part of a Context.
	ReapTimer *ReapTimer
	Header    *uint32
}

// NewContext makes a context with a local tag of 47 bits. Without more it is
// in I1-SENT; in a later state it needs TagPeer. A ULID pair or a tag that is
// taken is an fs.ErrExist.
func (c *Client) NewContext(ulids ULIDs, tagLocal uint64, update ContextUpdate) error {
	return c.change(cmdContextNew, contextAttributes, func(e *encoder) {
		e.ulids(ulids)
		e.Uint64(attrContextTagLocal, tagLocal)
		e.contextUpdate(update)
	})
}

// SetContext changes what update names of a context, all of it or, on error,
// nothing. A context that is not there is an fs.ErrNotExist.
func (c *Client) SetContext(ulids ULIDs, update ContextUpdate) error {
	return c.change(cmdContextSet, contextAttributes, func(e *encoder) {
		e.ulids(ulids)
		e.contextUpdate(update)
	})
}

// DeleteContext deletes a context. One that is not there is an
// fs.ErrNotExist.
func (c *Client) DeleteContext(ulids ULIDs) error {
	return c.change(cmdContextDel, contextAttributes, func(e *encoder) { e.ulids(ulids) })
}

// FlushContexts deletes all contexts of the namespace.
func (c *Client) FlushContexts() error {
	return c.change(cmdContextFlush, nil, func(*encoder) {})
}

// Context returns one context. One that is not there is an fs.ErrNotExist.
func (c *Client) Context(ulids ULIDs) (Context, error) {
	e := newEncoder(contextAttributes)
	e.ulids(ulids)
	attributes, err := e.encode()
	if err != nil {
		return Context{}, err
	}
	replies, err := c.execute(cmdContextGet, 0, attributes, contextAttributes)
	if err != nil {
		return Context{}, err
	}
	if len(replies) != 1 {
		return Context{}, fmt.Errorf("the kernel sent %d replies to context-get, not one", len(replies))
	}
	return parseContext(replies[0].Data)
}

// Contexts returns all contexts of the namespace, oldest first. With
// ErrInterrupted it returns what it has read.
func (c *Client) Contexts() ([]Context, error) { return c.ContextsWith(ContextFilter{}) }

// ContextFilter is what contexts have in common. A nil means whatever it is.
type ContextFilter struct {
	Local, Peer *netip.Addr // ULIDs
	State       *ContextState
	ReapState   *ReapState
}

// ContextsWith is Contexts for those that a filter fits.
func (c *Client) ContextsWith(f ContextFilter) ([]Context, error) {
	return dump(c, cmdContextGet, contextAttributes, func(e *encoder) {
		if f.Local != nil {
			e.addr(attrContextUlidLocal, *f.Local)
		}
		if f.Peer != nil {
			e.addr(attrContextUlidPeer, *f.Peer)
		}
		if f.State != nil {
			e.Uint32(attrContextState, uint32(*f.State))
		}
		if f.ReapState != nil {
			e.Uint32(attrContextReapState, uint32(*f.ReapState))
		}
	}, parseContext)
}

func (e *encoder) ulids(u ULIDs) {
	e.addr(attrContextUlidLocal, u.Local)
	e.addr(attrContextUlidPeer, u.Peer)
	if u.FII != 0 {
		e.Uint32(attrContextFii, u.FII)
	}
}

func (e *encoder) contextUpdate(u ContextUpdate) {
	addr := func(attr uint16, a *netip.Addr) {
		if a != nil {
			e.addr(attr, *a)
		}
	}
	if u.TagPeer != nil {
		e.Uint64(attrContextTagPeer, *u.TagPeer)
	}
	if u.State != nil {
		e.Uint32(attrContextState, uint32(*u.State))
	}
	addr(attrContextLocatorLocal, u.LocatorLocal)
	addr(attrContextLocatorPeer, u.LocatorPeer)
	if u.Encapsulation != nil {
		e.Uint32(attrContextEncapsulation, uint32(*u.Encapsulation))
	}
	e.locators(attrContextLocatorsLocal, u.LocatorsLocal)
	e.locators(attrContextLocatorsPeer, u.LocatorsPeer)
	addr(attrContextInboundLocatorLocal, u.InboundLocatorLocal)
	addr(attrContextInboundLocatorPeer, u.InboundLocatorPeer)
	e.duration(attrContextSendTimeout, u.SendTimeout)
	e.duration(attrContextKeepaliveTimeout, u.KeepaliveTimeout)
	if u.ReapState != nil {
		e.Uint32(attrContextReapState, uint32(*u.ReapState))
	}
	if u.ReapTimer != nil {
		e.Uint32(attrContextReapTimer, uint32(*u.ReapTimer))
	}
	if u.Header != nil {
		e.Uint32(attrContextHeader, *u.Header)
	}
}

// parseContext reads the attributes of a reply or a notification; those of a
// newer kernel are passed over.
func parseContext(b []byte) (Context, error) {
	c := Context{Encapsulation: EncapsulationNative}
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
		case attrContextSendTimeout:
			c.SendTimeout = time.Duration(d.Uint32()) * time.Millisecond
		case attrContextKeepaliveTimeout:
			c.KeepaliveTimeout = time.Duration(d.Uint32()) * time.Millisecond
		case attrContextReapState:
			c.ReapState = ReapState(d.Uint32())
		case attrContextLastSent:
			c.LastSent = pointer(d.milliseconds())
		case attrContextLastHeard:
			c.LastHeard = pointer(d.milliseconds())
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

func pointer[T any](v T) *T { return &v }

// encoder collects the attributes of a request, and what is wrong with them.
type encoder struct {
	*netlink.AttributeEncoder
	names []string
	err   error
}

func newEncoder(names []string) *encoder {
	return &encoder{AttributeEncoder: netlink.NewAttributeEncoder(), names: names}
}

func (e *encoder) encode() ([]byte, error) {
	if e.err != nil {
		return nil, e.err
	}
	return e.Encode()
}

func (e *encoder) fail(attr uint16, err error) {
	if e.err == nil {
		e.err = fmt.Errorf("%s: %w", e.names[attr], err)
	}
}

// addr adds an IPv6 address; the kernel knows no others.
func (e *encoder) addr(attr uint16, a netip.Addr) {
	if !a.Is6() || a.Zone() != "" {
		e.fail(attr, fmt.Errorf("%v is no IPv6 address without a zone", a))
		return
	}
	b := a.As16()
	e.Bytes(attr, b[:])
}

// locators adds a list, if there is one. One that is empty empties the kernel's.
func (e *encoder) locators(attr uint16, list *[]netip.Addr) {
	if list == nil {
		return
	}
	nest := newEncoder(locatorsAttributes)
	for _, a := range *list {
		nest.addr(attrLocatorsLocator, a)
	}
	b, err := nest.encode()
	if err != nil {
		e.fail(attr, err)
		return
	}
	e.Bytes(netlink.Nested|attr, b)
}

// duration adds whole milliseconds.
func (e *encoder) duration(attr uint16, d *time.Duration) {
	if d == nil {
		return
	}
	ms, err := milliseconds(*d)
	if err != nil {
		e.fail(attr, err)
		return
	}
	e.Uint32(attr, ms)
}

// decoder reads the attributes of a reply.
type decoder struct {
	*netlink.AttributeDecoder
	err error
}

// decode calls read for each attribute; what names the object in errors.
func decode(b []byte, what string, read func(*decoder)) error {
	ad, err := netlink.NewAttributeDecoder(b)
	if err == nil {
		d := &decoder{AttributeDecoder: ad}
		for ad.Next() {
			read(d)
		}
		if err = ad.Err(); err == nil {
			err = d.err
		}
	}
	if err != nil {
		return fmt.Errorf("the kernel's %s can't be read: %w", what, err)
	}
	return nil
}

func (d *decoder) addr() netip.Addr {
	b := d.Bytes()
	if len(b) != 16 && d.err == nil {
		d.err = fmt.Errorf("attribute %d is %d octets long, an IPv6 address 16", d.Type(), len(b))
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func (d *decoder) locators() (list []netip.Addr) {
	d.Nested(func(ad *netlink.AttributeDecoder) error {
		nest := &decoder{AttributeDecoder: ad}
		for ad.Next() {
			if ad.Type() == attrLocatorsLocator {
				list = append(list, nest.addr())
			}
		}
		return nest.err
	})
	return list
}

func (d *decoder) milliseconds() time.Duration {
	return time.Duration(min(d.Uint64(), math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond
}
