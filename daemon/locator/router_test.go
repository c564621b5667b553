// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/config"
)

var (
	r1, r2, r3 = netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fe80::2"), netip.MustParseAddr("fe80::3")
	of1, of2   = netip.MustParseAddr("2001:db8:1::a"), netip.MustParseAddr("2001:db8:2::a")
)

// option is one about the prefix of an address.
func option(a netip.Addr, valid uint32) []byte {
	b := []byte{optionPrefix, 4, 64, 0xc0}
	b = binary.BigEndian.AppendUint32(b, valid)
	b = append(b, make([]byte, 8)...)
	p := cga.PrefixOf(a)
	return append(append(b, p[:]...), make([]byte, 8)...)
}

// advertisement is one that a router sends on link 2.
func advertisement(router netip.Addr, options ...[]byte) Advertisement {
	return Advertisement{2, router, append([]byte{RouterAdvertisement, 15: 0}, slices.Concat(options...)...)}
}

// way is a default route by link 2.
type way struct {
	router     netip.Addr
	metric     uint32
	preference uint8
	protocol   uint8
}

func (w way) message(index uint32) netlink.Message {
	b, err := (&rtnetlink.RouteMessage{
		Family: unix.AF_INET6, Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST, Protocol: w.protocol,
		Attributes: rtnetlink.RouteAttributes{
			OutIface: index, Gateway: w.router.AsSlice(), Table: unix.RT_TABLE_MAIN, Priority: w.metric, Pref: &w.preference,
		},
	}).MarshalBinary()
	if err != nil {
		panic(err)
	}
	return netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWROUTE}, Data: b}
}

func linkOf(index uint32, flags uint32) netlink.Message {
	b, err := (&rtnetlink.LinkMessage{Family: unix.AF_UNSPEC, Index: index, Flags: flags, Attributes: &rtnetlink.LinkAttributes{Name: fmt.Sprint("up", index)}}).MarshalBinary()
	if err != nil {
		panic(err)
	}
	return netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWLINK}, Data: b}
}

func addressOf(a netip.Addr, flags uint32) netlink.Message {
	b, err := (&rtnetlink.AddressMessage{Family: unix.AF_INET6, PrefixLength: 64, Index: 2, Attributes: &rtnetlink.AddressAttributes{
		Address: a.AsSlice(), Flags: flags, CacheInfo: rtnetlink.CacheInfo{Preferred: 1800, Valid: 3600},
	}}).MarshalBinary()
	if err != nil {
		panic(err)
	}
	return netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWADDR}, Data: b}
}

func unreachable(router netip.Addr, state uint16) netlink.Message {
	b, err := (&rtnetlink.NeighMessage{Family: unix.AF_INET6, Index: 2, State: state, Attributes: &rtnetlink.NeighAttributes{Address: router.AsSlice()}}).MarshalBinary()
	if err != nil {
		panic(err)
	}
	return netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWNEIGH}, Data: b}
}

// ways are the default routes that a Table has from now on.
func (t *Table) ways(list ...way) {
	var messages []netlink.Message
	for _, w := range list {
		messages = append(messages, w.message(2))
	}
	if err := t.SetRoutes(messages); err != nil {
		panic(err)
	}
}

func (t *Table) tell(messages ...netlink.Message) {
	for _, m := range messages {
		if _, err := t.Apply(0, m); err != nil {
			panic(err)
		}
	}
}

// oneLink is a host whose link 2 has two routers, with a prefix each.
func oneLink() *Table {
	t := &Table{}
	t.tell(linkOf(2, linkUp), addressOf(of1, 0), addressOf(of2, 0), addressOf(netip.MustParseAddr("fe80::a"), 0))
	t.ways(way{router: r1, metric: 1024}, way{router: r2, metric: 1024})
	t.Hear(0, advertisement(r1, option(of1, 3600)))
	t.Hear(0, advertisement(r2, option(of2, 3600)))
	return t
}

func (t *Table) expectOf(test *testing.T, what string, a netip.Addr, want ...netip.Addr) {
	test.Helper()
	if got := t.RoutersOf(2, cga.PrefixOf(a)); !slices.Equal(got, want) {
		test.Errorf("%s: the routers of %v are %v, wanted %v", what, a, got, want)
	}
}

