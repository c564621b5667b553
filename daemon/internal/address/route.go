// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/locator"
)

// Rule has packets with a source in a prefix routed by a table: so they leave by the router
// that has announced the prefix (RFC 8028, section 3.3).
type Rule struct {
	Source   cga.SubnetPrefix
	Priority uint32
	Table    uint32
	// Specific: the default routes of the table are passed over. Only older versions have
	// made such rules.
	Specific bool
	// Unbound: the rule is also for packets whose source is still to be chosen, if by this
	// table it would be one in the prefix.
	Unbound bool
	// Unsourced: it is for packets that have no source address yet, in place of Source.
	Unsourced bool
}

// findSource is FIB_RULE_FIND_SADDR of linux/fib_rules.h.
const findSource = 0x10000

// global are the addresses that are in use on the Internet. No rule can be for packets without a
// source, but one can be for packets whose source is not in a prefix.
var global = netip.MustParsePrefix("2000::/3")

// Route is a route in a table of a link.
type Route struct {
	Table uint32
	Index uint32
	// Router is invalid on a link that needs none.
	Router netip.Addr
	Metric uint32
	// Destination is invalid for a default route.
	Destination netip.Prefix
	// Throw leaves the decision to the rules that come after. There is no Index then.
	Throw bool
}

// AddRule, DeleteRule, AddRoute and DeleteRoute are Actions.
type (
	AddRule     Rule
	DeleteRule  Rule
	AddRoute    Route
	DeleteRoute Route
)

const created = netlink.Create | netlink.Excl

// Message is RTM_NEWRULE.
func (r AddRule) Message() netlink.Message {
	return Rule(r).message(unix.RTM_NEWRULE, created)
}

// Message is RTM_DELRULE.
func (r DeleteRule) Message() netlink.Message { return Rule(r).message(unix.RTM_DELRULE, 0) }

func (r AddRule) String() string    { return "rule add " + Rule(r).String() }
func (r DeleteRule) String() string { return "rule delete " + Rule(r).String() }

func (r Rule) String() string {
	s := fmt.Sprintf("from %v lookup %d priority %d", r.Source, r.Table, r.Priority)
	if r.Unsourced {
		s = fmt.Sprintf("not from %v lookup %d priority %d", global, r.Table, r.Priority)
	}
	if r.Specific {
		s += fmt.Sprintf(" suppress_prefixlength %d", locator.DefaultBits)
	}
	if r.Unbound {
		s += " find_saddr"
	}
	return s
}

func (r Rule) message(kind netlink.HeaderType, flags netlink.HeaderFlags) netlink.Message {
	source := net.IP(r.Source.Prefix().Addr().AsSlice())
	if r.Unsourced {
		source = global.Addr().AsSlice()
	}
	m := &rtnetlink.RuleMessage{
		Family: unix.AF_INET6, SrcLength: subnetBits, Action: unix.FR_ACT_TO_TBL,
		Attributes: &rtnetlink.RuleAttributes{Src: &source, Priority: &r.Priority, Table: &r.Table, Protocol: new(uint8)},
	}
	*m.Attributes.Protocol = locator.Protocol
	if r.Unsourced {
		m.SrcLength, m.Flags = uint8(global.Bits()), unix.FIB_RULE_INVERT
	}
	if r.Specific {
		m.Attributes.SuppressPrefixLen = new(uint32)
		*m.Attributes.SuppressPrefixLen = locator.DefaultBits
	}
	if r.Unbound {
		m.Flags = findSource
	}
	return netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Acknowledge | flags}, Data: marshal(m)}
}

// parseRule reads a rule of ours; of others it knows nothing. rtnetlink.RuleMessage refuses
// rules with attributes that it does not know, which a newer kernel may have.
func parseRule(m netlink.Message) (r Rule, ok bool) {
	var head rtnetlink.RuleMessage
	if m.Header.Type != unix.RTM_NEWRULE && m.Header.Type != unix.RTM_DELRULE || len(m.Data) < ruleHeaderLen || head.UnmarshalBinary(m.Data[:ruleHeaderLen]) != nil ||
		head.Family != unix.AF_INET6 {
		return r, false
	}
	r.Unsourced = int(head.SrcLength) == global.Bits() && head.Flags&unix.FIB_RULE_INVERT != 0
	if head.SrcLength != subnetBits && !r.Unsourced {
		return r, false
	}
	r.Unbound = head.Flags&findSource != 0
	ad, err := netlink.NewAttributeDecoder(m.Data[ruleHeaderLen:])
	if err != nil {
		return r, false
	}
	for ad.Next() {
		switch b := ad.Bytes(); {
		case ad.Type() == unix.FRA_SRC && len(b) == 16 && !r.Unsourced:
			r.Source = cga.SubnetPrefix(b[:8])
		case ad.Type() == unix.FRA_PRIORITY && len(b) == 4:
			r.Priority = ad.Uint32()
		case ad.Type() == unix.FRA_TABLE && len(b) == 4:
			r.Table = ad.Uint32()
		case ad.Type() == unix.FRA_SUPPRESS_PREFIXLEN && len(b) == 4:
			r.Specific = ad.Uint32() == locator.DefaultBits
		case ad.Type() == unix.FRA_PROTOCOL && len(b) == 1:
			ok = ad.Uint8() == locator.Protocol
		}
	}
	return r, ok && ad.Err() == nil
}

