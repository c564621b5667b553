// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"net/netip"
	"testing"

	"github.com/jsimonetti/rtnetlink/v2"
	mnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The kernel is asked for a route from the source: RTA_SRC, and not RTA_PREFSRC.
func TestRouteFrom(t *testing.T) {
	to, from := netip.MustParseAddr("2001:db8:1::1"), netip.MustParseAddr("2001:db8:2::2")
	m := routeFrom{rtnetlink.RouteMessage{
		Family: unix.AF_INET6, DstLength: 128, SrcLength: 128, Attributes: rtnetlink.RouteAttributes{Dst: to.AsSlice()},
	}, from}
	b, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	ad, err := mnetlink.NewAttributeDecoder(b[unix.SizeofRtMsg:])
	if err != nil {
		t.Fatal(err)
	}
	got := map[uint16]netip.Addr{}
	for ad.Next() {
		got[ad.Type()], _ = netip.AddrFromSlice(ad.Bytes())
	}
	if err := ad.Err(); err != nil || len(got) != 2 || got[unix.RTA_DST] != to || got[unix.RTA_SRC] != from {
		t.Errorf("%v, %v", got, err)
	}
}
