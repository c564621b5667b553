// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// A host that has all routes of the Internet spends no more than 20 ms of a processor on an event.
func TestHundredThousandRoutes(t *testing.T) {
	m := newManaged(t)
	m.address(up1, a1, 0, 1800, 3600)
	m.address(up2, a2, 0, 1800, 3600)
	var all []netlink.Message
	for _, index := range []uint32{up1, up2} {
		r := Route{Table: unix.RT_TABLE_MAIN, Index: index, Router: netip.MustParseAddr("fe80::1"), Metric: 1024}
		all = append(all, ofOthers(r.message(unix.RTM_NEWROUTE, 0)))
	}
	for n := range uint32(100000) {
		var a [16]byte
		// Groups of prefixes with gaps.
		binary.BigEndian.PutUint32(a[:], 0x2a000000|n/200<<8)
		binary.BigEndian.PutUint16(a[4:], uint16(n%200))
		r := Route{Table: unix.RT_TABLE_MAIN, Index: up1, Router: netip.MustParseAddr("fe80::1"), Metric: 1024,
			Destination: netip.PrefixFrom(netip.AddrFrom16(a), 48)}
		all = append(all, ofOthers(r.message(unix.RTM_NEWROUTE, 0)))
	}
	if err := m.table.SetRoutes(all); err != nil {
		t.Fatal(err)
	}
	m.settles()
	limit := 20 * time.Millisecond
	if raceEnabled {
		limit *= 20
	}
	one := netip.MustParsePrefix("2001:db8:77::/64")
	for _, c := range []struct {
		name  string
		event func(n int)
	}{
		{"an announcement", func(n int) { m.prefixes.Apply(m.now, announcement(up1, p1, autoconf, 1800, 3600)) }},
		{"a default route again", func(int) { m.apply(all[0]) }},
		{"an address, and its route", func(n int) {
			kind := netlink.HeaderType(unix.RTM_NEWROUTE)
			if n%2 == 1 {
				kind = unix.RTM_DELROUTE
			}
			m.apply(ofOthers(Route{Table: unix.RT_TABLE_MAIN, Index: up2, Metric: 256, Destination: one}.message(kind, 0)))
		}},
		{"a carrier", func(n int) {
			if n%2 == 0 {
				m.link(up2, "up2", unix.IFF_UP)
			} else {
				m.up(up2)
			}
		}},
	} {
		const events = 20
		began := processor(t)
		for n := range events {
			c.event(n)
			m.settles()
		}
		each := (processor(t) - began) / events
		t.Logf("%s: %v", c.name, each)
		if each > limit {
			t.Errorf("%s takes %v", c.name, each)
		}
	}
}

// ofOthers is a message of a route that another program has set up.
func ofOthers(m netlink.Message) netlink.Message {
	m.Data[5] = unix.RTPROT_BGP
	return m
}

// processor is how much of the processor this process has had.
func processor(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
