// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"net/netip"
	"slices"

	"shim6/daemon/control"
	"shim6/daemon/locator"
	"shim6/netlink"
)

// somewhere are addresses for documentation (RFC 9637): packets to them take the default route. They
// are several, since a route may have several routers, of which each destination has one.
var somewhere = func() (list []netip.Addr) {
	for a := netip.MustParseAddr("3fff::1"); len(list) < 8; a = a.Next() {
		list = append(list, a)
	}
	return list
}()

// layout is how the host hangs on its links.
type layout struct {
	addresses []locator.Assigned
	// routers are the default routers of each interface that has some.
	routers map[string][]netip.Addr
}

// way is how a packet leaves.
type way struct {
	name   string     // of the interface
	router netip.Addr // invalid if the destination is on the link
}

// assigned is an address as its interface has it; the zero value if it is not known.
func (l *layout) assigned(a control.Locator) locator.Assigned {
	for _, x := range l.addresses {
		if x.Address == a.Address && x.Interface == a.Interface {
			return x
		}
	}
	return locator.Assigned{}
}

// index is the number of an interface, 0 if it is not known.
func (l *layout) index(name string) uint32 {
	for _, x := range l.addresses {
		if x.Interface == name {
			return x.Index
		}
	}
	return 0
}

// uplinks are the interfaces by which packets from an address should leave: its own, if that has a
// router. Otherwise the prefix was delegated to this host, which is the router of its own link, and
// packets should leave by the interfaces with addresses of the same provider. An empty list means that
// nothing is known of that.
func (l *layout) uplinks(a control.Locator) []string {
	if len(l.routers) == 0 || len(l.routers[a.Interface]) > 0 {
		return []string{a.Interface}
	}
	provider := netip.PrefixFrom(a.Address, networkBits).Masked()
	var list []string
	for _, x := range l.addresses {
		if len(l.routers[x.Interface]) > 0 && provider.Contains(x.Address) && !slices.Contains(list, x.Interface) {
			list = append(list, x.Interface)
		}
	}
	return list
}

// source is the prefix whose packets are to leave as those of an address do. An address that is alone,
// as DHCPv6 gives it, says nothing of others.
func (l *layout) source(a control.Locator) netip.Prefix {
	bits := subnetBits
	if x := l.assigned(a); x.Bits > 0 {
		bits = int(x.Bits)
	}
	return netip.PrefixFrom(a.Address, bits).Masked()
}

// checkRoutes finds addresses whose packets leave by another provider, which may drop them (RFC
// 3704).
func (p *patient) checkRoutes(pairs []netlink.ULIDs) {
	for _, c := range p.contexts {
		pairs = append(pairs, netlink.ULIDs{Local: c.LocatorLocal, Peer: c.LocatorPeer})
	}
	bad, good := 0, 0
	var ways []way
	for _, l := range p.locators {
		if !l.Available || !l.Operational || l.Interface == "lo" {
			continue
		}
		var destinations []netip.Addr
		for _, u := range pairs {
			if (u.Local == l.Address || !u.Local.IsValid()) && !slices.Contains(destinations, u.Peer) && len(destinations) < maxProbed {
				destinations = append(destinations, u.Peer)
			}
		}
		if destinations == nil {
			destinations = somewhere
		}
		uplinks := p.layout.uplinks(l)
		wrong := bad
		for _, to := range destinations {
			if bad > wrong {
				break
			}
			w, err := p.host.route(l.Address, to)
			switch {
			case err != nil && slices.Contains(somewhere, to):
				bad++
				p.add("routes", resultWarn, fmt.Sprintf("no default route for %v: %v", l.Address, err),
					p.managerOf(l.Interface, p.layout.index(l.Interface)).status(l.Interface)+" shows whether a router was heard")
			case err != nil:
				bad++
				p.add("routes", resultWarn, fmt.Sprintf("no route from %v to %v: %v", l.Address, to, err), "")
			case len(uplinks) > 0 && !slices.Contains(uplinks, w.name) && w.name != "lo":
				bad++
				p.wrongWay(l, to, w, uplinks[0])
			default:
				good++
				ways = append(ways, w)
			}
		}
	}
	if bad > 0 || good == 0 {
		return
	}
	if w := ways[0]; w.router.IsValid() && len(p.prefixes(networkBits)) > 1 && !slices.ContainsFunc(ways, func(x way) bool { return x != w }) {
		p.add("routes", resultWarn, fmt.Sprintf("all addresses leave by one router, %v on %s: if it fails, there is nowhere to go", w.router, w.name),
			"have the second provider's router announce itself to this host as well: 'ip -6 route show default' shows which are heard")
		return
	}
	p.add("routes", resultOK, "each address leaves by its own interface", "")
}

// wrongWay tells of an address whose packets leave by the wrong interface.
func (p *patient) wrongWay(l control.Locator, to netip.Addr, w way, uplink string) {
	own := "its own " + uplink
	if uplink != l.Interface {
		own = uplink + ", whose provider has delegated its prefix"
	}
	router := "ROUTER"
	if list := p.layout.routers[uplink]; len(list) > 0 && list[0].IsValid() {
		router = list[0].String()
	}
	index := p.layout.index(uplink)
	p.add("routes", resultWarn, fmt.Sprintf("packets from %v to %v leave by %s, not by %s, where the provider may drop them", l.Address, to, w.name, own),
		p.managerOf(uplink, index).routeBySource(p.layout.source(l), router, uplink, index))
}