// ruleHeaderLen is the length of struct fib_rule_hdr.
const ruleHeaderLen = 12

// Message is RTM_NEWROUTE.
func (r AddRoute) Message() netlink.Message {
	return Route(r).message(unix.RTM_NEWROUTE, created)
}

// Message is RTM_DELROUTE.
func (r DeleteRoute) Message() netlink.Message { return Route(r).message(unix.RTM_DELROUTE, 0) }

func (r AddRoute) String() string    { return "route add " + Route(r).String() }
func (r DeleteRoute) String() string { return "route delete " + Route(r).String() }

func (r Route) String() string {
	s := "default "
	if r.Destination.IsValid() {
		s = r.Destination.String() + " "
	}
	if r.Throw {
		return fmt.Sprintf("throw %stable %d metric %d", s, r.Table, r.Metric)
	}
	if r.Router.IsValid() {
		s += fmt.Sprintf("via %v ", r.Router)
	}
	return s + fmt.Sprintf("dev %d table %d metric %d", r.Index, r.Table, r.Metric)
}

func (r Route) message(kind netlink.HeaderType, flags netlink.HeaderFlags) netlink.Message {
	m := &rtnetlink.RouteMessage{
		Family: unix.AF_INET6, Protocol: locator.Protocol, Type: unix.RTN_UNICAST,
		Attributes: rtnetlink.RouteAttributes{Table: r.Table, Priority: r.Metric},
	}
	if r.Throw {
		m.Type = unix.RTN_THROW
	} else {
		m.Attributes.OutIface = r.Index
	}
	if r.Router.IsValid() {
		m.Attributes.Gateway = r.Router.AsSlice()
	}
	var destination []byte
	if r.Destination.IsValid() {
		m.DstLength = uint8(r.Destination.Bits())
		// Not by m: it would make an IPv4 address of ::ffff:0:0/96.
		destination = attributes(func(e *netlink.AttributeEncoder) { e.Bytes(unix.RTA_DST, r.Destination.Addr().AsSlice()) })
	}
	if r.Router.IsValid() && !r.Router.IsLinkLocalUnicast() {
		// The main table knows whether the router is on the link: some are outside of all
		// prefixes there.
		m.Flags = unix.RTNH_F_ONLINK
	}
	return netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Acknowledge | flags}, Data: append(marshal(m), destination...),
	}
}

// parseRoute reads a route of ours; of others it knows nothing.
func parseRoute(m netlink.Message) (r Route, ok bool) {
	if m.Header.Type != unix.RTM_NEWROUTE && m.Header.Type != unix.RTM_DELROUTE || len(m.Data) < unix.SizeofRtMsg {
		return r, false
	}
	// There may be very many routes of others: these are recognized by the header.
	var t rtnetlink.RouteMessage
	if t.UnmarshalBinary(m.Data[:unix.SizeofRtMsg]) != nil || t.Family != unix.AF_INET6 || t.Protocol != locator.Protocol ||
		t.Flags&unix.RTM_F_CLONED != 0 || t.UnmarshalBinary(m.Data) != nil {
		return r, false
	}
	r = Route{Table: t.Attributes.Table, Metric: t.Attributes.Priority, Throw: t.Type == unix.RTN_THROW}
	if !r.Throw {
		// The kernel gives the loopback to a throw.
		r.Index = t.Attributes.OutIface
	}
	r.Router, _ = netip.AddrFromSlice(t.Attributes.Gateway)
	if a, ok := netip.AddrFromSlice(t.Attributes.Dst); ok && t.DstLength > 0 {
		r.Destination = netip.PrefixFrom(a, int(t.DstLength))
	}
	return r, true
}

// marshal encodes a message.
func marshal(m rtnetlink.Message) []byte {
	b, err := m.MarshalBinary()
	if err != nil {
		// No address of ours is invalid, and no attribute too long.
		panic("address: " + err.Error())
	}
	return b
}

// Routes are those that have our mark; nil if they have not been read.
type Routes map[Route]struct{}

// Apply takes over a message about a route, and reports whether it has changed one of
// ours.
func (s Routes) Apply(m netlink.Message) bool {
	if s == nil {
		return false
	}
	r, ok := parseRoute(m)
	if !ok {
		return false
	}
	_, there := s[r]
	if m.Header.Type == unix.RTM_DELROUTE {
		delete(s, r)
		return there
	}
	s[r] = struct{}{}
	return !there
}
