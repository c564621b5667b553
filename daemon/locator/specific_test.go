// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// toldRoute is the message of a route of the main table by link 1, with what change changes.
func toldRoute(t testing.TB, kind, flags int, destination string, change func(*rtnetlink.RouteMessage)) netlink.Message {
	t.Helper()
	p := netip.MustParsePrefix(destination)
	r := rtnetlink.RouteMessage{Family: unix.AF_INET6, DstLength: uint8(p.Bits()), Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST,
		Attributes: rtnetlink.RouteAttributes{Dst: p.Addr().AsSlice(), OutIface: 1, Priority: 256, Table: unix.RT_TABLE_MAIN}}
	if change != nil {
		change(&r)
	}
	b, err := r.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.HeaderFlags(flags)}, Data: b}
}

func via(index uint32, router string) func(*rtnetlink.RouteMessage) {
	return func(r *rtnetlink.RouteMessage) {
		r.Attributes.OutIface, r.Attributes.Gateway = index, netip.MustParseAddr(router).AsSlice()
	}
}

// ways adds hops by links 1 and 2 to a route.
func ways(routers ...string) func(*rtnetlink.RouteMessage) {
	return func(r *rtnetlink.RouteMessage) {
		r.Attributes.OutIface = 0
		for i, a := range routers {
			r.Attributes.Multipath = append(r.Attributes.Multipath, rtnetlink.NextHop{
				Hop: rtnetlink.RTNextHop{IfIndex: uint32(i + 1)}, Gateway: netip.MustParseAddr(a).AsSlice()})
		}
	}
}

// wantSpecifics compares what a Table knows of routes that are no default routes.
func wantSpecifics(t *testing.T, table *Table, covered []string, of ...string) {
	t.Helper()
	var got, list []string
	for _, p := range table.Covered() {
		got = append(got, p.String())
	}
	for index := range uint32(3) {
		for _, s := range table.Specifics(index) {
			list = append(list, fmt.Sprintf("%v %v %d", s.Destination, s.Router, s.Index))
		}
	}
	if !slices.Equal(got, covered) || !slices.Equal(list, of) {
		t.Errorf("covered is %q, wanted %q; routes are %q, wanted %q", got, covered, list, of)
	}
}

// Messages about a route update it.
func TestSpecifics(t *testing.T) {
	const d = "2001:db8:9::/48"
	table := &Table{}
	tell := func(want Changed, kind, flags int, change func(*rtnetlink.RouteMessage)) {
		t.Helper()
		changed, err := table.Apply(0, toldRoute(t, kind, flags, d, change))
		if err != nil || changed != want {
			t.Errorf("changed is %v, wanted %v; error %v", changed, want, err)
		}
	}
	tell(Specifics, unix.RTM_NEWROUTE, 0, nil)
	tell(0, unix.RTM_NEWROUTE, 0, nil)
	wantSpecifics(t, table, []string{d}, d+" invalid IP 1")
	// A route replaces another, or is added beside it.
	tell(Specifics, unix.RTM_NEWROUTE, unix.NLM_F_REPLACE, via(2, "fe80::2"))
	wantSpecifics(t, table, []string{d}, d+" fe80::2 2")
	tell(Specifics, unix.RTM_NEWROUTE, unix.NLM_F_APPEND, ways("fe80::1", "fe80::2"))
	wantSpecifics(t, table, []string{d}, d+" fe80::1 1", d+" fe80::2 2")
	tell(Specifics, unix.RTM_DELROUTE, 0, via(2, "fe80::2"))
	wantSpecifics(t, table, []string{d}, d+" fe80::1 1")
	tell(0, unix.RTM_DELROUTE, 0, via(2, "fe80::2"))
	// With another metric it is another route.
	tell(Specifics, unix.RTM_NEWROUTE, 0, func(r *rtnetlink.RouteMessage) { r.Attributes.Priority = 1 })
	wantSpecifics(t, table, []string{d}, d+" invalid IP 1", d+" fe80::1 1")
	tell(Specifics, unix.RTM_DELROUTE, 0, func(r *rtnetlink.RouteMessage) { r.Attributes.Priority = 1 })
	tell(Specifics, unix.RTM_DELROUTE, 0, ways("fe80::1", "fe80::2"))
	wantSpecifics(t, table, nil)
	// A route that refuses packets covers its destination as well, but has no hop.
	tell(Specifics, unix.RTM_NEWROUTE, 0, func(r *rtnetlink.RouteMessage) { r.Type = unix.RTN_UNREACHABLE })
	wantSpecifics(t, table, []string{d})
	// After a dump there is only what the dump has.
	if err := table.SetRoutes([]netlink.Message{toldRoute(t, unix.RTM_NEWROUTE, 0, "fe80::/64", nil)}); err != nil {
		t.Fatal(err)
	}
	wantSpecifics(t, table, []string{"fe80::/64"}, "fe80::/64 invalid IP 1")
	for _, change := range []func(*rtnetlink.RouteMessage){
		func(r *rtnetlink.RouteMessage) { r.Table, r.Attributes.Table = 77, 77 },
		func(r *rtnetlink.RouteMessage) { r.Protocol = Protocol },
		func(r *rtnetlink.RouteMessage) { r.Type = unix.RTN_THROW },
		func(r *rtnetlink.RouteMessage) { r.Flags = unix.RTM_F_CLONED },
		func(r *rtnetlink.RouteMessage) { r.Flags = unix.RTNH_F_DEAD },
	} {
		tell(0, unix.RTM_NEWROUTE, 0, change)
	}
}

