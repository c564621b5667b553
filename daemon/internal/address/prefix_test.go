// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/locator"
)

var (
	p1 = cga.PrefixOf(a1)
	p2 = cga.PrefixOf(a2)
	p3 = cga.PrefixOf(netip.MustParseAddr("2001:db8:3::"))
)

// announcement is the message of a prefix that a router has announced.
func announcement(index uint32, p cga.SubnetPrefix, flags uint8, preferred, valid uint32) netlink.Message {
	b := []byte{unix.AF_INET6, 0, 0, 0}
	b = binary.NativeEndian.AppendUint32(b, index)
	b = append(b, 3, 64, flags, 0)
	b = append(b, attributes(func(e *netlink.AttributeEncoder) {
		e.Bytes(unix.PREFIX_ADDRESS, p.Prefix().Addr().AsSlice())
		e.Bytes(unix.PREFIX_CACHEINFO, binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, preferred), valid))
	})...)
	return netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWPREFIX}, Data: b}
}

const autoconf = ifPrefixAutoconf | 1

// known is the list of known prefixes in short.
func known(p *Prefixes, h *host) []string {
	var list []string
	for _, x := range p.Known(h.now, &h.table) {
		list = append(list, fmt.Sprintf("%v dev %d until %v %v", x.Prefix, x.Index, x.PreferredUntil, x.ValidUntil))
	}
	return list
}

func (h *host) knows(p *Prefixes, want ...string) {
	h.t.Helper()
	if got := known(p, h); !slices.Equal(got, want) {
		h.t.Errorf("after %v: known is %q, wanted %q", h.now, got, want)
	}
}

// Without an address of others, the announcements of routers count.
func TestAnnounced(t *testing.T) {
	h, p := newHost(t), Prefixes{}
	h.knows(&p)
	for _, m := range []netlink.Message{
		announcement(up1, p1, 1, 10, 20),                                        // on-link, and no more
		announcement(up1, cga.PrefixOf(netip.MustParseAddr("fe80::")), 3, 1, 2), // link-local
		announcement(up1, p1, autoconf, 20, 10),                                 // more preferred than valid
		{Header: netlink.Header{Type: unix.RTM_NEWPREFIX}, Data: []byte{unix.AF_INET6}},
		{Header: netlink.Header{Type: unix.RTM_NEWADDR}},
	} {
		if p.Apply(h.now, m) {
			t.Errorf("taken for an announcement: %v", m)
		}
	}
	if p.Apply(h.now, announcement(up1, p1, autoconf, 0, 0)); len(known(&p, h)) > 0 {
		t.Error("a prefix is withdrawn, and so known")
	}
	p.Apply(h.now, announcement(up1, p1, autoconf, 1800, 3600))
	p.Apply(h.now, announcement(up2, p2, autoconf, Infinite, Infinite))
	h.knows(&p, "2001:db8:1::/64 dev 2 until 30m0s 1h0m0s", "2001:db8:2::/64 dev 3 until 0s 0s")
	// The prefix is renewed, and then not.
	h.now = 10 * time.Minute
	p.Apply(h.now, announcement(up1, p1, autoconf, 1800, 3600))
	h.knows(&p, "2001:db8:1::/64 dev 2 until 40m0s 1h10m0s", "2001:db8:2::/64 dev 3 until 0s 0s")
	h.now = 71 * time.Minute
	h.knows(&p, "2001:db8:2::/64 dev 3 until 0s 0s")
	// When the link goes down, its announcements are forgotten.
	h.down(up2)
	h.knows(&p)
	h.up(up2)
	h.knows(&p)
}

