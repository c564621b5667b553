// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/locator"
)

// This file is about prefixes in which shim6d makes no addresses, though packets from them have
// to leave by the router that they belong to.

// others are such prefixes, with the link by whose router packets from them have to leave.
// prefixes are those in which addresses are made.
func (s *State) others(prefixes []Prefix) []Prefix {
	var list []Prefix
	uplinks := slices.DeleteFunc(slices.Clone(prefixes), func(x Prefix) bool { return !s.Table.HadRouter(x.Index) })
	known := func(p cga.SubnetPrefix) bool {
		same := func(x Prefix) bool { return x.Prefix == p }
		return slices.ContainsFunc(uplinks, same) || slices.ContainsFunc(list, same)
	}
	assigned := s.Table.Assigned()
	for _, a := range assigned {
		if p := cga.PrefixOf(a.Address); s.leased(a) && !known(p) && len(list) < MaxPrefixes {
			list = append(list, Prefix{Index: a.Index, Prefix: p, PreferredUntil: a.PreferredUntil, ValidUntil: a.ValidUntil})
		}
	}
	uplinks = slices.Concat(uplinks, list)
	for _, a := range assigned {
		p := cga.PrefixOf(a.Address)
		if !s.delegated(a) || known(p) || len(list) >= 2*MaxPrefixes {
			continue
		}
		least := providerBits
		if autoconfigured(a) {
			// Perhaps a router of that link announces the prefix, and is not there yet.
			least = siteBits
		}
		if index, ok := closest(p, uplinks, least); ok {
			list = append(list, Prefix{Index: index, Prefix: p, PreferredUntil: a.PreferredUntil, ValidUntil: a.ValidUntil})
		}
	}
	return list
}

// leased reports whether a DHCPv6 server has given an address: it has no prefix, and a
// lifetime. The network may want that hosts make none of their own.
func (s *State) leased(a locator.Assigned) bool {
	return s.ofProgram(a) && a.Bits == hostBits && a.ValidUntil != 0
}

// delegated reports whether an address is this host's as a router's, in a network that has its
// prefix from a provider (RFC 8415, section 6.3), such as that of containers.
func (s *State) delegated(a locator.Assigned) bool {
	return s.ofProgram(a) && a.Bits == subnetBits && !a.Address.IsPrivate() && !s.Table.HadRouter(a.Index)
}

// ofProgram reports whether another program has given an address to a link, on which it works.
func (s *State) ofProgram(a locator.Assigned) bool {
	_, allowed := s.Table.Allowed(s.Config, a.Index, a.Address)
	return allowed && a.Enabled && !a.Loopback && a.Protocol != locator.Protocol && a.Address.IsGlobalUnicast() &&
		a.Flags&unix.IFA_F_DADFAILED == 0
}

const (
	// siteBits is the length of a customer's prefix (RFC 6177), and providerBits that of a
	// provider's.
	siteBits     = 48
	providerBits = 32
)

// closest is the link with a prefix of the same customer as another prefix. If there is none it
// is the link with a prefix of the same provider. If several links are as close, nothing tells
// which it is.
func closest(p cga.SubnetPrefix, uplinks []Prefix, least int) (index uint32, ok bool) {
	most := 0
	for _, x := range uplinks {
		degree := 0
		switch n := common(p, x.Prefix); {
		case n >= siteBits:
			degree = siteBits
		case n >= providerBits:
			degree = providerBits
		}
		switch {
		case degree > most:
			index, ok, most = x.Index, true, degree
		case degree == most && x.Index != index:
			ok = false
		}
	}
	return index, ok && most >= least
}

// announced is the prefix by whose routers packets from another prefix leave, which was delegated or
// leased: it is that prefix itself if a router has announced it, and otherwise an announced one of
// the same provider on the same link.
func (s *State) announced(x Prefix, all []Prefix) cga.SubnetPrefix {
	best, most := x.Prefix, providerBits-1
	if s.Table.Announced(x.Index, x.Prefix) {
		return best
	}
	for _, y := range all {
		if n := common(x.Prefix, y.Prefix); y.Index == x.Index && n > most && s.Table.Announced(y.Index, y.Prefix) {
			best, most = y.Prefix, n
		}
	}
	return best
}

// common is how many of their first bits two prefixes have in common.
func common(a, b cga.SubnetPrefix) int {
	return bits.LeadingZeros64(binary.BigEndian.Uint64(a[:]) ^ binary.BigEndian.Uint64(b[:]))
}
