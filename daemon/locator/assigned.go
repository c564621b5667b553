// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Protocol marks the addresses (IFA_PROTO), rules (FRA_PROTOCOL) and routes (rtm_protocol)
// that shim6d has set up, so that it knows them after a restart, and touches nothing else. It
// is the number of Shim6's header. These three registries have not assigned it.
const Protocol = 140

// Assigned is an address that an interface has.
type Assigned struct {
	Index     uint32
	Interface string
	Address   netip.Addr
	// Bits is the length of its prefix.
	Bits uint8
	// Flags are IFA_F_* of linux/if_addr.h. Protocol says which program has set it up.
	Flags    uint32
	Protocol uint8
	// PreferredUntil and ValidUntil are by the clock of Table.Apply; 0 is for ever.
	PreferredUntil, ValidUntil time.Duration
	// Enabled: the interface is up, with or without a carrier.
	Enabled, Loopback bool
	// Kept: its link has lost it, and shim6d keeps it on the loopback for the contexts
	// that have it as their ULID.
	Kept bool
}

// Assigned are all addresses of all interfaces, in their order.
func (t *Table) Assigned() []Assigned {
	list := make([]Assigned, 0, len(t.addresses))
	for key, a := range t.addresses {
		l := t.links[key.index]
		list = append(list, Assigned{
			Index: key.index, Interface: l.name, Address: key.address, Bits: a.bits,
			Flags: a.flags, Protocol: a.protocol,
			PreferredUntil: a.preferredUntil, ValidUntil: a.validUntil, Enabled: l.enabled, Loopback: l.loopback, Kept: t.kept(key, a),
		})
	}
	slices.SortFunc(list, func(a, b Assigned) int {
		return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.Index, b.Index))
	})
	return list
}

func (t *Table) kept(key assignment, a address) bool {
	return a.protocol == Protocol && t.links[key.index].loopback
}

// Enabled reports whether an interface is there and up, with or without a carrier.
func (t *Table) Enabled(index uint32) bool { return t.links[index].enabled }

// Name is the name of an interface, "" if there is none.
func (t *Table) Name(index uint32) string { return t.links[index].name }

// Routers are the default routers of an interface in the main table, which has the routers
// that announce themselves. An invalid address is a default route without a router.
func (t *Table) Routers(index uint32) []netip.Addr { return t.mainRouters[index] }

// Loopback is the index of the loopback interface, 0 if it is not known.
func (t *Table) Loopback() uint32 {
	for index, l := range t.links {
		if l.loopback {
			return index
		}
	}
	return 0
}
