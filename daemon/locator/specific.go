// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// DefaultBits is the length of the longest prefix that counts as a default route: routers may
// announce 2000::/3.
const DefaultBits = 3

// Specific is a route of the main table that is no default route, by one link.
type Specific struct {
	Destination netip.Prefix
	Index       uint32
	// Router is invalid if the destination is on the link.
	Router netip.Addr
}

// specifics are the routes of the main table that are no default routes. There may be a hundred
// thousand. So each message updates its route, and what follows from all of them is computed
// only when somebody asks.
type specifics struct {
	hops map[specificKey][]specificHop
	// covered and sorted are computed from hops. covered is nil if hops has changed since.
	covered []netip.Prefix
	sorted  []Specific
}

// specificKey is what the kernel identifies a route by, in one table.
type specificKey struct {
	destination [16]byte
	bits        uint8
	metric      uint32
}

type specificHop struct {
	index  uint32
	router netip.Addr
	// plain: the route only sends by that link and router.
	plain bool
}

func (k specificKey) prefix() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16(k.destination), int(k.bits))
}

// errRoute says that a message of a route is malformed.
var errRoute = errors.New("rtnetlink's message of a route can't be read")

// The places of the fields of struct rtmsg that are read.
const (
	rtmDstLen   = 1
	rtmTable    = 4
	rtmProtocol = 5
	rtmType     = 7
	rtmFlags    = 8
)

// isSpecific reports whether a message is about a route that is no default route, in any
// table.
func isSpecific(m netlink.Message) bool {
	return len(m.Data) >= unix.SizeofRtMsg && m.Data[rtmDstLen] > DefaultBits
}

// apply takes over a message about a route that is no default route, and reports
// whether it has changed something.
func (s *specifics) apply(m netlink.Message) (bool, error) {
	b := m.Data
	if b[0] != unix.AF_INET6 || b[rtmProtocol] == Protocol || b[rtmType] == unix.RTN_THROW ||
		binary.NativeEndian.Uint32(b[rtmFlags:])&unix.RTM_F_CLONED != 0 {
		// A route of type throw says that the main table has none.
		return false, nil
	}
	key, hops, table, err := parseSpecific(m)
	if err != nil || table != unix.RT_TABLE_MAIN {
		return false, err
	}
	if s.hops == nil {
		s.hops = map[specificKey][]specificHop{}
	}
	old := s.hops[key]
	now := old
	switch {
	case m.Header.Type == unix.RTM_DELROUTE && len(hops) == 0:
		now = nil
	case m.Header.Type == unix.RTM_DELROUTE:
		now = slices.DeleteFunc(slices.Clone(old), func(h specificHop) bool {
			return slices.ContainsFunc(hops, h.same)
		})
	case m.Header.Flags&netlink.Replace != 0:
		now = hops
	default:
		for _, h := range hops {
			if !slices.ContainsFunc(now, h.same) {
				now = append(slices.Clip(now), h)
			}
		}
	}
	if slices.Equal(now, old) {
		return false, nil
	}
	if len(now) == 0 {
		delete(s.hops, key)
	} else {
		s.hops[key] = now
	}
	s.covered, s.sorted = nil, nil
	return true, nil
}

// same reports whether the kernel takes two hops for one.
func (h specificHop) same(o specificHop) bool { return h.index == o.index && h.router == o.router }