// why says what is wrong with an address, and names its router.
func (t *Table) why(a netip.Addr) (router netip.Addr, why string) {
	for _, l := range Assess(t, config.Default(), 0) {
		if l.Address == a {
			return l.Router, l.Why
		}
	}
	return router, "there is none"
}

func (t *Table) expectWhy(test *testing.T, what string, a, router netip.Addr, why string) {
	test.Helper()
	if r, got := t.why(a); r != router || got != why {
		test.Errorf("%s: %v is by %v (%s), wanted %v (%s)", what, a, r, got, router, why)
	}
}

// The routers of a prefix are those that have announced it, then the others. If nobody has, they
// are in the order of the main table.
func TestRoutersOf(t *testing.T) {
	table := oneLink()
	table.expectOf(t, "two routers", of1, r1, r2)
	table.expectOf(t, "two routers", of2, r2, r1)
	other := netip.MustParseAddr("2001:db8:3::a")
	table.expectOf(t, "a prefix of nobody", other, r1, r2)
	table.ways(way{router: r1, metric: 1024, preference: preferenceLow}, way{router: r2, metric: 1024})
	table.expectOf(t, "low preference", of1, r1, r2)
	table.expectOf(t, "low preference", other, r2, r1)
	table.ways(way{router: r1, metric: 1024}, way{router: r2, metric: 1024, preference: preferenceHigh}, way{router: r3, metric: 512}, way{router: r1, metric: 4096})
	table.expectOf(t, "metric and preference", other, r3, r2, r1)
	table.expectOf(t, "metric and preference", of1, r1, r3, r2)
	// Somebody who announces the prefix of another one comes behind it.
	table.Hear(0, advertisement(r3, option(of1, 3600)))
	table.ways(way{router: r3, metric: 1024}, way{router: r1, metric: 1024}, way{router: r2, metric: 1024})
	table.expectOf(t, "two for a prefix", of1, r1, r3, r2)
	table.Hear(0, advertisement(r1, option(of2, 3600)))
	table.expectOf(t, "two for a prefix, the later one with the lower address", of2, r2, r1, r3)
	table.ways(way{router: r3, metric: 1024}, way{router: r1, metric: 1024, preference: preferenceHigh}, way{router: r2, metric: 1024})
	table.expectOf(t, "two for a prefix, the later one preferred", of2, r1, r2, r3)
	// A router that is none only has the prefix.
	table.Hear(0, advertisement(netip.MustParseAddr("fe80::9"), option(other, 3600)))
	table.expectOf(t, "no default router", other, r1, r2, r3)
	table.expectWhy(t, "no default router", of1, r1, "")
}

// A router that does not answer, or is no router any more, matters only to the addresses of its own
// prefix.
func TestRouterFails(t *testing.T) {
	table := oneLink()
	table.expectWhy(t, "all is well", of1, r1, "")
	table.expectWhy(t, "all is well", of2, r2, "")
	table.tell(unreachable(r1, unix.NUD_FAILED))
	table.expectWhy(t, "it does not answer", of1, r1, "its router fe80::1 does not answer (Neighbor Unreachability Detection)")
	table.expectWhy(t, "it does not answer", of2, r2, "")
	table.tell(unreachable(r1, unix.NUD_REACHABLE))
	table.expectWhy(t, "it answers again", of1, r1, "")
	table.ways(way{router: r2, metric: 1024})
	table.expectWhy(t, "it has resigned", of1, r1, "its router fe80::1 is no default router any more")
	table.expectOf(t, "it has resigned", of1, r2)
	table.expectWhy(t, "it has resigned", of2, r2, "")
	table.ways()
	table.expectWhy(t, "there is none", of2, r2, "its router fe80::2 is no default router any more")
	// Without Router Advertisements it is the link that has routers, and none of several is named.
	table = &Table{}
	table.tell(linkOf(2, linkUp), addressOf(of1, 0))
	table.ways(way{router: r1, metric: 1024}, way{router: r2, metric: 1024})
	table.tell(unreachable(r1, unix.NUD_FAILED))
	table.expectWhy(t, "nothing is known", of1, netip.Addr{}, "")
	table.tell(unreachable(r2, unix.NUD_FAILED))
	table.expectWhy(t, "nothing is known", of1, netip.Addr{}, "the default router does not answer (Neighbor Unreachability Detection)")
}

