// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"bytes"
	"fmt"
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
	// routers are the default routers of interfaces in all tables, and mainRouters those
	// in the main table, the best first.
	routers, mainRouters map[uint32][]router
	// announced says of interfaces which router has announced which prefix.
	announced map[uint32][]announcement
	// heard are the routers of interfaces that have said to be default routers, and until when.
	heard map[uint32]map[netip.Addr]time.Duration
	// now is the latest time that is known, by the clock of Apply.
	now time.Duration
	// failed are the neighbours that Neighbor Unreachability Detection has given up, until
	// it finds them again.
	failed map[assignment]bool
	// needsRouter are interfaces that have had a default router.
	needsRouter map[uint32]bool
	defaults    defaults
	specifics   specifics
}

type link struct {
	name string
	// enabled: the administrator has set it up. up: it has a carrier as well.
	enabled, up bool
	loopback    bool
	// port: it is a port of a bridge, a bond or the like, which has the addresses in its
	// place. It is neither enabled nor up.
	port bool
	// vrf: it is a VRF or a member of one.
	vrf bool
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
	// Routes: the routes are to be dumped, since the message does not tell in full what has
	// changed.
	Routes
	// Specifics: routes of the main table that are no default routes have changed.
	Specifics
	// Links: a link was set up or down, or is gone. The kernel may be configured not to
	// tell which routes that removes (the sysctl skip_notify_on_dev_down): see Stale.
	Links
)

// linkUp are the flags that an interface with a carrier has.
const linkUp = unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOWER_UP

// Apply takes over a message about a link, an address, a route or a neighbour, and ignores
// other messages. now is by any clock that does not go back. An error says that the message
// can't be read; it has changed nothing.
func (t *Table) Apply(now time.Duration, m netlink.Message) (Changed, error) {
	t.init()
	t.now = max(t.now, now)
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
		changed, all, err := t.defaults.apply(m)
		if changed && t.setRouters() {
			all |= Locators
		}
		return all, err
	case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
		return t.applyNeighbour(m)
	case unix.RTM_NEWNDUSEROPT:
		return t.applyOption(now, m), nil
	}
	return 0, nil
}

func (t *Table) init() {
	if t.links != nil {
		return
	}
	t.links = map[uint32]link{}
	t.addresses = map[assignment]address{}
	t.routers = map[uint32][]router{}
	t.announced = map[uint32][]announcement{}
	t.heard = map[uint32]map[netip.Addr]time.Duration{}
	t.defaults = defaults{}
	t.failed = map[assignment]bool{}
	t.needsRouter = map[uint32]bool{}
}

// Dump takes over a dump of everything. The Table still knows which interfaces need a router, and
// what routers have announced, since no dump tells that.
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
	for index, list := range t.announced {
		if fresh.links[index].enabled {
			fresh.announced[index] = list
		}
	}
	for index, heard := range t.heard {
		if fresh.links[index].up {
			fresh.heard[index] = heard
		}
	}
	fresh.now = max(t.now, now)
	*t = *fresh
	return t.SetRoutes(routes)
}

// SetRoutes takes over a dump of all routes.
func (t *Table) SetRoutes(messages []netlink.Message) error {
	t.init()
	fresh := defaults{}
	var all specifics
	for _, m := range messages {
		var err error
		if isSpecific(m) {
			_, err = all.apply(m)
		} else {
			_, _, err = fresh.apply(m)
		}
		if err != nil {
			return err
		}
	}
	t.defaults, t.specifics = fresh, all
	t.setRouters()
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
		delete(t.announced, head.Index)
		delete(t.heard, head.Index)
		if had {
			t.setRouters()
			return Locators | Links, nil
		}
		return 0, nil
	}
	l := link{enabled: head.Flags&unix.IFF_UP != 0, up: head.Flags&linkUp == linkUp, loopback: head.Flags&unix.IFF_LOOPBACK != 0}
	ad, err := netlink.NewAttributeDecoder(m.Data[unix.SizeofIfInfomsg:])
	if err == nil {
		for ad.Next() {
			switch ad.Type() {
			case unix.IFLA_IFNAME:
				l.name = ad.String()
			case unix.IFLA_LINKINFO:
				l.port, l.vrf = masters(ad.Bytes())
			}
		}
		err = ad.Err()
	}
	if err != nil {
		return 0, fmt.Errorf("rtnetlink's message of a link can't be read: %w", err)
	}
	if l.port {
		l.enabled, l.up = false, false
	}
	if had && l == old {
		return 0, nil
	}
	if !l.enabled {
		// The kernel forgets its routers too.
		delete(t.announced, head.Index)
	}
	t.links[head.Index] = l
	if !l.up {
		// There may be another network behind the link when it is up again.
		delete(t.heard, head.Index)
	}
	if !had || l.up != old.up {
		// The kernel does not tell which routes it can't use meanwhile.
		t.setRouters()
	}
	if had && (l.enabled != old.enabled || l.vrf != old.vrf) {
		return Locators | Links, nil
	}
	return Locators, nil
}

// masters reads IFLA_LINKINFO. Packets that come by a port are its master's. A member of a VRF
// is no port: it keeps its addresses.
func masters(info []byte) (port, vrf bool) {
	attributes(info, func(kind uint16, v []byte) {
		name := string(bytes.TrimRight(v, "\x00"))
		switch kind {
		case unix.IFLA_INFO_KIND:
			vrf = vrf || name == "vrf"
		case unix.IFLA_INFO_SLAVE_KIND:
			vrf = vrf || name == "vrf"
			port = name != "vrf"
		}
	})
	return port, vrf
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
	_, had := t.addresses[key]
	t.addresses[key] = v
	if !had && len(t.heard[a.Index]) > 0 {
		// It may be the first one of a router that was heard before.
		t.setRouters()
	}
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
