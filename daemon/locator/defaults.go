// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Default is a default route of the main table, by one router.
type Default struct {
	Destination netip.Prefix
	Metric      uint32
	Index       uint32
	// Router is invalid on a link that needs none.
	Router netip.Addr
	// Usable: the link has a carrier.
	Usable bool
	// worse is how far the router is behind those of medium preference (RFC 4191).
	worse int
}

// defaults are the default routes of all tables. They are kept by what rtnetlink tells of each:
// a dump of all routes takes long on a host with many, and some programs set up a default route
// again with each Router Advertisement.
type defaults map[defaultKey][]defaultHop

// defaultKey is what the kernel identifies a route by.
type defaultKey struct {
	table       uint32
	destination netip.Prefix
	metric      uint32
}

type defaultHop struct {
	index    uint32
	router   netip.Addr
	protocol uint8
	// preference is RTA_PREF (RFC 4191, section 2.1).
	preference uint8
	// lost: there was no carrier when the route was told. It matters only if the link is
	// not known.
	lost bool
}

func (h defaultHop) same(o defaultHop) bool { return h.index == o.index && h.router == o.router }

// parseDefault reads a default route. ok is false for another route. A route that routers
// announce for all of the Internet, such as 2000::/3, is a default route too. A route that sends
// nothing has no hops.
func parseDefault(m netlink.Message) (key defaultKey, hops []defaultHop, ok bool, err error) {
	var r rtnetlink.RouteMessage
	if err := r.UnmarshalBinary(m.Data); err != nil {
		return key, nil, false, fmt.Errorf("rtnetlink's message of a route can't be read: %w", err)
	}
	if r.Family != unix.AF_INET6 || r.DstLength > DefaultBits || r.Flags&unix.RTM_F_CLONED != 0 || r.Protocol == Protocol {
		// Routes of shim6d follow from the others.
		return key, nil, false, nil
	}
	to := netip.IPv6Unspecified()
	if a, ok := addrOf(r.Attributes.Dst); ok {
		to = a
	}
	if to.IsMulticast() {
		return key, nil, false, nil
	}
	key = defaultKey{r.Attributes.Table, netip.PrefixFrom(to, int(r.DstLength)), r.Attributes.Priority}
	if key.table == 0 {
		key.table = uint32(r.Table)
	}
	if r.Type != unix.RTN_UNICAST {
		return key, nil, true, nil
	}
	preference := uint8(0)
	if r.Attributes.Pref != nil {
		preference = *r.Attributes.Pref
	}
	add := func(index uint32, flags uint32, gateway net.IP) {
		if index != 0 {
			a, _ := addrOf(gateway)
			hops = append(hops, defaultHop{index, a, r.Protocol, preference, flags&(unix.RTNH_F_DEAD|unix.RTNH_F_LINKDOWN) != 0})
		}
	}
	if len(r.Attributes.Multipath) == 0 {
		add(r.Attributes.OutIface, r.Flags, r.Attributes.Gateway)
	}
	for _, n := range r.Attributes.Multipath {
		add(n.Hop.IfIndex, uint32(n.Hop.Flags), n.Gateway)
	}
	return key, hops, true, nil
}

// apply takes over a message about a default route. Routes says that the message does not tell
// in full what has changed.
func (d defaults) apply(m netlink.Message) (changed bool, all Changed, err error) {
	key, hops, ok, err := parseDefault(m)
	if err != nil || !ok {
		return false, 0, err
	}
	old := d[key]
	now := slices.Clone(old)
	among := func(list []defaultHop) func(defaultHop) bool {
		return func(h defaultHop) bool { return slices.ContainsFunc(list, h.same) }
	}
	switch {
	case m.Header.Type == unix.RTM_DELROUTE && len(hops) == 0:
		now = nil
	case m.Header.Type == unix.RTM_DELROUTE:
		now = slices.DeleteFunc(now, among(hops))
	case m.Header.Flags&netlink.Replace != 0:
		// The kernel has replaced a route and all that share its load, but it keeps apart
		// those that it has made for routers that announce themselves.
		if d.apart(old, hops) {
			return false, Routes, nil
		}
		now = hops
	default:
		// A route that is there already keeps its place among equal ones.
		for _, h := range hops {
			if at := slices.IndexFunc(now, h.same); at >= 0 {
				now[at] = h
			} else {
				now = append(now, h)
			}
		}
	}
	if slices.Equal(now, old) {
		return false, 0, nil
	}
	if len(now) == 0 {
		delete(d, key)
	} else {
		d[key] = now
	}
	return true, 0, nil
}

// apart reports whether some of these routes may not share their load with the others.
func (defaults) apart(old, now []defaultHop) bool {
	if len(old) < 2 {
		return false
	}
	all := slices.Concat(old, now)
	return slices.ContainsFunc(all, func(h defaultHop) bool { return h.protocol == unix.RTPROT_RA || h.protocol != all[0].protocol })
}

// usable reports whether a default route can be used.
func (t *Table) usable(h defaultHop) bool {
	if l, known := t.links[h.index]; known {
		return l.up
	}
	return !h.lost
}

// setRouters has the routers of links follow from the default routes, and reports whether they
// have changed.
func (t *Table) setRouters() bool {
	routers, mainRouters := map[uint32][]router{}, map[uint32][]router{}
	for key, hops := range t.defaults {
		for _, h := range hops {
			if !t.usable(h) {
				continue
			}
			r := router{h.router, key.metric, h.preference, h.protocol == unix.RTPROT_RA}
			routers[h.index] = append(routers[h.index], r)
			if key.table == unix.RT_TABLE_MAIN {
				mainRouters[h.index] = append(mainRouters[h.index], r)
			}
		}
	}
	t.addHeard(routers, mainRouters)
	changed := false
	for _, both := range [][2]map[uint32][]router{{t.routers, sorted(routers)}, {t.mainRouters, sorted(mainRouters)}} {
		changed = changed || !maps.EqualFunc(both[0], both[1], slices.Equal[[]router])
	}
	t.routers, t.mainRouters = routers, mainRouters
	t.serve()
	for index := range routers {
		t.needsRouter[index] = true
	}
	return changed
}

// Defaults are the default routes of the main table, in the order in which the kernel prefers
// them.
func (t *Table) Defaults() []Default {
	var list []Default
	for key, hops := range t.defaults {
		if key.table != unix.RT_TABLE_MAIN {
			continue
		}
		for _, h := range hops {
			list = append(list, Default{key.destination, key.metric, h.index, h.router, t.usable(h), rank(h.preference) - rank(0)})
		}
	}
	// Of equal routes the kernel takes the one that was there first.
	slices.SortStableFunc(list, func(a, b Default) int {
		return cmp.Or(cmp.Compare(b.Destination.Bits(), a.Destination.Bits()), cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.worse, b.worse),
			a.Destination.Addr().Compare(b.Destination.Addr()))
	})
	return list
}

// Stale reports whether there are routes by a link that is set down or gone: the kernel has
// removed most of these, and has not told so.
func (t *Table) Stale() bool {
	down := func(index uint32) bool { return !t.links[index].enabled && !t.links[index].port }
	for _, hops := range t.defaults {
		if slices.ContainsFunc(hops, func(h defaultHop) bool { return down(h.index) }) {
			return true
		}
	}
	t.specifics.compute()
	for index, list := range t.specifics.by {
		if len(list) > 0 && down(index) {
			return true
		}
	}
	return false
}
