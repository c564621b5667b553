// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/locator"
)

// announces has a router of a link announce the prefix of an address.
func (m *managed) announces(index uint32, router string, a netip.Addr) {
	// A Router Advertisement with a Prefix Information Option.
	b := append([]byte{locator.RouterAdvertisement, 15: 0}, 3, 4, 64, 0xc0)
	b = binary.BigEndian.AppendUint32(b, 3600)
	b = binary.BigEndian.AppendUint32(b, 1800)
	p := cga.PrefixOf(a)
	b = append(append(append(b, 0, 0, 0, 0), p[:]...), make([]byte, 8)...)
	m.table.Hear(m.now, locator.Advertisement{Index: index, Router: netip.MustParseAddr(router), Message: b})
}

// oneLink is a host with two routers and two prefixes on link 1, whose rules and routes are set
// up. Nothing says yet which router is whose.
func oneLink(t *testing.T) *managed {
	m := newManaged(t)
	m.address(up1, a1, 0, 1800, 3600)
	m.address(up1, a2, 0, 1800, 3600)
	m.router(up1, unix.RT_TABLE_MAIN, "fe80::1", "fe80::2")
	m.settles()
	return m
}

// found are the rules and routes, in short.
func (m *managed) found() (list []string) {
	for _, r := range m.rules {
		list = append(list, r.String())
	}
	for r := range m.routes {
		if !r.Destination.IsValid() {
			list = append(list, fmt.Sprintf("%d %v %d", r.Table, r.Router, r.Metric))
		}
	}
	slices.Sort(list)
	return list
}