// A malformed message of a route is an error, whatever is missing.
func TestSpecificMessages(t *testing.T) {
	whole := toldRoute(t, unix.RTM_NEWROUTE, 0, "2001:db8:9::/48", ways("fe80::1", "fe80::2"))
	for n := unix.SizeofRtMsg + 1; n < len(whole.Data); n++ {
		m := netlink.Message{Header: whole.Header, Data: whole.Data[:n]}
		table := &Table{}
		if changed, err := table.Apply(0, m); err == nil && changed == Specifics && len(table.Covered()) == 0 {
			t.Errorf("of %d octets something is read", n)
		}
	}
	for i := unix.SizeofRtMsg; i+2 <= len(whole.Data); i += 4 {
		m := netlink.Message{Header: whole.Header, Data: slices.Clone(whole.Data)}
		binary.NativeEndian.PutUint16(m.Data[i:], 0xffff)
		_, _ = (&Table{}).Apply(0, m)
	}
	m := toldRoute(t, unix.RTM_NEWROUTE, 0, "2001:db8:9::/48", nil)
	m.Data[1] = 129
	if _, err := (&Table{}).Apply(0, m); err == nil {
		t.Error("a prefix of 129 bits is read")
	}
}

// Covered has exactly the addresses of the routes, for any routes.
func TestCovered(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		table := &Table{}
		var all []netip.Prefix
		for range random.IntN(60) {
			// The prefixes are short, so that halves meet.
			bits := 4 + random.IntN(8)
			a := [16]byte{byte(random.Uint32()), byte(random.Uint32())}
			p := netip.PrefixFrom(netip.AddrFrom16(a), bits).Masked()
			all = append(all, p)
			if _, err := table.Apply(0, toldRoute(t, unix.RTM_NEWROUTE, 0, p.String(), nil)); err != nil {
				t.Fatal(err)
			}
		}
		covered := table.Covered()
		in := func(list []netip.Prefix, a netip.Addr) bool {
			return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
		}
		for n := range 1 << 12 {
			a := netip.AddrFrom16([16]byte{byte(n >> 4), byte(n << 4)})
			if in(all, a) != in(covered, a) {
				t.Fatalf("%v of %v is told from %v", a, all, covered)
			}
		}
		for i, p := range covered {
			if p.Bits() <= DefaultBits {
				t.Errorf("%v is as good as a default route", p)
			}
			if i > 0 && covered[i-1].Overlaps(p) {
				t.Errorf("%v and %v overlap", covered[i-1], p)
			}
		}
	}
}

// However many changes are looked at in one go, the lists are the same.
func TestSpecificsInTurns(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	one, many := &Table{}, &Table{}
	for i := range 3000 {
		p := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, byte(random.IntN(4)), byte(random.IntN(8) << 5)}), 8+random.IntN(16)).Masked()
		kind := unix.RTM_NEWROUTE
		if random.IntN(3) == 0 {
			kind = unix.RTM_DELROUTE
		}
		m := toldRoute(t, kind, 0, p.String(), func(r *rtnetlink.RouteMessage) {
			r.Attributes.OutIface, r.Attributes.Priority = uint32(random.IntN(3)), uint32(random.IntN(2))
		})
		for _, table := range []*Table{one, many} {
			if _, err := table.Apply(0, m); err != nil {
				t.Fatal(err)
			}
		}
		one.Covered()
		if i%100 != 0 {
			continue
		}
		if !slices.Equal(one.Covered(), many.Covered()) {
			t.Fatalf("covered is %v or %v", one.Covered(), many.Covered())
		}
		for index := range uint32(3) {
			if !slices.Equal(one.Specifics(index), many.Specifics(index)) {
				t.Fatalf("by %d: %v or %v", index, one.Specifics(index), many.Specifics(index))
			}
		}
	}
}

// hundredThousand is a Table with as many routes as the Internet may have prefixes, by two links.
func hundredThousand(t testing.TB) *Table {
	var list []netlink.Message
	for n := range uint32(100000) {
		r := rtnetlink.RouteMessage{Family: unix.AF_INET6, DstLength: 48, Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST, Protocol: 12,
			Attributes: rtnetlink.RouteAttributes{OutIface: 1 + n%2, Priority: 1024, Gateway: netip.MustParseAddr("fe80::1").AsSlice()}}
		var a [16]byte
		binary.BigEndian.PutUint32(a[:], 0x20010000|n>>8)
		binary.BigEndian.PutUint16(a[4:], uint16(n*37))
		r.Attributes.Dst = a[:]
		b, err := r.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWROUTE}, Data: b})
	}
	table := &Table{}
	if err := table.SetRoutes(list); err != nil {
		t.Fatal(err)
	}
	table.Covered()
	return table
}

// One route more among a hundred thousand is followed in a moment.
func BenchmarkCovered(b *testing.B) {
	table := hundredThousand(b)
	for n := 0; b.Loop(); n++ {
		kind := unix.RTM_NEWROUTE
		if n%2 == 1 {
			kind = unix.RTM_DELROUTE
		}
		m := toldRoute(b, kind, 0, "2001:db8:9::/48", nil)
		if changed, err := table.Apply(0, m); err != nil || changed != Specifics {
			b.Fatal(changed, err)
		}
		table.Covered()
	}
}
