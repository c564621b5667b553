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
	if on && s.Config.Addresses.Source != config.SourceSystem {
		wanted = append(s.worse(), s.mute()...)
		slices.SortFunc(wanted, netip.Addr.Compare)
		wanted = slices.Compact(wanted)
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

// worse are the addresses that have a better one beside them, on the same link and of the same
// prefix. If there are too many, temporary ones come first: the kernel prefers those.
func (s *State) worse() []netip.Addr {
	type place struct {
		index  uint32
		prefix cga.SubnetPrefix
	}
	const unusable = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED | unix.IFA_F_DEPRECATED
	best := map[place]worth{}
	assigned := s.Table.Assigned()
	for _, a := range assigned {
		if at := (place{a.Index, cga.PrefixOf(a.Address)}); a.Flags&unusable == 0 && s.worth(a.Address) != asConfigured {
			best[at] = max(best[at], s.worth(a.Address))
		}
	}
	slices.SortStableFunc(assigned, func(a, b locator.Assigned) int {
		return int(b.Flags&unix.IFA_F_TEMPORARY) - int(a.Flags&unix.IFA_F_TEMPORARY)
	})
	var list []netip.Addr
	for _, a := range assigned {
		w := s.worth(a.Address)
		if w >= best[place{a.Index, cga.PrefixOf(a.Address)}] || a.Flags&unix.IFA_F_DEPRECATED != 0 ||
			a.Protocol == locator.Protocol && w == unproved || slices.Contains(list, a.Address) {
			continue
		}
		if len(list) < maxLabels {
			list = append(list, a.Address)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}

// worth says which of the addresses of a prefix new connections should use: one that is worth
// more.
type worth int

const (
	// unproved: the address proves no other.
	unproved worth = iota
	// proved: it is the Identity's, or of a Temporary that is not the newest any more.
	proved
	// asConfigured: it is in a set of the configuration, and as good as the Identity's.
	asConfigured
	// temporary: it is of the newest Temporary.
	temporary
)

func (s *State) worth(a netip.Addr) worth {
	has := func(i *Identity) bool {
		of, _, ok := i.Address(cga.PrefixOf(a))
		return ok && of.Addr == a
	}
	if t := s.newest(); t != nil && has(t.Identity) {
		return temporary
	}
	if has(s.Identity) || slices.ContainsFunc(s.Temporaries, func(t Temporary) bool { return has(t.Identity) }) {
		return proved
	}
	if _, set := s.Config.Proof(a); set != nil {
		return asConfigured
	}
	return unproved
}

// mute are the addresses whose router has failed, if there is a better prefix on the same link. The
// kernel would still begin new connections there.
func (s *State) mute() []netip.Addr {
	const unusable = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED | unix.IFA_F_DEPRECATED
	var list []netip.Addr
	better := map[uint32]bool{}
	assigned := slices.DeleteFunc(s.Table.Assigned(), func(a locator.Assigned) bool {
		return a.Loopback || !a.Address.IsGlobalUnicast() || a.Flags&unusable != 0
	})
	failed := func(a locator.Assigned) bool { return s.Table.Mute(a.Index, cga.PrefixOf(a.Address)) != "" }
	for _, a := range assigned {
		better[a.Index] = better[a.Index] || !failed(a)
	}
	for _, a := range assigned {
		if better[a.Index] && len(list) < maxLabels && failed(a) {
			list = append(list, a.Address)
		}
	}
	return list
}
