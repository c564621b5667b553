// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"fmt"
	"net/netip"
	"time"
)

// Policy is a rule for packets that this host sends. Among the rules that fit a packet, the
// one with the lowest preference decides. A nil field, an invalid prefix and false fit
// everything.
type Policy struct {
	// Preference is the place among the rules. In NewPolicy nil means before all others.
	Preference *uint32
	// Local and Peer are prefixes of the ULIDs.
	Local, Peer netip.Prefix
	// Protocol is an upper-layer protocol number.
	Protocol *uint8
	// Port fits either port.
	PortLocal, PortPeer, Port *uint16
	// Mark is the firewall mark; MarkMask has the bits that are compared.
	Mark, MarkMask *uint32
	// MPTCP, if true, fits only TCP sockets that belong to an MPTCP connection.
	MPTCP  bool
	Action PolicyAction
	// TriggerPackets and TriggerTime replace the configuration's for these packets.
	TriggerPackets *uint32
	TriggerTime    *time.Duration
}

// NewPolicy adds a rule. If the preference is taken, the error is an fs.ErrExist.
func (c *Client) NewPolicy(p Policy) error {
	return c.change(cmdPolicyNew, policyAttributes, func(e *encoder) { e.policy(p) })
}

// DeletePolicy deletes the rule at a preference. If there is none, the error is an
// fs.ErrNotExist.
func (c *Client) DeletePolicy(preference uint32) error {
	return c.change(cmdPolicyDel, policyAttributes, func(e *encoder) {
		e.Uint32(attrPolicyPreference, preference)
	})
}

// FlushPolicies deletes all rules, also those that a namespace begins with.
func (c *Client) FlushPolicies() error {
	return c.change(cmdPolicyFlush, nil, func(*encoder) {})
}

// Policies returns all rules, by ascending preference. With ErrInterrupted there is a list,
// too: the rules that were read.
func (c *Client) Policies() ([]Policy, error) {
	return dump(c, cmdPolicyGet, policyAttributes, func(*encoder) {}, parsePolicy)
}

func (e *encoder) policy(p Policy) {
	prefix := func(addr, length uint16, p netip.Prefix) {
		if p != (netip.Prefix{}) {
			e.addr(addr, p.Addr())
			e.Uint8(length, uint8(p.Bits()))
		}
	}
	optional(attrPolicyPreference, p.Preference, e.Uint32)
	prefix(attrPolicyLocal, attrPolicyLocalLength, p.Local)
	prefix(attrPolicyPeer, attrPolicyPeerLength, p.Peer)
	optional(attrPolicyProtocol, p.Protocol, e.Uint8)
	optional(attrPolicyPortLocal, p.PortLocal, e.Uint16)
	optional(attrPolicyPortPeer, p.PortPeer, e.Uint16)
	optional(attrPolicyPort, p.Port, e.Uint16)
	optional(attrPolicyMark, p.Mark, e.Uint32)
	optional(attrPolicyMarkMask, p.MarkMask, e.Uint32)
	e.Flag(attrPolicyMptcp, p.MPTCP)
	e.Uint32(attrPolicyAction, uint32(p.Action))
	optional(attrPolicyTriggerPackets, p.TriggerPackets, e.Uint32)
	optional(attrPolicyTriggerTime, p.TriggerTime, e.milliseconds)
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
			p.TriggerTime = pointer(d.milliseconds())
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
