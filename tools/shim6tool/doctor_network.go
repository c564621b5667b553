// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"shim6/daemon/control"
	"shim6/netlink"
)

func (p *patient) checkAddresses() {
	if p.locators == nil {
		var err error
		if p.locators, err = p.host.locators(p.config); err != nil {
			p.add("addresses", resultWarn, err.Error(), "")
			return
		}
	}
	var unused []string
	for _, l := range p.locators {
		if !l.Available || !l.Operational {
			unused = append(unused, fmt.Sprintf("%v is not used: %s", l.Address, l.Why))
		}
	}
	prefixes, networks := p.prefixes(subnetBits), p.prefixes(networkBits)
	switch {
	case len(prefixes) == 0:
		p.add("addresses", resultFail, "there is no address that could be a locator", "get a global one: 'ip -6 addr' shows which there are")
	case len(prefixes) == 1:
		p.add("addresses", resultWarn, fmt.Sprintf("all locators are of one prefix, %v: the peer may have more, this host has nowhere to switch to", prefixes[0]),
			"get an address from a second provider")
	case len(networks) == 1:
		p.add("addresses", resultOK, fmt.Sprintf("locators of %d prefixes, all of one network, %v", len(prefixes), networks[0]), "")
	default:
		p.add("addresses", resultOK, fmt.Sprintf("locators of %d prefixes", len(prefixes)), "")
	}
	for _, u := range unused {
		p.add("addresses", resultWarn, u, "")
	}
	proved := func(l control.Locator) bool { return l.HBA || l.CGA }
	if len(p.locators) > 0 && !slices.ContainsFunc(p.locators, proved) && len(p.config.Peers.TrustedPrefixes) == 0 {
		remedy := "have shim6d make some, by manage in [addresses] of " + p.configPath() +
			", or make them with 'shim6tool hba generate', and name the file in [[set]]"
		if p.config.ManagesAddresses() {
			remedy = "shim6d makes them from the prefixes that routers announce: its log says what keeps it from that"
		}
		p.add("addresses", resultWarn, "no address proves another, so peers will switch to none", remedy)
	}
}

const (
	// subnetBits is the length of the prefix of one link.
	subnetBits = 64
	// networkBits is the length of the prefix that a provider gives a customer. shim6d counts
	// the networks of a Protection by it, since prefixes of one network mostly fail together.
	networkBits = 48
)

// prefixes returns the prefixes of a length that the usable locators have.
func (p *patient) prefixes(bits int) []netip.Prefix {
	var list []netip.Prefix
	for _, l := range p.locators {
		if x := netip.PrefixFrom(l.Address, bits).Masked(); l.Available && l.Operational && !slices.Contains(list, x) {
			list = append(list, x)
		}
	}
	return list
}

// somewhere is an address for documentation (RFC 9637): packets to it take the default route.
var somewhere = netip.MustParseAddr("3fff::1")

// checkRoutes finds addresses whose packets leave by another provider, which may drop them (RFC
// 3704).
func (p *patient) checkRoutes(pairs []netlink.ULIDs) {
	for _, c := range p.contexts {
		pairs = append(pairs, netlink.ULIDs{Local: c.LocatorLocal, Peer: c.LocatorPeer})
	}
	bad, good := 0, 0
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
			destinations = []netip.Addr{somewhere}
		}
		for _, to := range destinations {
			name, err := p.host.route(l.Address, to)
			switch {
			case err != nil && to == somewhere:
				bad++
				p.add("routes", resultWarn, fmt.Sprintf("no default route for %v: %v", l.Address, err), "")
			case err != nil:
				bad++
				p.add("routes", resultWarn, fmt.Sprintf("no route from %v to %v: %v", l.Address, to, err), "")
			case name != l.Interface && name != "lo":
				bad++
				p.add("routes", resultWarn, fmt.Sprintf("packets from %v to %v leave by %s, not by its own %s, where the provider may drop them", l.Address, to, name, l.Interface),
					fmt.Sprintf("route by source: 'ip -6 route add default from %v via ROUTER dev %s'", netip.PrefixFrom(l.Address, 64).Masked(), l.Interface))
			default:
				good++
			}
		}
	}
	if bad == 0 && good > 0 {
		p.add("routes", resultOK, "each address leaves by its own interface", "")
	}
}

// checkSessions finds contexts that have no other pair to go to, or none if a provider of this host
// failed although the host has another one.
func (p *patient) checkSessions() {
	all := p.protections(p.contexts)
	if len(all) == 0 {
		return
	}
	networks := p.prefixes(networkBits)
	protected, told := 0, 0
	for _, c := range p.contexts {
		x, ok := all[nameOf(c.ULIDs)]
		switch {
		case !ok:
		case x.Protected && (x.NetworksLocal > 1 || len(networks) < 2):
			protected++
		default:
			if told++; told <= maxProbed {
				p.add("sessions", resultWarn, nameText(x.Name)+" is "+x.Text, "'shim6tool locator' shows what this host has, and shim6d.conf(5), source, where connections begin")
			}
		}
	}
	if told > maxProbed {
		p.add("sessions", resultWarn, fmt.Sprintf("%d more are not protected", told-maxProbed), "'shim6tool context' says why of each")
	}
	if told == 0 {
		p.add("sessions", resultOK, fmt.Sprintf("all contexts that were checked, %d, have another provider to go to", protected), "")
	}
}

func (p *patient) checkPeers(pairs []netlink.ULIDs) {
	if !p.host.capable(unix.CAP_NET_RAW) {
		p.add("peer", resultWarn, "a probe of protocol 140 takes CAP_NET_RAW", "run doctor as root")
		return
	}
	if pairs == nil {
		for _, c := range p.contexts {
			pair := netlink.ULIDs{Local: c.LocatorLocal, Peer: c.LocatorPeer}
			if !slices.Contains(pairs, pair) && len(pairs) < maxProbed {
				pairs = append(pairs, pair)
			}
		}
	}
	if len(pairs) == 0 {
		p.add("peer", resultOK, "there is no context, so none was tried", "'shim6tool doctor peer ADDRESS' tries one")
	}
	for _, u := range pairs {
		x, err := p.probe(u.Local, u.Peer)
		if err != nil {
			p.add("peer", resultFail, fmt.Sprintf("%v: %v", u.Peer, err), "")
			continue
		}
		v := x.verdict()
		p.add("peer", v.result, fmt.Sprintf("from %v to %v %s", x.local, x.peer, v.text), v.advice)
	}
}
