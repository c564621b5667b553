// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/config"
)

// toldLink is the message of a link.
func toldLink(kind int, index, flags uint32, more ...byte) netlink.Message {
	b := binary.NativeEndian.AppendUint32([]byte{0, 0, 0, 0}, index)
	b = binary.NativeEndian.AppendUint32(b, flags)
	b = append(binary.NativeEndian.AppendUint32(b, 0), more...)
	return netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(kind)}, Data: b}
}

// by is a default route by a program, with a metric.
func by(protocol uint8, metric uint32, then func(*rtnetlink.RouteMessage)) func(*rtnetlink.RouteMessage) {
	return func(r *rtnetlink.RouteMessage) {
		r.Protocol, r.Attributes.Dst = protocol, nil
		then(r)
		r.Attributes.Priority = metric
	}
}

// Messages about default routes are enough to know the routers of links.
func TestDefaults(t *testing.T) {
	table := &Table{}
	tell := func(want Changed, m netlink.Message) {
		t.Helper()
		if c, err := table.Apply(0, m); c != want || err != nil {
			t.Errorf("changed is %d, wanted %d; %v", c, want, err)
		}
	}
	knows := func(want ...string) {
		t.Helper()
		var got []string
		for _, d := range table.Defaults() {
			text := fmt.Sprintf("%d %v", d.Index, d.Router)
			if !d.Usable {
				text += " lost"
			} else if !slices.Contains(table.Routers(d.Index), d.Router) {
				t.Errorf("%s is no router", text)
			}
			got = append(got, text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("default routes are %q, wanted %q", got, want)
		}
	}
	route := func(kind, flags int, change func(*rtnetlink.RouteMessage)) netlink.Message {
		return toldRoute(t, kind, flags, "::/0", change)
	}
	const news, gone, replace = unix.RTM_NEWROUTE, unix.RTM_DELROUTE, int(netlink.Replace)
	tell(Locators, toldLink(unix.RTM_NEWLINK, 1, linkUp))
	tell(Locators, toldLink(unix.RTM_NEWLINK, 2, linkUp))
	ra := by(unix.RTPROT_RA, 1024, via(1, "fe80::1"))
	tell(Locators, route(news, 0, ra))
	tell(0, route(news, 0, ra))
	tell(Locators, route(news, 0, by(unix.RTPROT_RA, 1024, via(2, "fe80::2"))))
	tell(0, route(news, 0, ra))
	knows("1 fe80::1", "2 fe80::2")
	// A link without a carrier keeps its route.
	tell(Locators, toldLink(unix.RTM_NEWLINK, 1, unix.IFF_UP))
	knows("1 fe80::1 lost", "2 fe80::2")
	tell(Locators, toldLink(unix.RTM_NEWLINK, 1, linkUp))
	knows("1 fe80::1", "2 fe80::2")
	// It is set down: the routes that go are told, but perhaps not.
	tell(Locators|Links, toldLink(unix.RTM_NEWLINK, 1, 0))
	if !table.Stale() {
		t.Error("a link that is down has a route")
	}
	tell(0, route(gone, 0, ra))
	if table.Stale() {
		t.Error("no link that is down has a route")
	}
	knows("2 fe80::2")
	on := func(kind int) netlink.Message { return toldRoute(t, kind, 0, "2001:db8:9::/48", nil) }
	tell(Specifics, on(news))
	if !table.Stale() {
		t.Error("a link that is down has a route")
	}
	tell(Specifics, on(gone))
	// One of several that the kernel keeps apart was replaced: it is not told which.
	tell(Locators|Links, toldLink(unix.RTM_NEWLINK, 1, linkUp))
	tell(Locators, route(news, 0, ra))
	tell(Routes, route(news, replace, by(unix.RTPROT_STATIC, 1024, via(1, "fe80::3"))))
	knows("2 fe80::2", "1 fe80::1")
	// Those that share their load are replaced together.
	tell(Locators, route(news, 0, by(unix.RTPROT_BGP, 20, ways("fe80::11", "fe80::12"))))
	knows("1 fe80::11", "2 fe80::12", "2 fe80::2", "1 fe80::1")
	tell(Locators, route(news, replace, by(unix.RTPROT_BGP, 20, via(2, "fe80::13"))))
	knows("2 fe80::13", "2 fe80::2", "1 fe80::1")
	tell(Locators, route(news, 0, by(unix.RTPROT_BGP, 20, via(1, "fe80::11"))))
	tell(Locators, route(gone, 0, by(unix.RTPROT_BGP, 20, via(1, "fe80::11"))))
	knows("2 fe80::13", "2 fe80::2", "1 fe80::1")
	// By a route that sends nothing, too.
	tell(Locators, route(news, replace, by(unix.RTPROT_BGP, 20, func(r *rtnetlink.RouteMessage) { r.Type = unix.RTN_UNREACHABLE })))
	knows("2 fe80::2", "1 fe80::1")
	// Other tables and our own routes are no routers of the main table.
	tell(Locators, route(news, 0, by(4, 1, func(r *rtnetlink.RouteMessage) { via(1, "fe80::7")(r); r.Attributes.Table = 77 })))
	tell(0, route(news, 0, by(Protocol, 1, via(1, "fe80::8"))))
	knows("2 fe80::2", "1 fe80::1")
	tell(Locators|Links, toldLink(unix.RTM_DELLINK, 2, 0))
	tell(Locators, route(gone, 0, by(unix.RTPROT_RA, 1024, via(2, "fe80::2"))))
	knows("1 fe80::1")
}

// A port of a bridge has no addresses that work. A member of a VRF has, but Shim6 does not use them.
func TestPort(t *testing.T) {
	for _, c := range []struct {
		kind string
		up   bool
	}{{"bridge", false}, {"bond", false}, {"vrf", true}} {
		e := netlink.NewAttributeEncoder()
		e.Nested(unix.IFLA_LINKINFO, func(e *netlink.AttributeEncoder) error {
			e.String(unix.IFLA_INFO_KIND, "veth")
			e.String(unix.IFLA_INFO_SLAVE_KIND, c.kind)
			return nil
		})
		info, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		table := &Table{}
		for _, m := range []netlink.Message{toldLink(unix.RTM_NEWLINK, 1, linkUp), toldLink(unix.RTM_NEWLINK, 1, linkUp, info...)} {
			if _, err := table.Apply(0, m); err != nil {
				t.Fatal(err)
			}
		}
		if table.Enabled(1) != c.up || table.Up(1) != c.up {
			t.Errorf("%s: enabled is %v, up %v", c.kind, table.Enabled(1), table.Up(1))
		}
		if why, ok := table.Allowed(&config.Config{}, 1, netip.MustParseAddr("2001:db8::1")); ok != (c.kind != "vrf") {
			t.Errorf("%s: an address is allowed: %v, %q", c.kind, ok, why)
		}
	}
}