func (m *managed) expect(what string, want ...string) {
	m.t.Helper()
	m.settles()
	slices.Sort(want)
	if got := m.found(); !slices.Equal(got, want) {
		m.t.Errorf("%s:\n%s\nwanted\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func lookup(p cga.SubnetPrefix, table int) string {
	return fmt.Sprintf("from %v lookup %d priority 32765", p, table)
}

func unbound(p cga.SubnetPrefix, table int) string {
	return fmt.Sprintf("from %v lookup %d priority 32765 find_saddr", p, table)
}

// As long as it is not known which router has announced which prefix, a link has one table. Then
// each prefix leaves by its own router first.
func TestPlanOneLink(t *testing.T) {
	m := oneLink(t)
	m.expect("unknown", lookup(p1, 14002), lookup(p2, 14002), "14002 fe80::1 1024", "14002 fe80::2 1025")
	m.announces(up1, "fe80::2", a2)
	both := []string{
		unbound(p1, 14002), "14002 fe80::1 1024", "14002 fe80::2 1025",
		unbound(p2, 114002), "114002 fe80::2 1024", "114002 fe80::1 1025",
	}
	m.expect("one is known", both...)
	m.announces(up1, "fe80::1", a1)
	m.expect("both are known", both...)
	// The second router is preferred now. Tables keep their numbers.
	m.router(up1, unix.RT_TABLE_MAIN, "fe80::2", "fe80::1")
	m.expect("another order", both...)
	// One goes. Its prefix has to leave by the other, and the table has that one's number.
	m.router(up1, unix.RT_TABLE_MAIN, "fe80::2")
	m.expect("one is gone", lookup(p1, 114002), lookup(p2, 114002), "114002 fe80::2 1024")
	m.router(up1, unix.RT_TABLE_MAIN, "fe80::1", "fe80::2")
	m.expect("it is back", both...)
	m.router(up1, unix.RT_TABLE_MAIN)
	m.expect("none")
}

// The numbers of tables do not get into each other's way, however high indexes of links are.
func TestPlanTableNumbers(t *testing.T) {
	const high = tableStep + up1
	m := newManaged(t)
	m.link(high, "wwan", unix.IFF_UP|unix.IFF_RUNNING|unix.IFF_LOWER_UP)
	m.address(up1, a1, 0, 1800, 3600)
	m.address(up1, a2, 0, 1800, 3600)
	m.address(high, netip.MustParseAddr("2001:db8:3::a"), 0, 1800, 3600)
	m.router(up1, unix.RT_TABLE_MAIN, "fe80::1", "fe80::2")
	m.router(high, unix.RT_TABLE_MAIN, "fe80::1")
	m.announces(up1, "fe80::1", a1)
	m.announces(up1, "fe80::2", a2)
	m.settles()
	ways := map[string]bool{}
	for r := range m.routes {
		if r.Metric == metric && !r.Throw && !r.Destination.IsValid() {
			ways[fmt.Sprint(r.Table)] = true
		}
	}
	if len(ways) != 3 {
		t.Errorf("tables are %v", m.found())
	}
}

// The tables follow the configuration when it changes.
func TestPlanTableBase(t *testing.T) {
	m := oneLink(t)
	m.announces(up1, "fe80::1", a1)
	m.announces(up1, "fe80::2", a2)
	m.settles()
	m.config.Addresses.Table = 20000
	m.expect("with another number",
		unbound(p1, 20002), "20002 fe80::1 1024", "20002 fe80::2 1025",
		unbound(p2, 120002), "120002 fe80::2 1024", "120002 fe80::1 1025")
}

// A delegated prefix leaves by the router that has announced a prefix of the same provider.
func TestPlanDelegatedOneLink(t *testing.T) {
	m := newManaged(t)
	of1, of2 := netip.MustParseAddr("2001:db8:1:1::a"), netip.MustParseAddr("2001:db9:2:1::a")
	m.address(up1, of1, 0, 1800, 3600)
	m.address(up1, of2, 0, 1800, 3600)
	m.router(up1, unix.RT_TABLE_MAIN, "fe80::1", "fe80::2")
	m.announces(up1, "fe80::1", of1)
	m.announces(up1, "fe80::2", of2)
	m.link(down1, "down1", unix.IFF_UP|unix.IFF_RUNNING|unix.IFF_LOWER_UP)
	m.of(down1, "2001:db8:1:c::1", 64, 0, Infinite)
	m.of(down1, "2001:db9:2:c::1", 64, 0, Infinite)
	m.settles()
	for p, table := range map[string]int{"2001:db8:1:c::": 14002, "2001:db9:2:c::": 114002} {
		want := []string{lookup(prefixOf(p), table), unbound(prefixOf(p), table)}
		if !slices.ContainsFunc(m.found(), func(s string) bool { return slices.Contains(want, s) }) {
			t.Errorf("%s: set up is %q", p, m.found())
		}
	}
}

// Packets whose source is still to be chosen get rules only on the link by which the main table
// would send them.
func TestPlanUnbound(t *testing.T) {
	m := oneLink(t)
	m.announces(up1, "fe80::1", a1)
	m.announces(up1, "fe80::2", a2)
	m.settles()
	m.router(up2, unix.RT_TABLE_MAIN, "fe80::9")
	n := func() (n int) {
		m.settles()
		for _, r := range m.rules {
			if r.Unbound {
				n++
			}
		}
		return n
	}
	want := 0
	if m.table.DefaultLink() == up1 {
		want = 2
	}
	if n() != want {
		t.Errorf("link %d is the default: %v", m.table.DefaultLink(), m.found())
	}
	m.router(up1, unix.RT_TABLE_MAIN)
	if n() != 0 {
		t.Errorf("without routers on the link: %v", m.found())
	}
}

// Of two links with the same prefix, the one with a carrier is used.
func TestPlanSamePrefixNoCarrier(t *testing.T) {
	m := newManaged(t)
	x, _ := m.both()
	m.address(up1, a1, 0, 1800, 3600)
	m.address(up2, netip.MustParseAddr("2001:db8:1::b"), 0, 1800, 3600)
	m.router(up1, unix.RT_TABLE_MAIN, "fe80::1")
	m.router(up2, unix.RT_TABLE_MAIN, "fe80::1")
	m.settles()
	if !slices.Contains(m.found(), lookup(p1, 14002)) {
		t.Fatalf("set up is %v", m.found())
	}
	m.link(up1, "up1", unix.IFF_UP)
	done := m.settles()
	if !slices.Contains(done, unset(x, up1)) || !slices.Contains(m.found(), lookup(p1, 14003)) {
		t.Errorf("without a carrier: done is %q, set up is %q", done, m.found())
	}
	// It stays where it is when the carrier is back, and new connections need no detour.
	m.up(up1)
	m.does("rule delete not from 2000::/3 lookup 14003 priority 32765")
}

// A gateway may be outside of all prefixes of the link.
func TestRouteOnLink(t *testing.T) {
	far := Route{Table: 14002, Index: up1, Metric: metric, Router: netip.MustParseAddr("2001:db8:ff::1")}
	near := far
	near.Router = netip.MustParseAddr("fe80::1")
	for _, c := range []struct {
		r    Route
		want uint32
	}{{far, unix.RTNH_F_ONLINK}, {near, 0}} {
		if flags := binary.NativeEndian.Uint32(AddRoute(c.r).Message().Data[8:]); flags != c.want {
			t.Errorf("%v has flags %#x, wanted %#x", c.r, flags, c.want)
		}
	}
}

// While its router does not answer, no new connection begins at an address, if there is a better
// one on the link.
func TestPlanMute(t *testing.T) {
	m := oneLink(t)
	m.announces(up1, "fe80::1", a1)
	m.announces(up1, "fe80::2", a2)
	m.settles()
	before := slices.Clone(m.labels)
	x, _ := m.both()
	for _, c := range []struct {
		name    string
		routers []string
		want    bool
	}{
		{"its router has resigned", []string{"fe80::2"}, true},
		{"both have resigned", nil, false},
		{"both are there", []string{"fe80::1", "fe80::2"}, false},
	} {
		m.router(up1, unix.RT_TABLE_MAIN, c.routers...)
		m.settles()
		if slices.Contains(m.labels, x) != c.want || !c.want && !slices.Equal(m.labels, before) {
			t.Errorf("%s: labels are %v, were %v", c.name, m.labels, before)
		}
	}
}