// Announcements live as long as the link is up, also through a dump and without a carrier.
func TestAnnouncedForgotten(t *testing.T) {
	table := oneLink()
	table.tell(linkOf(2, unix.IFF_UP))
	if err := table.Dump(0, []netlink.Message{linkOf(2, linkUp), way{router: r1}.message(2), way{router: r2}.message(2)}); err != nil {
		t.Fatal(err)
	}
	table.expectOf(t, "after a dump", of2, r2, r1)
	// A prefix that is withdrawn leaves its addresses two hours.
	table.Hear(0, advertisement(r2, option(of2, 0)))
	table.expectOf(t, "withdrawn", of2, r2, r1)
	table.tell(linkOf(2, 0), linkOf(2, linkUp))
	table.expectOf(t, "after the link was down", of2, r1, r2)
	if len(table.announced) != 0 {
		t.Errorf("left is %v", table.announced)
	}
}

// An advertisement counts if its options can be told apart, whatever is in those that are not
// needed.
func TestHear(t *testing.T) {
	long := append([]byte{optionSourceAddress, 3}, make([]byte, 22)...)
	other := netip.MustParseAddr("2001:db8:3::a")
	short := option(of2, 3600)
	short[2] = 48
	for _, c := range []struct {
		name  string
		a     Advertisement
		heard bool
	}{
		{"a prefix", advertisement(r2, option(of2, 3600)), true},
		{"a long link-layer address", advertisement(r2, long, option(of2, 3600)), true},
		{"an unknown option", advertisement(r2, []byte{200, 1, 9, 9, 9, 9, 9, 9}, option(of2, 3600)), true},
		{"two prefixes", advertisement(r2, option(other, 3600), option(of2, 3600)), true},
		{"no option", advertisement(r2), false},
		{"of no length", advertisement(r2, []byte{200, 0}, option(of2, 3600)), false},
		{"cut short", advertisement(r2, option(of2, 3600)[:31]), false},
		{"no message", Advertisement{2, r2, []byte{RouterAdvertisement, 0}}, false},
		{"another message", Advertisement{2, r2, append([]byte{135, 15: 0}, option(of2, 3600)...)}, false},
		{"another link", Advertisement{3, r2, advertisement(r2, option(of2, 3600)).Message}, false},
		{"not from the link", advertisement(netip.MustParseAddr("2001:db8::1"), option(of2, 3600)), false},
		{"another length", advertisement(r2, short), false},
		{"withdrawn", advertisement(r2, option(of2, 0)), false},
		{"a prefix of the link", advertisement(r2, option(r1, 3600)), false},
		{"no router", advertisement(r3, option(of2, 3600)), false},
	} {
		table := &Table{}
		table.tell(linkOf(2, linkUp))
		table.ways(way{router: r1}, way{router: r2})
		changed := table.Hear(0, c.a) == Locators
		if first := table.RoutersOf(2, cga.PrefixOf(of2))[0]; changed != c.heard || (first == r2) != c.heard {
			t.Errorf("%s: changed %v, the first router is %v", c.name, changed, first)
		}
		if table.Hear(0, c.a) != 0 {
			t.Errorf("%s: the second time something changes", c.name)
		}
	}
}

