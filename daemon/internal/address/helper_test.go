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

const lo, up1, up2 = 1, 2, 3

var (
	a1 = netip.MustParseAddr("2001:db8:1::a")
	a2 = netip.MustParseAddr("2001:db8:2::a")
)

// numbered is one of many prefixes. In order they come after those of a1 and a2.
func numbered(n int) cga.SubnetPrefix {
	p := cga.PrefixOf(netip.MustParseAddr("2001:db8:ffff::"))
	binary.BigEndian.PutUint16(p[6:], uint16(n))
	return p
}

// host is a kernel that tells a Table, in virtual time.
type host struct {
	t     *testing.T
	now   time.Duration
	table locator.Table
}

func newHost(t *testing.T) *host {
	h := &host{t: t}
	h.link(lo, "lo", unix.IFF_UP|unix.IFF_RUNNING|unix.IFF_LOWER_UP|unix.IFF_LOOPBACK)
	h.up(up1)
	h.up(up2)
	return h
}

func (h *host) apply(m netlink.Message) {
	h.t.Helper()
	if _, err := h.table.Apply(h.now, m); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) link(index uint32, name string, flags uint32) {
	b := []byte{unix.AF_UNSPEC, 0, 0, 0}
	b = binary.NativeEndian.AppendUint32(b, index)
	b = binary.NativeEndian.AppendUint32(b, flags)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = append(b, attributes(func(e *netlink.AttributeEncoder) { e.String(unix.IFLA_IFNAME, name) })...)
	h.apply(netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWLINK}, Data: b})
}

func name(index uint32) string { return fmt.Sprintf("up%d", index-up1+1) }

func (h *host) up(index uint32) {
	h.link(index, name(index), unix.IFF_UP|unix.IFF_RUNNING|unix.IFF_LOWER_UP)
}

func (h *host) down(index uint32) { h.link(index, name(index), 0) }

// address tells of an address that another program has set up, with protocol 0.
func (h *host) address(index uint32, a netip.Addr, flags, preferred, valid uint32) {
	m := SetAddress{Index: index, Address: a, Bits: 64, Flags: flags, Preferred: preferred, Valid: valid}.Message()
	if preferred == 0 {
		m = SetAddress{Index: index, Address: a, Bits: 64, Flags: flags | unix.IFA_F_DEPRECATED, Valid: valid}.Message()
	}
	m.Data = m.Data[:len(m.Data)-8]
	h.apply(m)
}

func (h *host) lost(index uint32, a netip.Addr) {
	h.apply(DeleteAddress{Index: index, Address: a, Bits: 64}.Message())
}

// wants compares Actions, and then does them.
func (h *host) wants(got []Action, want ...string) {
	h.t.Helper()
	var text []string
	for _, a := range got {
		text = append(text, a.String())
	}
	slices.Sort(text)
	slices.Sort(want)
	if !slices.Equal(text, want) {
		h.t.Fatalf("after %v: actions\n%q, wanted\n%q", h.now, text, want)
	}
	for _, a := range got {
		h.apply(a.Message())
	}
}

// uses are the ULIDs of contexts.
func uses(list ...netip.Addr) func() map[netip.Addr]bool {
	m := map[netip.Addr]bool{}
	for _, a := range list {
		m[a] = true
	}
	return func() map[netip.Addr]bool { return m }
}
