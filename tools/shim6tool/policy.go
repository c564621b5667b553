// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"shim6/netlink"
)

// protocols are the names that policies show and take besides numbers.
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

// mark takes VALUE or VALUE/MASK, as ip rule does.
func mark(p *netlink.Policy) key {
	return key{name: "mark", set: func(value string) error {
		v, m, masked := strings.Cut(value, "/")
		if err := number("mark", 32, &p.Mark).set(v); err != nil || !masked {
			return err
		}
		return number("mark", 32, &p.MarkMask).set(m)
	}}
}

func policyKeys(p *netlink.Policy, action **netlink.PolicyAction) []key {
	return []key{
		number("preference", 32, &p.Preference),
		prefix("local", &p.Local),
		prefix("peer", &p.Peer),
		{name: "protocol", set: func(value string) error {
			n, err := parseProtocol(value)
			p.Protocol = &n
			return err
		}},
		number("port-local", 16, &p.PortLocal),
		number("port-peer", 16, &p.PortPeer),
		number("port", 16, &p.Port),
		mark(p),
		{name: "mptcp", flag: true, set: func(string) error {
			p.MPTCP = true
			return nil
		}},
		enum("action", action),
		number("trigger-packets", 32, &p.TriggerPackets),
		duration("trigger-time", &p.TriggerTime),
	}
}

func (t *tool) policyAdd(args []string) error {
	var p netlink.Policy
	var action *netlink.PolicyAction
	if _, err := parseKeys("key of policy", policyKeys(&p, &action), args); err != nil {
		return err
	}
	if action == nil {
		return usageError("policy add needs an action: shim, ignore or bypass")
	}
	p.Action = *action
	return t.with(func(c client) error { return c.NewPolicy(p) })
}

func (t *tool) policyDel(args []string) error {
	var preference *uint32
	if _, err := parseKeys("key of policy", []key{number("preference", 32, &preference)}, args); err != nil {
		return err
	}
	if preference == nil {
		return usageError("policy del needs the preference of the rule")
	}
	return t.with(func(c client) error { return c.DeletePolicy(*preference) })
}

func (t *tool) policyFlush(args []string) error {
	if len(args) > 0 {
		return usageError(fmt.Sprintf("policy flush takes no %q", args[0]))
	}
	return t.with(client.FlushPolicies)
}

func (t *tool) policyShow(args []string) error {
	if len(args) > 0 {
		return usageError(fmt.Sprintf("policy show takes no %q", args[0]))
	}
	var list []netlink.Policy
	err := t.with(func(c client) (err error) {
		list, err = c.Policies()
		return err
	})
	if err != nil && !errors.Is(err, netlink.ErrInterrupted) {
		return err
	}
	if t.json {
		var objects []object
		for _, p := range list {
			objects = append(objects, policyObject(p))
		}
		return errors.Join(t.printJSON(objects), err)
	}
	for _, p := range list {
		fmt.Fprintln(t.out, policyText(p))
	}
	return err
}

// policyObject has the names and units of shim6.yaml.
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

// policyText is a line that policy add takes back.
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

func (t *tool) statsShow(args []string) error {
	if len(args) > 0 {
		return usageError(fmt.Sprintf("stats show takes no %q", args[0]))
	}
	var stats []netlink.Stat
	if err := t.with(func(c client) (err error) {
		stats, err = c.Stats()
		return err
	}); err != nil {
		return err
	}
	if t.json {
		var o object
		for _, s := range stats {
			o = append(o, field{s.Name, s.Value})
		}
		return t.printJSON([]object{o})
	}
	for _, s := range stats {
		fmt.Fprintf(t.out, "%-20s%d\n", s.Name, s.Value)
	}
	return nil
}