// A link has MaxPrefixes and no more. The first stay until they end. That there are too many is
// told once. Another link has its own.
func TestTooMany(t *testing.T) {
	h, p := newHost(t), Prefixes{}
	p.Apply(h.now, announcement(up1, numbered(5000), autoconf, 60, 60))
	p.Apply(h.now, announcement(up2, p2, autoconf, 60, 60))
	flood := func(from int) {
		for n := range 1000 {
			if !p.Apply(h.now, announcement(up1, numbered(from+n), autoconf, 600, 600)) {
				t.Fatal("it is no announcement")
			}
		}
		if len(p.announced) > MaxPrefixes+1 {
			t.Fatalf("%d are remembered", len(p.announced))
		}
	}
	has := func(n ...int) {
		t.Helper()
		var got, want []cga.SubnetPrefix
		for _, x := range p.Known(h.now, &h.table) {
			if x.Index == up1 {
				got = append(got, x.Prefix)
			}
		}
		for _, n := range n {
			want = append(want, numbered(n))
		}
		if !slices.Equal(got, want) {
			t.Errorf("after %v: known is %v, wanted %v", h.now, got, want)
		}
	}
	told := func(want ...uint32) {
		t.Helper()
		if got := p.Full(); !slices.Equal(got, want) {
			t.Errorf("after %v: full are links %v, wanted %v", h.now, got, want)
		}
	}
	told()
	flood(0)
	has(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 5000)
	told(up1)
	// Known prefixes are renewed. One that ends makes room for another.
	h.now = 30 * time.Second
	p.Apply(h.now, announcement(up1, numbered(3), autoconf, 1200, 1200))
	h.now = time.Minute
	flood(100)
	has(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 100)
	told()
	h.now = 11 * time.Minute
	has(3)
	// After the link was down, that is over.
	h.down(up1)
	has()
	h.up(up1)
	flood(200)
	has(200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215)
	told(up1)
}

// The rule of two hours (RFC 4862, section 5.5.3 (e)).
func TestTwoHours(t *testing.T) {
	for _, c := range []struct {
		before, after uint32
		want          time.Duration
	}{
		{Infinite, 0, 2 * time.Hour},
		{Infinite, 3600, 2 * time.Hour},
		{Infinite, 8000, 8000 * time.Second},
		{20000, 0, 2 * time.Hour},
		{20000, 7201, 7201 * time.Second},
		{3600, 0, 3600 * time.Second},
		{3600, 1800, 3600 * time.Second},
		{3600, 5000, 5000 * time.Second},
		{3600, Infinite, 0},
	} {
		h, p := newHost(t), Prefixes{}
		p.Apply(0, announcement(up1, p1, autoconf, 0, c.before))
		p.Apply(0, announcement(up1, p1, autoconf, 0, c.after))
		// It is deprecated at once.
		h.knows(&p, fmt.Sprintf("2001:db8:1::/64 dev 2 until 1ns %v", c.want))
	}
}

// An address that others have made counts before announcements of routers.
func TestAutoconfigured(t *testing.T) {
	h, p := newHost(t), Prefixes{}
	p.Apply(h.now, announcement(up1, p1, autoconf, 1, 2))
	h.address(up1, a1, 0, 1800, 3600)
	temporary := netip.MustParseAddr("2001:db8:1::77")
	h.address(up1, temporary, unix.IFA_F_TEMPORARY, 60, 7200)
	// These do not count: addresses made by hand or by DHCPv6, duplicates, addresses of the
	// loopback, and ours.
	h.address(up2, a2, 0, Infinite, Infinite)
	h.address(lo, netip.MustParseAddr("2001:db8:4::1"), 0, 1800, 3600)
	h.address(up2, netip.MustParseAddr("2001:db8:5::1"), unix.IFA_F_DADFAILED, 1800, 3600)
	h.apply(SetAddress{Index: up2, Address: netip.MustParseAddr("2001:db8:6::1"), Bits: 128, Preferred: 1, Valid: 2}.Message())
	h.apply(SetAddress{Index: up2, Address: netip.MustParseAddr("2001:db8:7::1"), Bits: 64, Preferred: 1, Valid: 2}.Message())
	h.knows(&p, "2001:db8:1::/64 dev 2 until 30m0s 1h0m0s")
	// The kernel's own addresses without an end are known by their mark.
	m := SetAddress{Index: up2, Address: a2, Bits: 64, Preferred: Infinite, Valid: Infinite}.Message()
	m.Data[len(m.Data)-4] = protoRouter
	h.apply(m)
	h.knows(&p, "2001:db8:1::/64 dev 2 until 30m0s 1h0m0s", "2001:db8:2::/64 dev 3 until 0s 0s")
}

// Malformed messages are ignored.
func FuzzPrefixes(f *testing.F) {
	f.Add(announcement(up1, p1, autoconf, 1, 2).Data)
	f.Fuzz(func(_ *testing.T, b []byte) {
		var p Prefixes
		p.Apply(0, netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWPREFIX}, Data: b})
		p.Known(0, &locator.Table{})
		var c Collisions
		c.Apply(netlink.Message{Header: netlink.Header{Type: unix.RTM_DELADDR}, Data: b})
		parseRule(netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWRULE}, Data: b})
		parseRoute(netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWROUTE}, Data: b})
	})
}
