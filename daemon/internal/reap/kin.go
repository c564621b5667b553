// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"

	"shim6/daemon/internal/engine"
)

// This file is about what can fail together. A host has several addresses by each provider: a
// permanent one, those that change for privacy, one that is proved. If one of them is cut off,
// the others are too. So exploration goes through the providers of a pair, and not through its
// addresses, however many there are.

// networks are the first bits of both addresses of a pair: 64 of each from networksOf, 48 from
// sitesOf. Between two networks of 64 bits there is no route that could fail for some addresses
// alone (RFC 6724, section 2.2).
type networks struct{ local, peer uint64 }

func networksOf(p engine.Pair) networks { return networks{networkOf(p.Local), networkOf(p.Peer)} }

func networkOf(a netip.Addr) uint64 {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8])
}

// commonPrefix is how many of their first 64 bits two addresses have in common.
func commonPrefix(a, b netip.Addr) int { return bits.LeadingZeros64(networkOf(a) ^ networkOf(b)) }

// siteBits is the length of the prefix that a provider gives a customer who has several
// networks (RFC 6177).
const siteBits = 48

// sitesOf are the first 48 bits of both addresses: two networks of one site usually have the
// same provider.
func sitesOf(p engine.Pair) networks {
	n := networksOf(p)
	return networks{n.local >> (64 - siteBits), n.peer >> (64 - siteBits)}
}

func sameSite(a, b netip.Addr) bool { return commonPrefix(a, b) >= siteBits }

// Degrees of kinship of two addresses of one host, in the order of how likely they are to
// fail together.
const (
	nothing = iota
	sameLink
	sameRouter
	withinSite
	sameNetwork
	sameAddress
)

// kinship is what two addresses have in common, as far as the addresses tell.
func kinship(a, b netip.Addr) int {
	switch n := commonPrefix(a, b); {
	case a == b:
		return sameAddress
	case n == 64:
		return sameNetwork
	case n >= siteBits:
		return withinSite
	}
	return nothing
}

// hop is a router on a link. Without a router, nothing is known of where packets leave.
type hop struct {
	link   string
	router netip.Addr
}

func (c *candidate) hop() hop { return hop{c.link, c.router} }

// attempts are the pairs that were tried, with what is asked of them for each candidate. A
// question takes a moment however many pairs there are.
type attempts struct {
	// pairs are native, whatever the encapsulation was.
	pairs map[engine.Pair]bool
	// times is how often a pair between two networks was tried. last is the index of the last
	// such pair.
	times, last map[networks]int
	// locals and peers are the addresses of the pairs, links the interfaces of locals, and routers
	// the routers there.
	locals, peers []netip.Addr
	links         map[string]bool
	routers       map[hop]bool
	// localKin and peerKin are the answers of nearest so far.
	localKin, peerKin map[netip.Addr]int
}

// attemptsOf looks at pairs that were tried. The interfaces of their addresses are those of the
// candidates.
func attemptsOf(tried []engine.Pair, list []candidate) *attempts {
	t := &attempts{
		pairs: map[engine.Pair]bool{}, times: map[networks]int{}, last: map[networks]int{},
		localKin: map[netip.Addr]int{}, peerKin: map[netip.Addr]int{}, links: map[string]bool{},
		routers: map[hop]bool{},
	}
	ours, theirs := map[netip.Addr]bool{}, map[netip.Addr]bool{}
	for i, p := range tried {
		t.pairs[p.By(engine.Native)] = true
		t.times[networksOf(p)]++
		t.last[networksOf(p)] = i
		if !ours[p.Local] {
			ours[p.Local], t.locals = true, append(t.locals, p.Local)
		}
		if !theirs[p.Peer] {
			theirs[p.Peer], t.peers = true, append(t.peers, p.Peer)
		}
	}
	for i := range list {
		if ours[list[i].Local] && list[i].link != "" {
			t.links[list[i].link] = true
			t.routers[list[i].hop()] = true
		}
	}
	return t
}

// kin is how much a candidate has in common with pairs that were tried: the sum for both ends.
func (t *attempts) kin(c *candidate) int {
	local := nearest(t.localKin, c.Local, t.locals)
	switch {
	case local != nothing:
	case c.router.IsValid() && t.routers[c.hop()]:
		local = sameRouter
	case t.links[c.link]:
		local = sameLink
	}
	return local + nearest(t.peerKin, c.Peer, t.peers)
}

// nearest is the most that an address has in common with any of all. found remembers answers.
func nearest(found map[netip.Addr]int, a netip.Addr, all []netip.Addr) int {
	n, ok := found[a]
	if !ok {
		for _, b := range all {
			n = max(n, kinship(a, b))
		}
		found[a] = n
	}
	return n
}

// fromMiddle returns pairs that are in the order of choose, beginning in the middle: with the
// middle one of all networks, and with the middle one of the addresses there.
func fromMiddle(pairs []engine.Pair) []engine.Pair {
	if len(pairs) == 0 {
		return nil
	}
	seen := map[networks]bool{}
	for _, p := range pairs {
		seen[networksOf(p)] = true
	}
	k := len(seen)
	n := len(pairs)/k/2*k + k/2
	return slices.Concat(pairs[n:], pairs[:n])
}
