// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"shim6/daemon/control"
	"shim6/daemon/locator"
	"shim6/netlink"
)

func (p *patient) checkAddresses() {
	var err error
	if p.layout, err = p.host.layout(); err != nil {
		p.add("addresses", resultWarn, err.Error(), "")
	}
	if p.locators == nil {
		if p.locators, err = p.host.locators(p.config); err != nil {
			p.add("addresses", resultWarn, err.Error(), "")
			return
		}
	}
	prefixes, networks := p.prefixes(subnetBits), p.prefixes(networkBits)
	unproved := p.unproved(networks)
	switch {
	case len(prefixes) == 0:
		p.add("addresses", resultFail, "there is no address that could be a locator", "get a global one: "+p.whereAddresses())
	case len(prefixes) == 1:
		p.add("addresses", resultWarn, fmt.Sprintf("all locators are of one prefix, %v: the peer may have more, this host has nowhere to switch to", prefixes[0]),
			"get an address from a second provider")
	case len(networks) == 1:
		p.add("addresses", resultWarn, fmt.Sprintf("locators of %d prefixes, all of one network, %v: they mostly fail together, and then this host has nowhere to switch to",
			len(prefixes), networks[0]), "get an address from a second provider")
	case len(unproved) == 0:
		p.add("addresses", resultOK, fmt.Sprintf("locators of %d prefixes", len(prefixes)), "")
	case len(unproved) < len(networks):
		for _, n := range unproved {
			p.add("addresses", resultWarn, fmt.Sprintf("connections that begin at an address in %v are not protected: it proves no other address", n), p.proofAdvice(n))
		}
	}
	for _, l := range p.locators {
		if !l.Available || !l.Operational {
			p.add("addresses", resultWarn, fmt.Sprintf("%v is not used: %s", l.Address, l.Why), "")
		}
	}
	if len(networks) > 0 && len(unproved) == len(networks) {
		p.add("addresses", resultWarn, "no address proves another, so peers will switch to none", p.proofAdvice(networks[0]))
	}
}

// whereAddresses names the command that shows which addresses there are.
func (p *patient) whereAddresses() string {
	for _, a := range p.layout.addresses {
		if m := p.managerOf(a.Interface, a.Index); !a.Loopback && m.program != "" {
			return m.status(a.Interface) + " shows what " + m.program + " has heard of routers"
		}
	}
	return "'ip -6 addr' shows which there are"
}

// unproved are the networks of which no usable address proves others.
func (p *patient) unproved(networks []netip.Prefix) []netip.Prefix {
	var list []netip.Prefix
	for _, n := range networks {
		if !slices.ContainsFunc(p.locators, func(l control.Locator) bool {
			trusted := slices.ContainsFunc(p.config.Peers.TrustedPrefixes, func(x netip.Prefix) bool { return x.Contains(l.Address) })
			return n.Contains(l.Address) && l.Available && l.Operational && (l.HBA || l.CGA || trusted)
		}) {
			list = append(list, n)
		}
	}
	return list
}

// proofAdvice says how a network gets an address that proves others.
func (p *patient) proofAdvice(n netip.Prefix) string {
	const byHand = "make some with 'shim6tool hba generate', and name the file in [[set]] of "
	if !p.config.ManagesAddresses() {
		return "have shim6d make some, by manage in [addresses] of " + p.configPath() +
			", or make them with 'shim6tool hba generate', and name the file in [[set]]"
	}
	var there *locator.Assigned
	for i, a := range p.layout.addresses {
		if n.Contains(a.Address) && !a.Loopback {
			there = &p.layout.addresses[i]
			break
		}
	}
	switch {
	case there == nil:
	case len(p.layout.routers[there.Interface]) == 0:
		return fmt.Sprintf("%v was delegated or set by hand: no router announces a prefix on %s, from which shim6d makes addresses; %s%s",
			netip.PrefixFrom(there.Address, int(there.Bits)).Masked(), there.Interface, byHand, p.configPath())
	case there.Bits == hostBits:
		return fmt.Sprintf("%v came by DHCPv6 or by hand, and the router of %s announces no prefix in which hosts may make addresses, as shim6d does: "+
			"have it set the flag A (autonomous) of its prefix, which goes together with DHCPv6", there.Address, there.Interface)
	case there.ValidUntil == 0 && there.Flags&unix.IFA_F_MANAGETEMPADDR == 0:
		return fmt.Sprintf("%v was set by hand, or its router announces no prefix in which hosts may make addresses, as shim6d does: "+
			"have the router set the flag A (autonomous) of its prefix, or %s%s", there.Address, byHand, p.configPath())
	}
	return "shim6d makes them from the prefixes that routers announce: its log says what keeps it from that"
}

const (
	// subnetBits is the length of the prefix of one link.
	subnetBits = 64
	// networkBits is the length of the prefix that a provider gives a customer. shim6d counts
	// the networks of a Protection by it, since prefixes of one network mostly fail together.
	networkBits = 48
	// hostBits is the length of the prefix of an address that is alone.
	hostBits = 128
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

// checkSessions finds contexts that have no other pair to go to, or none if a provider of this host
// failed although the host has another one.
func (p *patient) checkSessions() {
	all := p.protections(p.contexts)
	networks := p.prefixes(networkBits)
	protected, told := 0, 0
	tell := func(x control.Protection) {
		if told++; told <= maxProbed {
			p.add("sessions", resultWarn, nameText(x.Name)+" is "+x.Text, "'shim6tool locator' shows what this host has, and shim6d.conf(5), source, where connections begin")
		}
	}
	for _, c := range p.contexts {
		x, ok := all[nameOf(c.ULIDs)]
		switch {
		case !ok:
		case x.Protected && (x.NetworksLocal > 1 || len(networks) < 2):
			protected++
		default:
			tell(x)
		}
	}
	for _, x := range p.lackingFlows() {
		tell(x)
	}
	if told > maxProbed {
		p.add("sessions", resultWarn, fmt.Sprintf("%d more are not protected", told-maxProbed), "'shim6tool context' and 'shim6tool flow' say why of each")
	}
	if told == 0 && len(all) > 0 {
		p.add("sessions", resultOK, fmt.Sprintf("all contexts that were checked, %d, have another provider to go to", protected), "")
	}
}

// lackingFlows are the pairs for which shim6d was asked for a context that this host can't protect,
// whatever the peer has. Many peers have no Shim6, which is no fault of this host.
func (p *patient) lackingFlows() []control.Protection {
	if there, err := p.loaded(p.netns); err != nil || !there {
		return nil
	}
	var list []netlink.Flow
	// Without rights there is no list, as checkPeers says.
	_ = p.with(func(c client) (err error) {
		list, err = c.Flows()
		return err
	})
	list = slices.DeleteFunc(list, func(f netlink.Flow) bool { return f.Asked == nil })
	sortFlows(list)
	all := p.flowProtections(list)
	var lacking []control.Protection
	for _, f := range list {
		if x, ok := all[flowName(f)]; ok && x.LackLocal != "" {
			lacking = append(lacking, x)
		}
	}
	return lacking
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
	if len(pairs) == 1 && !pairs[0].Local.IsValid() && !p.checkPairs(pairs[0].Peer) {
		if all := p.fromAll(pairs[0].Peer); all != nil {
			pairs = all
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
