// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Table is what rtnetlink has told. The zero Table is a host without interfaces.
type Table struct {
	links     map[uint32]link
	addresses map[assignment]address
	routers   map[uint32][]netip.Addr
	// routers are the default routers of interfaces in all tables, and mainRouters those
	// in the main table.
	mainRouters map[uint32][]netip.Addr
	// failed are the neighbours that Neighbor Unreachability Detection has given up, until
	// it finds them again.
	failed map[assignment]bool
	// needsRouter are interfaces that have had a default router.
	needsRouter map[uint32]bool
	specifics   specifics
}

type link struct {
	name string
	// enabled: the administrator has set it up. up: it has a carrier as well.
	enabled, up bool
	loopback    bool
}

// assignment is an address on an interface.
type assignment struct {
	index   uint32
	address netip.Addr
}

type address struct {
	flags uint32
	// protocol says which program has set it up.
	protocol uint8
	bits     uint8
	// preferredUntil and validUntil are by the clock of Apply; 0 is for ever.
	preferredUntil, validUntil time.Duration
}

// Changed says what a message has changed.
type Changed uint8

const (
	// Locators: addresses or their quality may have changed.
	Locators Changed = 1 << iota
	// Routes: the default routes are to be dumped, since the message does not tell in
	// full what has changed.
	Routes
	// Specifics: routes of the main table that are no default routes have changed.
	Specifics
)

// linkUp are the flags that an interface with a carrier has.
const linkUp = unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOWER_UP

// Apply takes over a message about a link, an address, a route or a neighbour, and ignores
// other messages. now is by any clock that does not go back. An error says that the message
// can't be read; it has changed nothing.
func (t *Table) Apply(now time.Duration, m netlink.Message) (Changed, error) {
	t.init()
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return t.applyLink(m)
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		return t.applyAddress(now, m)
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		if isSpecific(m) {
			changed, err := t.specifics.apply(m)
			if changed {
				return Specifics, err
			}
			return 0, err
		}
		hops, err := defaultRoute(m)
		if err != nil || hops == nil {
			return 0, err
		}
		return Routes, nil
	case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
		return t.applyNeighbour(m)
	}
	return 0, nil
}

func (t *Table) init() {
	if t.links != nil {
		return
	}
	t.links = map[uint32]link{}
	t.addresses = map[assignment]address{}
	t.routers = map[uint32][]netip.Addr{}
	t.failed = map[assignment]bool{}
	t.needsRouter = map[uint32]bool{}
}

// Dump takes over a dump of everything. The Table still knows which interfaces need a router,
// since no dump tells that.
func (t *Table) Dump(now time.Duration, messages []netlink.Message) error {
	t.init()
	fresh := &Table{}
	fresh.init()
	fresh.needsRouter = t.needsRouter
	var routes []netlink.Message
	for _, m := range messages {
		if m.Header.Type == unix.RTM_NEWROUTE {
			routes = append(routes, m)
			continue
		}
		if _, err := fresh.Apply(now, m); err != nil {
			return err
		}
	}
	*t = *fresh
	return t.SetRoutes(routes)
}

// SetRoutes takes over a dump of all routes.
func (t *Table) SetRoutes(messages []netlink.Message) error {
	t.init()
	routers, mainRouters := map[uint32][]netip.Addr{}, map[uint32][]netip.Addr{}
	var all specifics
	for _, m := range messages {
		if isSpecific(m) {
			if _, err := all.apply(m); err != nil {
				return err
			}
			continue
		}
		hops, err := defaultRoute(m)
		if err != nil {
			return err
		}
		for _, h := range hops {
			routers[h.index] = append(routers[h.index], h.address)
			if h.table == unix.RT_TABLE_MAIN {
				mainRouters[h.index] = append(mainRouters[h.index], h.address)
			}
		}
	}
	t.routers, t.mainRouters, t.specifics = routers, mainRouters, all
	for index := range maps.Keys(routers) {
		t.needsRouter[index] = true
	}
	return nil
}

// applyLink reads only what it needs of a message: there are many kinds of interfaces, and an
// attribute of one that can't be read must not matter.
func (t *Table) applyLink(m netlink.Message) (Changed, error) {
	if len(m.Data) < unix.SizeofIfInfomsg {
		return 0, fmt.Errorf("rtnetlink's message of a link has %d octets", len(m.Data))
	}
	head := rtnetlink.LinkMessage{}
	if err := head.UnmarshalBinary(m.Data[:unix.SizeofIfInfomsg]); err != nil {
		return 0, fmt.Errorf("rtnetlink's message of a link can't be read: %w", err)
	}
	if head.Family != unix.AF_UNSPEC {
		// It is a bridge's message about a port.
		return 0, nil
	}
	old, had := t.links[head.Index]
	if m.Header.Type == unix.RTM_DELLINK {
		delete(t.links, head.Index)
		delete(t.needsRouter, head.Index)
		if had {
			return Locators | Routes, nil
		}
		return 0, nil
	}
	l := link{enabled: head.Flags&unix.IFF_UP != 0, up: head.Flags&linkUp == linkUp, loopback: head.Flags&unix.IFF_LOOPBACK != 0}
	ad, err := netlink.NewAttributeDecoder(m.Data[unix.SizeofIfInfomsg:])
	if err == nil {
		for ad.Next() {
			if ad.Type() == unix.IFLA_IFNAME {
				l.name = ad.String()
			}
		}
		err = ad.Err()
	}
	if err != nil {
		return 0, fmt.Errorf("rtnetlink's message of a link can't be read: %w", err)
	}
	if had && l == old {
		return 0, nil
	}
	t.links[head.Index] = l
	if had && l.up != old.up {
		// The kernel may be configured not to tell which routes this removes, and
		// never tells which routes it can't use meanwhile.
		return Locators | Routes, nil
	}
	return Locators, nil
}

