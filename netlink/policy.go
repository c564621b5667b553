// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
)

// Policy is a rule that says what becomes of a packet that this host sends;
// the first that fits, by ascending preference, decides. A nil field, an
// invalid prefix and false fit everything.
type Policy struct {
	// Preference is the place among the rules. In NewPolicy nil stands for
	// one before all others.
	Preference *uint32
	// Local and Peer are prefixes of the ULIDs.
	Local, Peer netip.Prefix
	// Protocol is an upper-layer protocol number.
	Protocol *uint8
	// Port is either port.
	PortLocal, PortPeer, Port *uint16
	// Mark is the firewall mark, of which MarkMask says what is compared.
	Mark, MarkMask *uint32
	// MPTCP fits TCP sockets that belong to an MPTCP connection.
	MPTCP  bool
	Action PolicyAction
	// TriggerPackets and TriggerTime stand in place of the configuration's.
	TriggerPackets *uint32
	TriggerTime    *time.Duration
}

// NewPolicy adds a rule. A preference that is taken is an fs.ErrExist.
func (c *Client) NewPolicy(p Policy) error {
	return c.change(cmdPolicyNew, policyAttributes, func(e *encoder) { e.policy(p) })
}

// DeletePolicy deletes the rule at a preference. If there is none it is an
// fs.ErrNotExist.
func (c *Client) DeletePolicy(preference uint32) error {
	return c.change(cmdPolicyDel, policyAttributes, func(e *encoder) {
		e.Uint32(attrPolicyPreference, preference)
	})
}

// FlushPolicies deletes all rules, those that a namespace begins with too.
func (c *Client) FlushPolicies() error {
	return c.change(cmdPolicyFlush, nil, func(*encoder) {})
}

// Policies returns all rules, by ascending preference. With ErrInterrupted it
// returns what it has read.
func (c *Client) Policies() ([]Policy, error) {
	return dump(c, cmdPolicyGet, policyAttributes, func(*encoder) {}, parsePolicy)
}

func (e *encoder) policy(p Policy) {
	u16 := func(attr uint16, v *uint16) {
		if v != nil {
			e.Uint16(attr, *v)
		}
	}
	u32 := func(attr uint16, v *uint32) {
		if v != nil {
			e.Uint32(attr, *v)
		}
	}
	prefix := func(addr, length uint16, p netip.Prefix) {
		if p != (netip.Prefix{}) {
			e.addr(addr, p.Addr())
			e.Uint8(length, uint8(p.Bits()))
		}
	}
	u32(attrPolicyPreference, p.Preference)
	prefix(attrPolicyLocal, attrPolicyLocalLength, p.Local)
	prefix(attrPolicyPeer, attrPolicyPeerLength, p.Peer)
	if p.Protocol != nil {
		e.Uint8(attrPolicyProtocol, *p.Protocol)
	}
	u16(attrPolicyPortLocal, p.PortLocal)
	u16(attrPolicyPortPeer, p.PortPeer)
	u16(attrPolicyPort, p.Port)
	u32(attrPolicyMark, p.Mark)
	u32(attrPolicyMarkMask, p.MarkMask)
	e.Flag(attrPolicyMptcp, p.MPTCP)
	e.Uint32(attrPolicyAction, uint32(p.Action))
	u32(attrPolicyTriggerPackets, p.TriggerPackets)
	e.duration(attrPolicyTriggerTime, p.TriggerTime)
}

func parsePolicy(b []byte) (Policy, error) {
	var p Policy
	var local, peer netip.Addr
	var localLength, peerLength uint8
	err := decode(b, "policy", func(d *decoder) {
		switch d.Type() {
		case attrPolicyPreference:
			p.Preference = pointer(d.Uint32())
		case attrPolicyLocal:
			local = d.addr()
		case attrPolicyLocalLength:
			localLength = d.Uint8()
		case attrPolicyPeer:
			peer = d.addr()
		case attrPolicyPeerLength:
			peerLength = d.Uint8()
		case attrPolicyProtocol:
			p.Protocol = pointer(d.Uint8())
		case attrPolicyPortLocal:
			p.PortLocal = pointer(d.Uint16())
		case attrPolicyPortPeer:
			p.PortPeer = pointer(d.Uint16())
		case attrPolicyPort:
			p.Port = pointer(d.Uint16())
		case attrPolicyMark:
			p.Mark = pointer(d.Uint32())
		case attrPolicyMarkMask:
			p.MarkMask = pointer(d.Uint32())
		case attrPolicyMptcp:
			p.MPTCP = d.Flag()
		case attrPolicyAction:
			p.Action = PolicyAction(d.Uint32())
		case attrPolicyTriggerPackets:
			p.TriggerPackets = pointer(d.Uint32())
		case attrPolicyTriggerTime:
			p.TriggerTime = pointer(time.Duration(d.Uint32()) * time.Millisecond)
		}
	})
	if err == nil && p.Preference == nil {
		err = fmt.Errorf("the kernel's policy lacks its preference")
	}
	if local.IsValid() {
		p.Local = netip.PrefixFrom(local, int(localLength))
	}
	if peer.IsValid() {
		p.Peer = netip.PrefixFrom(peer, int(peerLength))
	}
	return p, err
}

// Stat is one counter of a namespace.
type Stat struct {
	// Name is the specification's, as in "out-rehomed".
	Name  string
	Value uint64
}

// Stats returns the counters of the namespace in the specification's order;
// docs/counters.md explains each. Those of a newer kernel have a number as
// their name.
func (c *Client) Stats() ([]Stat, error) {
	replies, err := c.execute(cmdStatsGet, 0, nil, statsAttributes)
	if err != nil {
		return nil, err
	}
	if len(replies) != 1 {
		return nil, fmt.Errorf("the kernel sent %d replies to stats-get, not one", len(replies))
	}
	var stats []Stat
	err = decode(replies[0].Data, "counters", func(d *decoder) {
		var s Stat
		switch b := d.Bytes(); {
		case d.Type() == attrStatsPad:
			return
		case len(b) == 4:
			s.Value = uint64(binary.NativeEndian.Uint32(b))
		case len(b) == 8:
			s.Value = binary.NativeEndian.Uint64(b)
		default:
			d.err = fmt.Errorf("attribute %d is %d octets long", d.Type(), len(b))
		}
		s.Name = fmt.Sprint(d.Type())
		if int(d.Type()) < len(statsAttributes) {
			s.Name = statsAttributes[d.Type()]
		}
		stats = append(stats, s)
	})
	return stats, err
}
