// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"shim6/daemon/wire"
)

// random draws numbers from the configuration's source.
type random struct{ rand.Source }

// tag is a random tag: all 47 bits are unstructured (RFC 5533, section 7.1).
func (r random) tag() wire.ContextTag {
	return wire.ContextTag(r.Uint64() & uint64(wire.MaxContextTag))
}

func (r random) nonce() uint32 { return uint32(r.Uint64() >> 32) }

// fraction is at least 0 and below 1.
func (r random) fraction() float64 { return float64(r.Uint64()>>11) / (1 << 53) }

// prefix is the upper half of an address: what one host at most is thought to
// have to itself, and more than one often share.
type prefix [8]byte

func prefixOf(a netip.Addr) prefix {
	b := a.As16()
	return prefix(b[:8])
}

// newTag draws a tag that no context has, and that isn't exclude. The tags of
// contexts that are gone aren't kept from being drawn: among 2^47 it takes long.
func (e *Engine) newTag(exclude wire.ContextTag) wire.ContextTag {
	for {
		t := e.random.tag()
		if _, taken := e.byTag[t]; !taken && t != exclude {
			return t
		}
	}
}

// noTag is excluded if nothing is.
const noTag = wire.MaxContextTag + 1

// newNonce gives c an Initiator Nonce that no other exchange has.
func (e *Engine) newNonce(c *context) {
	e.dropNonce(c)
	for {
		n := e.random.nonce()
		if _, taken := e.byNonce[n]; !taken {
			c.nonce = n
			e.byNonce[n] = c
			return
		}
	}
}

func (e *Engine) dropNonce(c *context) {
	if e.byNonce[c.nonce] == c {
		delete(e.byNonce, c.nonce)
	}
}

// exchangeOf is the context whose exchange an R1 or R2 belongs to: by the nonce,
// and the locator pair on which the answer was to come (RFC 5533, section 12.4).
func (e *Engine) exchangeOf(p packet, nonce uint32) *context {
	c := e.byNonce[nonce]
	if c == nil || c.exchange != p.pair() {
		return nil
	}
	return c
}

var errLocalULID = errors.New("the local ULID is no address of this host: take one of those that `shim6tool locator` shows")

// ownShare is what share of every limit is kept for contexts that this host begins:
// one in so many. Peers can fill the rest.
const ownShare = 8

// room says why there can't be a context more of these names. A peer may not have all
// of the room: own says that we begin the context.
func (e *Engine) room(u ULIDs, own bool) error {
	full := func(n, limit int) bool {
		if !own {
			limit -= limit / ownShare
		}
		return n >= limit
	}
	switch {
	case full(len(e.byULIDs), e.config.MaxContexts):
		return fmt.Errorf("there are %d contexts, as many as MaxContexts allows: close some, or allow more", len(e.byULIDs))
	case full(e.perPeer[u.Peer], e.config.MaxPeerContexts):
		return fmt.Errorf("there are %d contexts with peer %v, as many as MaxPeerContexts allows: close some, or allow more", e.perPeer[u.Peer], u.Peer)
	case full(e.perPrefix[prefixOf(u.Peer)], e.config.MaxPrefixContexts):
		return fmt.Errorf("there are %d contexts with peers in the /64 of %v, as many as MaxPrefixContexts allows: close some, or allow more", e.perPrefix[prefixOf(u.Peer)], u.Peer)
	}
	return nil
}

// siteLocal are the site-local addresses of old (RFC 3879), of which every site has
// the same (RFC 5534, section 3.1); compatible are IPv4-compatible ones, which RFC
// 4291 has given up, and the unspecified address and loopback.
var siteLocal, compatible = netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("::/96")

// isULID reports whether an address may be a ULID or a locator, as far as its form
// tells. Prefixes for documentation may: laboratories use them.
func isULID(a netip.Addr) bool {
	return a.Is6() && !a.Is4In6() && a.Zone() == "" && !compatible.Contains(a) &&
		!a.IsMulticast() && !a.IsLinkLocalUnicast() && !siteLocal.Contains(a)
}

func checkULIDs(u ULIDs) error {
	for _, a := range []netip.Addr{u.Local, u.Peer} {
		if !isULID(a) {
			return fmt.Errorf("%v can't be a ULID: it must be a unicast IPv6 address, not link-local, site-local, loopback or made of an IPv4 address", a)
		}
	}
	if u.Local == u.Peer {
		return fmt.Errorf("both ULIDs are %v: they must differ", u.Local)
	}
	return nil
}

// trusted reports whether the configuration wants no proof for an address.
func (e *Engine) trusted(a netip.Addr) bool {
	for _, p := range e.config.TrustedPrefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