func (t *Table) applyAddress(now time.Duration, m netlink.Message) (Changed, error) {
	var a rtnetlink.AddressMessage
	if err := a.UnmarshalBinary(m.Data); err != nil {
		return 0, fmt.Errorf("rtnetlink's message of an address can't be read: %w", err)
	}
	if a.Family != unix.AF_INET6 || a.Attributes == nil {
		return 0, nil
	}
	// On a link with a peer's address, IFA_ADDRESS is the peer's.
	ip := a.Attributes.Local
	if ip == nil {
		ip = a.Attributes.Address
	}
	addr, ok := addrOf(ip)
	if !ok {
		return 0, nil
	}
	key := assignment{a.Index, addr}
	if m.Header.Type == unix.RTM_DELADDR {
		if _, had := t.addresses[key]; !had {
			return 0, nil
		}
		delete(t.addresses, key)
		return Locators, nil
	}
	v := address{flags: uint32(a.Flags) | a.Attributes.Flags, protocol: protocolOf(m), bits: a.PrefixLength}
	if lifetime := a.Attributes.CacheInfo.Valid; lifetime != infinite && v.flags&unix.IFA_F_PERMANENT == 0 {
		v.validUntil = max(1, now+time.Duration(lifetime)*time.Second)
	}
	if lifetime := a.Attributes.CacheInfo.Preferred; lifetime != infinite {
		// 0 would be for ever.
		v.preferredUntil = max(1, now+time.Duration(lifetime)*time.Second)
	}
	t.addresses[key] = v
	return Locators, nil
}

// ifaProto is IFA_PROTO of linux/if_addr.h.
const ifaProto = 11

// protocolOf says which program has set up the address of a message that was read before.
func protocolOf(m netlink.Message) (protocol uint8) {
	ad, err := netlink.NewAttributeDecoder(m.Data[unix.SizeofIfAddrmsg:])
	if err != nil {
		return 0
	}
	for ad.Next() {
		if ad.Type() == ifaProto && len(ad.Bytes()) == 1 {
			protocol = ad.Uint8()
		}
	}
	return protocol
}

// infinite is a lifetime that does not end (RFC 4861, section 4.6.2).
const infinite = 0xffffffff

// hop is an interface, and the router there, if it has an address.
type hop struct {
	index   uint32
	address netip.Addr
	table   uint32
}

// defaultRoute returns the hops of a default route, nil for another route. A route that routers
// announce for all of the Internet, such as 2000::/3, is a default route too.
func defaultRoute(m netlink.Message) ([]hop, error) {
	var r rtnetlink.RouteMessage
	if err := r.UnmarshalBinary(m.Data); err != nil {
		return nil, fmt.Errorf("rtnetlink's message of a route can't be read: %w", err)
	}
	if r.Family != unix.AF_INET6 || r.DstLength > DefaultBits || r.Type != unix.RTN_UNICAST || r.Flags&unix.RTM_F_CLONED != 0 ||
		r.Protocol == Protocol {
		// Routes of shim6d follow from the others.
		return nil, nil
	}
	if dst, ok := addrOf(r.Attributes.Dst); ok && dst.IsMulticast() {
		return nil, nil
	}
	hops, table := []hop{}, r.Attributes.Table
	if table == 0 {
		table = uint32(r.Table)
	}
	add := func(index uint32, flags uint32, gateway net.IP) {
		if index == 0 || flags&(unix.RTNH_F_DEAD|unix.RTNH_F_LINKDOWN) != 0 {
			return
		}
		a, _ := addrOf(gateway)
		hops = append(hops, hop{index, a, table})
	}
	if len(r.Attributes.Multipath) == 0 {
		add(r.Attributes.OutIface, r.Flags, r.Attributes.Gateway)
	}
	for _, n := range r.Attributes.Multipath {
		add(n.Hop.IfIndex, uint32(n.Hop.Flags), n.Gateway)
	}
	return hops, nil
}

func (t *Table) applyNeighbour(m netlink.Message) (Changed, error) {
	var n rtnetlink.NeighMessage
	if err := n.UnmarshalBinary(m.Data); err != nil {
		return 0, fmt.Errorf("rtnetlink's message of a neighbour can't be read: %w", err)
	}
	if n.Family != unix.AF_INET6 || n.Attributes == nil {
		return 0, nil
	}
	addr, ok := addrOf(n.Attributes.Address)
	if !ok {
		return 0, nil
	}
	key := assignment{n.Index, addr}
	failed := t.failed[key]
	switch {
	case m.Header.Type == unix.RTM_DELNEIGH:
		failed = false
	case n.State&unix.NUD_FAILED != 0:
		failed = true
	case n.State&unix.NUD_INCOMPLETE == 0:
		// Incomplete: the kernel looks for it again, and has not found it yet.
		failed = false
	}
	if failed == t.failed[key] {
		return 0, nil
	}
	if failed {
		t.failed[key] = true
	} else {
		delete(t.failed, key)
	}
	return Locators, nil
}

func addrOf(ip net.IP) (netip.Addr, bool) {
	a, ok := netip.AddrFromSlice(ip)
	return a, ok && a.Is6()
}
