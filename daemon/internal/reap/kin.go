// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"

	"shim6/daemon/internal/engine"
)

// This file is about what can fail together. A host has several addresses by each
// provider: the one it was given, those that change for privacy, the one that is proved.
// If one of them is cut off, the others are too. So it is the providers of a pair that
// exploration goes through, and not its addresses, however many there are.

// class are the networks of a locator pair, the first 64 bits of both addresses: behind
// them there is no route that could fail by itself (RFC 6724, section 2.2).
type class struct{ local, peer uint64 }

func classOf(p engine.Pair) class { return class{networkOf(p.Local), networkOf(p.Peer)} }

func networkOf(a netip.Addr) uint64 {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8])
}

// commonPrefix is how many of their first 64 bits two addresses have in common.
func commonPrefix(a, b netip.Addr) int { return bits.LeadingZeros64(networkOf(a) ^ networkOf(b)) }

// siteBits are what a provider gives a customer who has several networks (RFC 6177).
const siteBits = 48

// kinship is by how much two addresses of one host are likely to fail together: 0 if there
// is no reason to think so.
func kinship(a, b netip.Addr) int {
	switch n := commonPrefix(a, b); {
	case a == b:
		return 4
	case n == 64:
		return 3
	case n >= siteBits:
		return 2
	}
	return 0
}

// onLink is the kinship of two addresses of this host that have but the interface in
// common.
const onLink = 1

// relatives are pairs that were tried, to be asked what others have in common with them.
// However many there are, to ask takes a moment.
type relatives struct {
	pairs map[engine.Pair]bool
	// times is how often a class was tried, and last after how many others.
	times, last map[class]int
	// locals and peers are the addresses of the pairs, and kin what was found of others.
	locals, peers []netip.Addr
	localKin      map[netip.Addr]int
	peerKin       map[netip.Addr]int
	links         map[string]bool
}

// relativesOf takes interfaces from the candidates.
func relativesOf(tried []engine.Pair, list []candidate) *relatives {
	r := &relatives{
		pairs: map[engine.Pair]bool{}, times: map[class]int{}, last: map[class]int{},
		localKin: map[netip.Addr]int{}, peerKin: map[netip.Addr]int{}, links: map[string]bool{},
	}
	ours, theirs := map[netip.Addr]bool{}, map[netip.Addr]bool{}
	for i, t := range tried {
		r.pairs[t] = true
		r.times[classOf(t)]++
		r.last[classOf(t)] = i
		if !ours[t.Local] {
			ours[t.Local], r.locals = true, append(r.locals, t.Local)
		}
		if !theirs[t.Peer] {
			theirs[t.Peer], r.peers = true, append(r.peers, t.Peer)
		}
	}
	for i := range list {
		if ours[list[i].Local] && list[i].link != "" {
			r.links[list[i].link] = true
		}
	}
	return r
}

// kin is by how much a candidate has something in common with pairs that were tried, at both
// ends.
func (r *relatives) kin(c *candidate) int {
	local := nearest(r.localKin, c.Local, r.locals)
	if local == 0 && r.links[c.link] {
		local = onLink
	}
	return local + nearest(r.peerKin, c.Peer, r.peers)
}

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

// turned begins pairs in the order of choose in the middle of all networks, and in the
// middle of all addresses there.
func turned(pairs []engine.Pair) []engine.Pair {
	if len(pairs) == 0 {
		return nil
	}
	seen := map[class]bool{}
	for _, p := range pairs {
		seen[classOf(p)] = true
	}
	k := len(seen)
	n := len(pairs)/k/2*k + k/2
	return slices.Concat(pairs[n:], pairs[:n])
}
