// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"shim6/netlink"
)

// protocols are the names that policies take and show, beside numbers.
var protocols = map[string]uint8{
	"tcp": 6, "udp": 17, "dccp": 33, "gre": 47, "esp": 50, "ah": 51,
	"icmpv6": 58, "sctp": 132, "udplite": 136,
}

func parseProtocol(value string) (uint8, error) {
	if n, ok := protocols[value]; ok {
		return n, nil
	}
	n, err := strconv.ParseUint(value, 10, 8)
	if err != nil {
		return 0, fmt.Errorf("%q is neither a number from 0 to 255 nor one of the names tcp, udp, dccp, gre, esp, ah, icmpv6, sctp, udplite", value)
	}
	return uint8(n), nil
}

func protocolText(n uint8) string {
	for name, p := range protocols {
		if p == n {
			return name
		}
	}
	return strconv.Itoa(int(n))
}

// mark takes VALUE or VALUE/MASK, as 'ip rule' does.
func mark(p *netlink.Policy) key {
	return key{name: "mark", value: "N[/MASK]", set: func(value string) error {
		v, m, masked := strings.Cut(value, "/")
		if err := number("mark", 32, &p.Mark).set(v); err != nil || !masked {
			return err
		}
		return number("mark", 32, &p.MarkMask).set(m)
	}}
}

// policyKeys are what policy add takes. The keys with an explanation are conditions.
func policyKeys(p *netlink.Policy, action **netlink.PolicyAction) []key {
	return []key{
		number("preference", 32, &p.Preference),
		prefix("local", &p.Local).says("the local address is in it"),
		prefix("peer", &p.Peer).says("the peer's address is in it"),
		{name: "protocol", value: "NAME|N", help: "the protocol above IPv6", set: func(value string) error {
			n, err := parseProtocol(value)
			p.Protocol = &n
			return err
		}},
		number("port-local", 16, &p.PortLocal).says("the local port"),
		number("port-peer", 16, &p.PortPeer).says("the peer's port"),
		number("port", 16, &p.Port).says("one of both ports"),
		mark(p).says("the mark of the packet, of which MASK selects bits"),
		flag("mptcp", &p.MPTCP).says("the packet is of a connection of MPTCP"),
		enum("action", action),
		number("trigger-packets", 32, &p.TriggerPackets),
		duration("trigger-time", &p.TriggerTime),
	}
}

// policyObject has the names and units of netlink/shim6.yaml.
func policyObject(p netlink.Policy) object {
	var o object
	prefix := func(name string, p netip.Prefix) {
		if p.IsValid() {
			o = append(o, field{name, p.Addr()}, field{name + "-length", p.Bits()})
		}
	}
	add := func(name string, there bool, value any) {
		if there {
			o = append(o, field{name, value})
		}
	}
	add("preference", p.Preference != nil, p.Preference)
	prefix("local", p.Local)
	prefix("peer", p.Peer)
	add("protocol", p.Protocol != nil, p.Protocol)
	add("port-local", p.PortLocal != nil, p.PortLocal)
	add("port-peer", p.PortPeer != nil, p.PortPeer)
	add("port", p.Port != nil, p.Port)
	add("mark", p.Mark != nil, p.Mark)
	add("mark-mask", p.MarkMask != nil, p.MarkMask)
	add("mptcp", p.MPTCP, true)
	add("action", true, p.Action.String())
	add("trigger-packets", p.TriggerPackets != nil, p.TriggerPackets)
	if p.TriggerTime != nil {
		add("trigger-time", true, p.TriggerTime.Milliseconds())
	}
	return o
}

// policyText is a line of words that policy add takes.
func policyText(p netlink.Policy) string {
	s := fmt.Sprintf("preference %d", *p.Preference)
	if p.Local.IsValid() {
		s += fmt.Sprintf(" local %v", p.Local)
	}
	if p.Peer.IsValid() {
		s += fmt.Sprintf(" peer %v", p.Peer)
	}
	if p.Protocol != nil {
		s += " protocol " + protocolText(*p.Protocol)
	}
	for _, port := range []struct {
		name string
		n    *uint16
	}{{"port-local", p.PortLocal}, {"port-peer", p.PortPeer}, {"port", p.Port}} {
		if port.n != nil {
			s += fmt.Sprintf(" %s %d", port.name, *port.n)
		}
	}
	if p.Mark != nil {
		s += fmt.Sprintf(" mark %#x", *p.Mark)
		if p.MarkMask != nil && *p.MarkMask != 0xffffffff {
			s += fmt.Sprintf("/%#x", *p.MarkMask)
		}
	}
	if p.MPTCP {
		s += " mptcp"
	}
	s += " action " + p.Action.String()
	if p.TriggerPackets != nil {
		s += fmt.Sprintf(" trigger-packets %d", *p.TriggerPackets)
	}
	if p.TriggerTime != nil {
		s += " trigger-time " + timeText(*p.TriggerTime)
	}
	return s
}
