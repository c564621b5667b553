// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/config"
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
	// Kept: its link has lost it, and shim6d keeps it on the loopback, or on another link,
	// for the contexts that have it as their ULID.
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
			PreferredUntil: a.preferredUntil, ValidUntil: a.validUntil, Enabled: l.enabled, Loopback: l.loopback, Kept: t.kept(a),
		})
	}
	slices.SortFunc(list, func(a, b Assigned) int {
		return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.Index, b.Index))
	})
	return list
}

// kept tells them from the addresses that shim6d makes for links, which have prefixes.
func (t *Table) kept(a address) bool { return a.protocol == Protocol && a.bits == hostBits }

// hostBits is the prefix length of one address.
const hostBits = 128

// Allowed reports whether an address may be used on an interface, and why not: shim6.ko leaves
// all packets of VRFs alone, and the configuration has its say.
func (t *Table) Allowed(c *config.Config, index uint32, a netip.Addr) (why string, ok bool) {
	l := t.links[index]
	if l.vrf {
		return "interface " + l.name + " is in a VRF, where Shim6 does not work", false
	}
	return c.Allowed(l.name, a)
}

// Made reports whether an interface has an address that shim6d has made for it.
func (t *Table) Made(index uint32, a netip.Addr) bool {
	v := t.addresses[assignment{index, a}]
	return v.protocol == Protocol && !t.kept(v)
}

// Enabled reports whether an interface is there and up, with or without a carrier.
func (t *Table) Enabled(index uint32) bool { return t.links[index].enabled }

// Up reports whether an interface is up and has a carrier.
func (t *Table) Up(index uint32) bool { return t.links[index].up }

// Name is the name of an interface, "" if there is none.
func (t *Table) Name(index uint32) string { return t.links[index].name }

// HadRouter reports whether an interface has or has had a default router.
func (t *Table) HadRouter(index uint32) bool { return t.needsRouter[index] }

// Loopback is the index of the loopback interface, 0 if it is not known.
func (t *Table) Loopback() uint32 {
	for index, l := range t.links {
		if l.loopback {
			return index
		}
	}
	return 0
}