// parseSpecific reads the route of a message. The hops of a new route are only those that can
// be used.
func parseSpecific(m netlink.Message) (key specificKey, hops []specificHop, table uint32, err error) {
	b := m.Data
	key.bits, table = b[rtmDstLen], uint32(b[rtmTable])
	kind, flags := b[rtmType], binary.NativeEndian.Uint32(b[rtmFlags:])
	hop := specificHop{plain: kind == unix.RTN_UNICAST || kind == unix.RTN_MULTICAST}
	var multipath []byte
	ok := attributes(b[unix.SizeofRtMsg:], func(kind uint16, v []byte) {
		switch {
		case kind == unix.RTA_DST && len(v) == 16:
			copy(key.destination[:], v)
		case kind == unix.RTA_TABLE && len(v) == 4:
			table = binary.NativeEndian.Uint32(v)
		case kind == unix.RTA_PRIORITY && len(v) == 4:
			key.metric = binary.NativeEndian.Uint32(v)
		case kind == unix.RTA_MULTIPATH:
			multipath = v
		default:
			hop.attribute(kind, v)
		}
	})
	if !ok || key.bits > 128 {
		return key, nil, 0, errRoute
	}
	add := func(h specificHop, flags uint32) {
		if h.index != 0 && (m.Header.Type == unix.RTM_DELROUTE || flags&unix.RTNH_F_DEAD == 0) {
			hops = append(hops, h)
		}
	}
	if multipath == nil {
		add(hop, flags)
	}
	for len(multipath) > 0 {
		// A struct rtnexthop: length, flags, hops, index.
		if len(multipath) < unix.SizeofRtNexthop {
			return key, nil, 0, errRoute
		}
		n := int(binary.NativeEndian.Uint16(multipath))
		if n < unix.SizeofRtNexthop || n > len(multipath) {
			return key, nil, 0, errRoute
		}
		h := specificHop{index: binary.NativeEndian.Uint32(multipath[4:]), plain: hop.plain}
		if !attributes(multipath[unix.SizeofRtNexthop:n], h.attribute) {
			return key, nil, 0, errRoute
		}
		add(h, uint32(multipath[2]))
		multipath = multipath[min((n+3)&^3, len(multipath)):]
	}
	return key, hops, table, nil
}

func (h *specificHop) attribute(kind uint16, v []byte) {
	switch {
	case kind == unix.RTA_OIF && len(v) == 4:
		h.index = binary.NativeEndian.Uint32(v)
	case kind == unix.RTA_GATEWAY:
		h.router, _ = addrOf(v)
	case kind == unix.RTA_ENCAP:
		h.plain = false
	}
}

// attributes calls f for each attribute of a message, and reports whether they could be read.
// netlink's own decoder allocates for each message, and there are many.
func attributes(b []byte, f func(kind uint16, value []byte)) bool {
	for len(b) >= unix.SizeofRtAttr {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofRtAttr || n > len(b) {
			return false
		}
		f(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[unix.SizeofRtAttr:n])
		b = b[min((n+3)&^3, len(b)):]
	}
	return len(b) == 0
}

// compute makes sorted and covered of hops.
func (s *specifics) compute() {
	if s.covered != nil {
		return
	}
	keys := make([]specificKey, 0, len(s.hops))
	for k := range s.hops {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b specificKey) int {
		return cmp.Or(bytes.Compare(a.destination[:], b.destination[:]), cmp.Compare(a.bits, b.bits), cmp.Compare(a.metric, b.metric))
	})
	s.covered, s.sorted = make([]netip.Prefix, 0, 16), make([]Specific, 0, len(keys))
	for _, k := range keys {
		p := k.prefix()
		for _, h := range s.hops[k] {
			if h.plain {
				s.sorted = append(s.sorted, Specific{p, h.index, h.router})
			}
		}
		s.cover(p)
	}
	s.covered = slices.Clip(s.covered)
}

// cover adds the next prefix in order to those that are covered. Two halves become one whole,
// unless that would count as a default route.
func (s *specifics) cover(p netip.Prefix) {
	for n := len(s.covered); ; n = len(s.covered) {
		if n == 0 {
			break
		}
		last := s.covered[n-1]
		if last.Overlaps(p) {
			return
		}
		whole := netip.PrefixFrom(p.Addr(), p.Bits()-1).Masked()
		if last.Bits() != p.Bits() || !whole.Contains(last.Addr()) || whole.Bits() <= DefaultBits {
			break
		}
		s.covered, p = s.covered[:n-1], whole
	}
	s.covered = append(s.covered, p)
}

// Covered are the fewest prefixes that together have all destinations to which the main table
// has routes other than default routes. The caller must not change the list.
func (t *Table) Covered() []netip.Prefix {
	t.specifics.compute()
	return t.specifics.covered
}

// Specifics are the routes of the main table by a link that are no default routes, in the order
// of their destinations. The same destination may be there several times, the best first.
func (t *Table) Specifics(index uint32) []Specific {
	t.specifics.compute()
	var list []Specific
	for _, s := range t.specifics.sorted {
		if s.Index == index {
			list = append(list, s)
		}
	}
	return list
}
