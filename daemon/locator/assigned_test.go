// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Routers are those of the main table. Routes of shim6d do not count as routers.
func TestRouters(t *testing.T) {
	router, other := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fe80::2")
	route := func(table, protocol uint8, gateway netip.Addr) netlink.Message {
		b, err := (&rtnetlink.RouteMessage{
			Family: unix.AF_INET6, Table: table, Protocol: protocol, Type: unix.RTN_UNICAST,
			Attributes: rtnetlink.RouteAttributes{OutIface: 2, Gateway: gateway.AsSlice(), Table: uint32(table)},
		}).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWROUTE}, Data: b}
	}
	for _, c := range []struct {
		name         string
		routes       []netlink.Message
		routers, all []netip.Addr
	}{
		{"none", nil, nil, nil},
		{"from an RA", []netlink.Message{route(unix.RT_TABLE_MAIN, unix.RTPROT_RA, router)}, []netip.Addr{router}, []netip.Addr{router}},
		{"of another table", []netlink.Message{route(77, unix.RTPROT_BOOT, other)}, nil, []netip.Addr{other}},
		{"ours", []netlink.Message{route(78, Protocol, router), route(unix.RT_TABLE_MAIN, Protocol, router)}, nil, nil},
	} {
		table := &Table{}
		if err := table.SetRoutes(c.routes); err != nil {
			t.Fatal(err)
		}
		if got := table.Routers(2); !slices.Equal(got, c.routers) {
			t.Errorf("%s: routers %v, wanted %v", c.name, got, c.routers)
		}
		if got := addresses(table.routers[2]); !slices.Equal(got, c.all) || table.needsRouter[2] != (c.all != nil) {
			t.Errorf("%s: of all tables %v, wanted %v", c.name, got, c.all)
		}
	}
}