// dhcpcd sets up a route by one router of a link alone. A source in another's prefix leaves by that
// one, as long as it says to be a default router.
func TestRouterWithoutRoute(t *testing.T) {
	heard := func(t *Table, now time.Duration, router netip.Addr, lifetime uint16, a netip.Addr) {
		m := advertisement(router, option(a, 3600))
		binary.BigEndian.PutUint16(m.Message[routerLifetime:], lifetime)
		t.Hear(now, m)
	}
	both := func(protocol uint8) *Table {
		x := &Table{}
		x.tell(linkOf(2, linkUp), addressOf(of1, 0), addressOf(of2, 0), addressOf(netip.MustParseAddr("fe80::a"), 0))
		x.ways(way{router: r1, metric: 1003, protocol: protocol})
		heard(x, 0, r1, 1800, of1)
		heard(x, 0, r2, 1800, of2)
		return x
	}
	x := both(unix.RTPROT_RA)
	x.expectOf(t, "as dhcpcd does", of1, r1, r2)
	x.expectOf(t, "as dhcpcd does", of2, r2, r1)
	x.expectWhy(t, "as dhcpcd does", of2, r2, "")
	// Packets without a source leave by the main table's.
	if d := x.Defaults(); len(d) != 1 || d[0].Router != r1 {
		t.Errorf("%+v", d)
	}
	x.tell(unreachable(r2, unix.NUD_FAILED))
	x.expectWhy(t, "dead", of2, r2, "its router fe80::2 does not answer (Neighbor Unreachability Detection)")
	x.tell(unreachable(r2, unix.NUD_REACHABLE))
	heard(x, time.Second, r2, 0, of2)
	x.expectOf(t, "resigned", of2, r1)
	x.expectWhy(t, "resigned", of2, r2, "its router fe80::2 is no default router any more")
	heard(x, 2*time.Second, r2, 1800, of2)
	x.expectOf(t, "back", of2, r2, r1)
	// It is not heard any more.
	heard(x, 1803*time.Second, r1, 1800, of1)
	x.expectOf(t, "silent", of2, r1)
	// No dump tells of it; and it is not known any more after the link was without a carrier.
	x = both(unix.RTPROT_RA)
	if err := x.Dump(0, []netlink.Message{linkOf(2, linkUp), addressOf(of1, 0), addressOf(of2, 0),
		way{router: r1, metric: 1003, protocol: unix.RTPROT_RA}.message(2)}); err != nil {
		t.Fatal(err)
	}
	x.expectOf(t, "after a dump", of2, r2, r1)
	x.tell(linkOf(2, unix.IFF_UP), linkOf(2, linkUp))
	x.expectOf(t, "after a pause of the link", of2, r1)
	// The address comes after the advertisement.
	x = &Table{}
	x.tell(linkOf(2, linkUp), addressOf(of1, 0))
	x.ways(way{router: r1, metric: 1003, protocol: unix.RTPROT_RA})
	heard(x, 0, r1, 1800, of1)
	heard(x, 0, r2, 1800, of2)
	x.expectOf(t, "no address", of1, r1)
	x.tell(addressOf(of2, 0))
	x.expectOf(t, "then an address", of2, r2, r1)
	// An administrator has set up the route.
	x = both(unix.RTPROT_STATIC)
	x.expectOf(t, "static", of2, r1)
	// All of them are gone with the link's routes.
	x = both(unix.RTPROT_RA)
	x.ways()
	if got := x.Routers(2); len(got) != 0 {
		t.Errorf("without a route: %v", got)
	}
	// Anyone on the link can be any number of routers.
	x = both(unix.RTPROT_RA)
	for n := range 1000 {
		heard(x, 0, netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 14: byte(n >> 8), 15: byte(n)}), 1800, of1)
	}
	if got := x.Routers(2); len(got) > maxHeard {
		t.Errorf("%d routers", len(got))
	}
	// Those that have announced nothing for us are no routers of ours, and keep nobody out.
	x = &Table{}
	x.tell(linkOf(2, linkUp), addressOf(of1, 0), addressOf(of2, 0))
	x.ways(way{router: r1, metric: 1003, protocol: unix.RTPROT_RA})
	for n := range 1000 {
		heard(x, 0, netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 14: byte(n >> 8), 15: byte(n)}), 1800, netip.MustParseAddr("2001:db8:3::1"))
	}
	heard(x, 0, r2, 1800, of2)
	x.expectOf(t, "among a thousand", of2, r2, r1)
}

// The kernel tells of options with the router that has sent them.
func TestApplyOption(t *testing.T) {
	o := option(of2, 3600)
	m := netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWNDUSEROPT}}
	m.Data = append([]byte{unix.AF_INET6, 0, byte(len(o)), 0, 2, 0, 0, 0, RouterAdvertisement, 15: 0}, o...)
	m.Data = append(append(m.Data, 20, 0, useroptSource, 0), r2.AsSlice()...)
	table := &Table{}
	table.tell(linkOf(2, linkUp))
	table.ways(way{router: r1}, way{router: r2})
	if changed, err := table.Apply(0, m); changed != Locators || err != nil {
		t.Errorf("changed is %v, %v", changed, err)
	}
	table.expectOf(t, "told", of2, r2, r1)
	for n := range m.Data {
		cut := netlink.Message{Header: m.Header, Data: m.Data[:n]}
		if changed, err := (&Table{}).Apply(0, cut); changed != 0 || err != nil {
			t.Errorf("of %d octets changed is %v, %v", n, changed, err)
		}
	}
}

