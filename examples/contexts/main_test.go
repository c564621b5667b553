// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"shim6/netlink"
)

// kernel has one context, which sends by its ULIDs.
type kernel struct{ netlink.Context }

func (k kernel) Contexts() ([]netlink.Context, error) { return []netlink.Context{k.Context}, nil }

func TestFollower(t *testing.T) {
	a, b := netip.MustParseAddr("2001:db8:1::a"), netip.MustParseAddr("2001:db8:3::b")
	a2 := netip.MustParseAddr("2001:db8:2::a")
	c := netlink.Context{
		ULIDs: netlink.ULIDs{Local: a, Peer: b}, State: netlink.ContextStateEstablished,
		LocatorLocal: a, LocatorPeer: b,
	}
	moved := c
	moved.LocatorLocal = a2

	var out strings.Builder
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	f := &follower{out: &out, now: func() time.Time { return at }, pairs: map[netlink.ULIDs]pair{}}
	if err := f.list(kernel{c}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []netlink.Notification{
		{Context: &c}, // as before: nothing to tell
		{Context: &moved},
		{Config: &netlink.Config{}},
		{Context: &moved, Deleted: true},
		{Context: &moved, Deleted: true}, // told already
	} {
		f.notified(n)
	}
	const want = `12:00:00 context 2001:db8:1::a 2001:db8:3::b: established, sends 2001:db8:1::a -> 2001:db8:3::b
12:00:00 switch  2001:db8:1::a 2001:db8:3::b: 2001:db8:2::a -> 2001:db8:3::b, was 2001:db8:1::a -> 2001:db8:3::b
12:00:00 gone    2001:db8:1::a 2001:db8:3::b
`
	if out.String() != want {
		t.Errorf("printed\n%swanted\n%s", out.String(), want)
	}
}
