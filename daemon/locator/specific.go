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
// thousand, and one more every moment. So a message changes only what is pending, and what follows
// from all of them is computed only when somebody asks, in one pass over a sorted list.
type specifics struct {
	// sorted are the routes as they were when somebody last asked, in the order of their
	// keys, and pending those that have changed since: without hops a route is gone.
	sorted  []specificRoute
	pending map[specificKey][]specificHop
	// covered and by, which is by the index of a link, follow from sorted.
	covered []netip.Prefix
	by      map[uint32][]Specific
}

type specificRoute struct {
	key  specificKey
	hops []specificHop
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

func (k specificKey) compare(o specificKey) int {
	return cmp.Or(bytes.Compare(k.destination[:], o.destination[:]), cmp.Compare(k.bits, o.bits), cmp.Compare(k.metric, o.metric))
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
	old := s.hops(key)
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
	if s.pending == nil {
		s.pending = map[specificKey][]specificHop{}
	}
	s.pending[key] = now
	return true, nil
}

// hops are those of a route now.
func (s *specifics) hops(key specificKey) []specificHop {
	if hops, ok := s.pending[key]; ok {
		return hops
	}
	if i, ok := slices.BinarySearchFunc(s.sorted, key, specificRoute.compare); ok {
		return s.sorted[i].hops
	}
	return nil
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

// Covered are the fewest prefixes that together have all destinations to which the main table
// has routes other than default routes. The caller must not change the list, which is good until
// the next Apply.
func (t *Table) Covered() []netip.Prefix {
	t.specifics.compute()
	return t.specifics.covered
}

// Specifics are the routes of the main table by a link that are no default routes, in the order
// of their destinations. The same destination may be there several times, the best first. The
// caller must not change the list, which is good until the next Apply.
func (t *Table) Specifics(index uint32) []Specific {
	t.specifics.compute()
	return t.specifics.by[index]
}