// Anyone can announce anything. There is room for what matters.
func TestAnnouncedBounded(t *testing.T) {
	table := oneLink()
	for i := range 1000 {
		stranger := netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 14: byte(i >> 8), 15: byte(i)})
		if stranger != r1 && stranger != r2 && table.Hear(0, advertisement(stranger, option(netip.AddrFrom16([16]byte{0: 0x20, 6: byte(i >> 8), 7: byte(i)}), 3600))) != 0 {
			t.Fatalf("%v has changed something", stranger)
		}
	}
	if n := len(table.announced[2]); n > maxAnnouncements {
		t.Errorf("%d are kept", n)
	}
	table.expectOf(t, "the first", of1, r1, r2)
	table.ways(way{router: r1}, way{router: r2}, way{router: r3})
	other := netip.MustParseAddr("2001:db8:3::a")
	table.Hear(0, advertisement(r3, option(other, 3600)))
	table.expectOf(t, "a further router", other, r3, r1, r2)
}

// The link of the best default route is that of the first router that answers.
func TestDefaultLink(t *testing.T) {
	table := &Table{}
	table.tell(linkOf(2, linkUp), linkOf(3, linkUp))
	expect := func(want uint32, routes ...netlink.Message) {
		t.Helper()
		if err := table.SetRoutes(routes); err != nil {
			t.Fatal(err)
		}
		if got := table.DefaultLink(); got != want {
			t.Errorf("it is %d, wanted %d", got, want)
		}
	}
	by2, by3 := way{router: r1, metric: 1024}.message(2), way{router: r3, metric: 1024}.message(3)
	expect(0)
	expect(2, by2, by3)
	expect(3, by3, by2)
	expect(3, by2, way{router: r3, metric: 100}.message(3))
	expect(3, by2, way{router: r3, metric: 1024, preference: preferenceHigh}.message(3))
	table.tell(unreachable(r1, unix.NUD_FAILED))
	expect(3, by2, by3)
	half := way{router: r3, metric: 4096}.message(3)
	half.Data[rtmDstLen] = 1
	expect(3, by2, half)
	expect(0, by2)
}

// Routers are asked on links that may have some, once there is an address to ask from.
func TestSolicitable(t *testing.T) {
	table := &Table{}
	own := netip.MustParseAddr("fe80::a")
	expect := func(what string, want bool) {
		t.Helper()
		if got := table.Solicitable()[2]; got != want {
			t.Errorf("%s: %v", what, got)
		}
	}
	table.tell(linkOf(2, linkUp), addressOf(own, unix.IFA_F_TENTATIVE), addressOf(of1, 0))
	expect("tentative", false)
	table.tell(addressOf(own, 0))
	expect("an address with a lifetime", true)
	table.tell(linkOf(2, unix.IFF_UP))
	expect("no carrier", false)
	table = &Table{}
	table.tell(linkOf(2, linkUp), addressOf(own, 0))
	expect("no address", false)
	table.ways(way{router: r1})
	expect("a router", true)
}

// The lifetimes of announcements end.
func TestAnnouncedEnds(t *testing.T) {
	table := oneLink()
	for i := range maxAnnouncements {
		table.Hear(0, advertisement(r1, option(netip.AddrFrom16([16]byte{0: 0x20, 7: byte(i)}), 60)))
	}
	other := netip.MustParseAddr("2001:db8:3::a")
	table.Hear(time.Hour, advertisement(r2, option(other, 3600)))
	table.expectOf(t, "no room", other, r1, r2)
	table.Hear(3*time.Hour, advertisement(r2, option(other, 3600)))
	table.expectOf(t, "room", other, r2, r1)
	// The prefix moves to the other router.
	table.Hear(6*time.Hour, advertisement(r1, option(other, 3600)))
	table.expectOf(t, "it has moved", other, r1, r2)
}
