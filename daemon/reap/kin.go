// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"

	"shim6/daemon/engine"
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

// relation is by how much a candidate has in common with pairs that were tried, at both
// ends, how often its class was, and after how many others the last time.
func (c *candidate) relation(list []candidate, tried []engine.Pair) (kin, times, last int) {
	var local, peer int
	own := classOf(c.Pair)
	for i, t := range tried {
		if classOf(t) == own {
			times, last = times+1, i
		}
		local, peer = max(local, kinship(t.Local, c.Local)), max(peer, kinship(t.Peer, c.Peer))
		if f := find(list, t); local == 0 && f != nil && f.link == c.link && c.link != "" {
			local = onLink
		}
	}
	return local + peer, times, last
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
