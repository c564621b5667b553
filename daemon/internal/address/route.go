// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/locator"
)

// Rule sends packets with a source in a prefix to a routing table: so they leave by
// the router that has announced it (RFC 8028, section 3.3).
type Rule struct {
	Source   cga.SubnetPrefix
	Priority uint32
	Table    uint32
	// Specific passes over the default routes of the table. No rule is made so
	// any more.
	Specific bool
}

// Route is a route in the table of a link.
type Route struct {
	Table uint32
	Index uint32
	// Router is invalid on a link that needs none.
	Router netip.Addr
	Metric uint32
	// Destination is invalid for a default route.
	Destination netip.Prefix
	// Throw has the rules that come after decide; there is no Index then.
	Throw bool
}

// AddRule, DeleteRule, AddRoute and DeleteRoute are Actions.
type (
	AddRule     Rule
	DeleteRule  Rule
	AddRoute    Route
	DeleteRoute Route
)

// What linux/fib_rules.h has.
const (
	fraSrc               = 2
	fraPriority          = 6
	fraSuppressPrefixLen = 14
	fraTable             = 15
	fraProtocol          = 21
	actionToTable        = 1
	ruleHeaderLen        = 12
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
	if r.Specific {
		s += fmt.Sprintf(" suppress_prefixlength %d", locator.DefaultBits)
	}
	return s
}

func (r Rule) message(kind netlink.HeaderType, flags netlink.HeaderFlags) netlink.Message {
	b := []byte{unix.AF_INET6, 0, subnetBits, 0, unix.RT_TABLE_UNSPEC, 0, 0, actionToTable, 0, 0, 0, 0}
	b = append(b, attributes(func(e *netlink.AttributeEncoder) {
		e.Bytes(fraSrc, r.Source.Prefix().Addr().AsSlice())
		e.Uint32(fraPriority, r.Priority)
		e.Uint32(fraTable, r.Table)
		e.Uint8(fraProtocol, locator.Protocol)
		if r.Specific {
			e.Uint32(fraSuppressPrefixLen, locator.DefaultBits)
		}
	})...)
	return netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Acknowledge | flags}, Data: b}
}

// parseRule reads a rule of ours; of others it knows nothing.
func parseRule(m netlink.Message) (r Rule, ok bool) {
	if m.Header.Type != unix.RTM_NEWRULE || len(m.Data) < ruleHeaderLen || m.Data[0] != unix.AF_INET6 {
		return r, false
	}
	ad, err := netlink.NewAttributeDecoder(m.Data[ruleHeaderLen:])
	if err != nil {
		return r, false
	}
	for ad.Next() {
		switch b := ad.Bytes(); {
		case ad.Type() == fraSrc && len(b) == 16:
			r.Source = cga.SubnetPrefix(b[:8])
		case ad.Type() == fraPriority && len(b) == 4:
			r.Priority = ad.Uint32()
		case ad.Type() == fraTable && len(b) == 4:
			r.Table = ad.Uint32()
		case ad.Type() == fraSuppressPrefixLen && len(b) == 4:
			r.Specific = ad.Uint32() == locator.DefaultBits
		case ad.Type() == fraProtocol && len(b) == 1:
			ok = ad.Uint8() == locator.Protocol
		}
	}
	return r, ok && ad.Err() == nil && m.Data[2] == subnetBits
}

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
	// rtmsg
	b := []byte{unix.AF_INET6, 0, 0, 0, unix.RT_TABLE_UNSPEC, locator.Protocol, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST, 0, 0, 0, 0}
	if r.Destination.IsValid() {
		b[dstLenAt] = byte(r.Destination.Bits())
	}
	if r.Throw {
		b[typeAt] = unix.RTN_THROW
	}
	if r.Destination.IsValid() && r.Router.IsValid() && !r.Router.IsLinkLocalUnicast() {
		// Whether the router is on the link, the main table has been told.
		binary.NativeEndian.PutUint32(b[flagsAt:], unix.RTNH_F_ONLINK)
	}
	b = append(b, attributes(func(e *netlink.AttributeEncoder) {
		e.Uint32(unix.RTA_TABLE, r.Table)
		e.Uint32(unix.RTA_PRIORITY, r.Metric)
		if !r.Throw {
			e.Uint32(unix.RTA_OIF, r.Index)
		}
		if r.Destination.IsValid() {
			e.Bytes(unix.RTA_DST, r.Destination.Addr().AsSlice())
		}
		if r.Router.IsValid() {
			e.Bytes(unix.RTA_GATEWAY, r.Router.AsSlice())
		}
	})...)
	return netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Acknowledge | flags}, Data: b}
}

// The places of what is read and written of a rtmsg.
const (
	dstLenAt   = 1
	protocolAt = 5
	typeAt     = 7
	flagsAt    = 8
)

// parseRoute reads a route of ours; of others it knows nothing.
func parseRoute(m netlink.Message) (r Route, ok bool) {
	if m.Header.Type != unix.RTM_NEWROUTE && m.Header.Type != unix.RTM_DELROUTE || len(m.Data) < unix.SizeofRtMsg ||
		m.Data[0] != unix.AF_INET6 || m.Data[protocolAt] != locator.Protocol ||
		binary.NativeEndian.Uint32(m.Data[flagsAt:])&unix.RTM_F_CLONED != 0 {
		return r, false
	}
	ad, err := netlink.NewAttributeDecoder(m.Data[unix.SizeofRtMsg:])
	if err != nil {
		return r, false
	}
	r.Throw = m.Data[typeAt] == unix.RTN_THROW
	for ad.Next() {
		switch b := ad.Bytes(); {
		case ad.Type() == unix.RTA_GATEWAY:
			r.Router, _ = netip.AddrFromSlice(b)
		case ad.Type() == unix.RTA_DST:
			if a, ok := netip.AddrFromSlice(b); ok && m.Data[dstLenAt] > 0 {
				r.Destination = netip.PrefixFrom(a, int(m.Data[dstLenAt]))
			}
		case len(b) != 4:
		case ad.Type() == unix.RTA_TABLE:
			r.Table = binary.NativeEndian.Uint32(b)
		case ad.Type() == unix.RTA_OIF && !r.Throw:
			// That of a throw is the loopback, by the kernel's choice.
			r.Index = binary.NativeEndian.Uint32(b)
		case ad.Type() == unix.RTA_PRIORITY:
			r.Metric = binary.NativeEndian.Uint32(b)
		}
	}
	return r, ad.Err() == nil
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
