// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/config"
	"shim6/daemon/locator"
)

// This file is about which source address new connections get. Shim6 can protect only
// connections whose ULID proves the other locators. But the kernel prefers an address that
// changes for privacy, or the newest. So the other addresses of a prefix get a label that no
// destination has: an address that has the destination's label goes before them (RFC 6724,
// section 5, rule 6). That rule comes after those that choose the link, and before the rule
// that prefers temporary addresses.

// LabelMark is the label of addresses that new connections should not use. An entry of the
// kernel's table of labels has no room for another mark: an entry with this label, for one
// address, is ours.
const LabelMark = 5533

// maxLabels is how many addresses get a label: the kernel goes through all labels for each
// address that it considers.
const maxLabels = 64

// AddLabel and DeleteLabel are Actions, for the address.
type (
	AddLabel    netip.Addr
	DeleteLabel netip.Addr
)

// The places of what is read and written of struct ifaddrlblmsg.
const (
	labelBitsAt  = 2
	labelIndexAt = 4
)

// Message is RTM_NEWADDRLABEL.
func (a AddLabel) Message() netlink.Message {
	return labelMessage(unix.RTM_NEWADDRLABEL, netip.Addr(a), created)
}

// Message is RTM_DELADDRLABEL.
func (a DeleteLabel) Message() netlink.Message {
	return labelMessage(unix.RTM_DELADDRLABEL, netip.Addr(a), 0)
}

func (a AddLabel) String() string {
	return fmt.Sprintf("addrlabel add prefix %v/%d label %d", netip.Addr(a), hostBits, LabelMark)
}

func (a DeleteLabel) String() string {
	return fmt.Sprintf("addrlabel delete prefix %v/%d label %d", netip.Addr(a), hostBits, LabelMark)
}

func labelMessage(kind netlink.HeaderType, a netip.Addr, flags netlink.HeaderFlags) netlink.Message {
	b := make([]byte, unix.SizeofIfAddrlblmsg)
	b[0], b[labelBitsAt] = unix.AF_INET6, hostBits
	b = append(b, attributes(func(e *netlink.AttributeEncoder) {
		e.Bytes(unix.IFAL_ADDRESS, a.AsSlice())
		e.Uint32(unix.IFAL_LABEL, LabelMark)
	})...)
	return netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Acknowledge | flags}, Data: b}
}

// parseLabel reads a label of ours; of others it knows nothing.
func parseLabel(m netlink.Message) (a netip.Addr, ok bool) {
	if m.Header.Type != unix.RTM_NEWADDRLABEL || len(m.Data) < unix.SizeofIfAddrlblmsg || m.Data[0] != unix.AF_INET6 ||
		m.Data[labelBitsAt] != hostBits || binary.NativeEndian.Uint32(m.Data[labelIndexAt:]) != 0 {
		return a, false
	}
	ad, err := netlink.NewAttributeDecoder(m.Data[unix.SizeofIfAddrlblmsg:])
	if err != nil {
		return a, false
	}
	for ad.Next() {
		switch b := ad.Bytes(); {
		case ad.Type() == unix.IFAL_ADDRESS && len(b) == 16:
			a = netip.AddrFrom16([16]byte(b))
		case ad.Type() == unix.IFAL_LABEL && len(b) == 4:
			ok = binary.NativeEndian.Uint32(b) == LabelMark
		}
	}
	return a, ok && a.IsValid() && ad.Err() == nil
}

// labels plans labels for the addresses that new connections should not use, where there is a
// better one of the same prefix. New connections do not use deprecated addresses anyway.
func (p *Plan) labels(s *State, on bool) {
	if s.NoLabels {
		return
	}
	var wanted []netip.Addr
	if on && s.Config.Addresses.Source == config.SourceProtected {
		wanted = s.unprotected()
	}
	for _, a := range wanted {
		if !slices.Contains(s.Labels, a) {
			p.Actions = append(p.Actions, AddLabel(a))
		}
	}
	for _, a := range s.Labels {
		if !slices.Contains(wanted, a) {
			p.Actions = append(p.Actions, DeleteLabel(a))
		}
	}
}

// unprotected are the addresses that prove nothing and have one of the Identity beside them. If
// there are too many, temporary ones come first: the kernel prefers those.
func (s *State) unprotected() []netip.Addr {
	type place struct {
		index  uint32
		prefix cga.SubnetPrefix
	}
	const unusable = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED | unix.IFA_F_DEPRECATED
	covered := map[place]bool{}
	assigned := s.Table.Assigned()
	own := func(a netip.Addr) bool {
		of, _, ok := s.Identity.Address(cga.PrefixOf(a))
		return ok && of.Addr == a
	}
	for _, a := range assigned {
		if own(a.Address) && a.Flags&unusable == 0 {
			covered[place{a.Index, cga.PrefixOf(a.Address)}] = true
		}
	}
	slices.SortStableFunc(assigned, func(a, b locator.Assigned) int {
		return int(b.Flags&unix.IFA_F_TEMPORARY) - int(a.Flags&unix.IFA_F_TEMPORARY)
	})
	var list []netip.Addr
	for _, a := range assigned {
		if !covered[place{a.Index, cga.PrefixOf(a.Address)}] || a.Flags&unix.IFA_F_DEPRECATED != 0 ||
			a.Protocol == locator.Protocol || own(a.Address) || slices.Contains(list, a.Address) {
			continue
		}
		if _, _, proved := s.Config.Proof(a.Address); !proved && len(list) < maxLabels {
			list = append(list, a.Address)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}
