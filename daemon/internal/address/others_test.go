// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
)

// prefixOf is the prefix of 64 bits of an address.
func prefixOf(a string) cga.SubnetPrefix { return cga.PrefixOf(netip.MustParseAddr(a)) }

// of tells of an address of another program, with a prefix length.
func (m *managed) of(index uint32, a string, bits uint8, flags, valid uint32) {
	message := SetAddress{Index: index, Address: netip.MustParseAddr(a), Bits: bits, Flags: flags, Preferred: valid, Valid: valid}.Message()
	message.Data = message.Data[:len(message.Data)-8]
	m.apply(message)
}

// wantRules compares the rules that are wanted, as text without the priority.
func (m *managed) wantRules(want map[cga.SubnetPrefix]uint32) {
	m.t.Helper()
	m.settles()
	got := map[cga.SubnetPrefix]uint32{}
	for _, r := range m.rules {
		got[r.Source] = r.Table - m.config.Addresses.Table
	}
	if len(got) != len(want) || len(m.rules) != len(want) {
		m.t.Errorf("rules %v, wanted %v", m.rules, want)
	}
	for p, index := range want {
		if got[p] != index {
			m.t.Errorf("packets from %v go by %d, wanted %d", p, got[p], index)
		}
	}
}

const down1 = 4

// Addresses of DHCPv6 have no prefix. Packets from them leave by their router, and nothing is
// made beside them.
func TestLeased(t *testing.T) {
	m := newManaged(t)
	m.router(up1, unix.RT_TABLE_MAIN, "fe80::1")
	m.router(up2, unix.RT_TABLE_MAIN, "fe80::2")
	m.of(up1, "2001:db8:1::d1", 128, 0, 3600)
	m.of(up2, "2001:db8:2::d2", 128, 0, 3600)
	// These are an administrator's, and another host's.
	m.of(up2, "2001:db8:3::d2", 128, 0, Infinite)
	m.of(up2, "2001:db8:4::d2", 128, unix.IFA_F_DADFAILED, 3600)
	m.wantRules(map[cga.SubnetPrefix]uint32{p1: up1, p2: up2})
	if p := m.plan(); len(p.Missing) != 0 {
		t.Errorf("addresses are made in %v", p.Missing)
	}
	m.lost(up1, netip.MustParseAddr("2001:db8:1::d1"))
	m.wantRules(map[cga.SubnetPrefix]uint32{p2: up2})
	m.config.Locators.Deny = []netip.Prefix{p2.Prefix()}
	m.wantRules(nil)
}

// A router hands on what its providers have delegated to it.
func TestDelegated(t *testing.T) {
	m := newManaged(t)
	m.link(down1, "down1", unix.IFF_UP|unix.IFF_RUNNING|unix.IFF_LOWER_UP)
	m.router(up1, unix.RT_TABLE_MAIN, "fe80::1")
	m.router(up2, unix.RT_TABLE_MAIN, "fe80::2")
	m.address(up1, netip.MustParseAddr("2001:db8:1:1::a"), 0, 1800, 3600)
	m.of(up2, "2001:db8:2:1::d2", 128, 0, 3600)
	want := map[cga.SubnetPrefix]uint32{prefixOf("2001:db8:1:1::"): up1, prefixOf("2001:db8:2:1::"): up2}
	m.identity = extended(m.identity, prefixOf("2001:db8:1:1::"))
	m.wantRules(want)
	m.of(down1, "2001:db8:1:c::1", 64, 0, Infinite)
	m.of(down1, "2001:db8:2:c::1", 64, 0, 3000)
	// These may be of both providers, of none, or are nobody's.
	m.of(down1, "2001:db8:9:c::1", 64, 0, Infinite)
	m.of(down1, "2001:dbf:9:c::1", 64, 0, Infinite)
	m.of(down1, "fd00:db8:1:c::1", 64, 0, Infinite)
	want[prefixOf("2001:db8:1:c::")], want[prefixOf("2001:db8:2:c::")] = up1, up2
	m.wantRules(want)
	// A provider whose router is gone leaves its networks to the main table.
	m.router(up2, unix.RT_TABLE_MAIN)
	delete(want, prefixOf("2001:db8:2:c::"))
	delete(want, prefixOf("2001:db8:2:1::"))
	m.wantRules(want)
}

// While the first default route has no carrier, new connections take the next one.
func TestDetour(t *testing.T) {
	m := newManaged(t)
	m.address(up1, a1, 0, 1800, 3600)
	m.address(up2, a2, 0, 1800, 3600)
	m.router(up1, unix.RT_TABLE_MAIN, "fe80::1")
	m.router(up2, unix.RT_TABLE_MAIN, "fe80::2")
	m.settles()
	m.link(up1, "up1", unix.IFF_UP)
	m.does(
		"rule add not from 2000::/3 lookup 14003 priority 32765", ruleOf("delete", p1, up1),
		"route delete default via fe80::1 dev 2 table 14002 metric 1024")
	m.link(up2, "up2", unix.IFF_UP)
	m.does(
		"rule delete not from 2000::/3 lookup 14003 priority 32765", ruleOf("delete", p2, up2),
		"route delete default via fe80::2 dev 3 table 14003 metric 1024")
	m.up(up1)
	m.up(up2)
	m.settles()
	m.wantRules(map[cga.SubnetPrefix]uint32{p1: up1, p2: up2})
}
