// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/config"
)

// An address that proves nothing gets a label if there is a better one of the same prefix on
// the same link. When the better one goes, the label goes.
func TestPlanLabels(t *testing.T) {
	temporary := netip.MustParseAddr("2001:db8:1::face")
	m := newManaged(t)
	labels := func(when string, want ...netip.Addr) {
		t.Helper()
		m.settles()
		slices.SortFunc(m.labels, netip.Addr.Compare)
		if !slices.Equal(m.labels, want) {
			t.Fatalf("%s: labels %v, wanted %v", when, m.labels, want)
		}
	}
	x, _ := m.both()
	labels("no link has an address")
	m.address(up1, a1, 0, 1800, 3600)
	m.address(up1, temporary, unix.IFA_F_TEMPORARY, 1800, 3600)
	labels("one link has", a1, temporary)
	m.address(up2, netip.MustParseAddr("2001:db8:77::1"), 0, 1800, 3600)
	labels("a prefix that nothing was made for", a1, temporary)
	m.address(up1, temporary, unix.IFA_F_TEMPORARY, 0, 3600)
	labels("one is deprecated, and taken by nobody", a1)
	m.config.Sets = []config.Set{{Addresses: []cga.Address{{Addr: a1}}}}
	labels("one is in a set of the configuration")
	m.config = config.Default()
	labels("the configuration has none again", a1)
	m.config.Addresses.Source = config.SourceSystem
	labels("the system decides")
	m.config.Addresses.Source = config.SourceProtected
	labels("shim6d decides", a1)
	m.lost(up1, a1)
	labels("it is gone")
	m.address(up1, a1, 0, 1800, 3600)
	set := SetAddress{Index: up1, Address: x, Bits: subnetBits, Flags: unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_TENTATIVE, Preferred: 1800, Valid: 3600}
	m.apply(set.Message())
	labels("ours is tentative, so there is nothing better yet")
	set.Flags &^= unix.IFA_F_TENTATIVE
	m.apply(set.Message())
	labels("ours is there", a1)
	// An address that another program has set up is as good.
	m.lost(up1, x)
	m.address(up1, x, 0, 1800, 3600)
	labels("ours is somebody else's", a1)
}

// Source selection takes longer with each label.
func TestPlanLabelsAreBounded(t *testing.T) {
	m := newManaged(t)
	m.both()
	for i := range 100 {
		a := a1.As16()
		a[14] = byte(i) + 1
		m.address(up1, netip.AddrFrom16(a), 0, 1800, 3600)
	}
	temporary := netip.MustParseAddr("2001:db8:1::ffff")
	m.address(up1, temporary, unix.IFA_F_TEMPORARY, 1800, 3600)
	m.settles()
	if !slices.Contains(m.labels, temporary) {
		t.Error("the one that the kernel prefers has no label")
	}
	if len(m.labels) != maxLabels {
		t.Errorf("%d labels, wanted %d", len(m.labels), maxLabels)
	}
}

// Labels are read as they are written. Labels of others are not ours.
func TestParseLabel(t *testing.T) {
	written := func() netlink.Message {
		m := AddLabel(a1).Message()
		return m
	}
	if got, ok := parseLabel(written()); !ok || got != a1 {
		t.Errorf("it is read as %v, %v", got, ok)
	}
	if m := DeleteLabel(a1).Message(); m.Header.Type != unix.RTM_DELADDRLABEL || !slices.Equal(m.Data, written().Data) {
		t.Errorf("it is deleted by %v", m)
	}
	for what, change := range map[string]func(*netlink.Message){
		"another label":      func(m *netlink.Message) { m.Data[len(m.Data)-4]++ },
		"a prefix":           func(m *netlink.Message) { m.Data[labelBitsAt] = 64 },
		"one of a link":      func(m *netlink.Message) { m.Data[labelIndexAt] = 1 },
		"another family":     func(m *netlink.Message) { m.Data[0] = unix.AF_INET },
		"another message":    func(m *netlink.Message) { m.Header.Type = unix.RTM_NEWADDR },
		"cut in its header":  func(m *netlink.Message) { m.Data = m.Data[:unix.SizeofIfAddrlblmsg-1] },
		"without a label":    func(m *netlink.Message) { m.Data = m.Data[:len(m.Data)-8] },
		"without attributes": func(m *netlink.Message) { m.Data = m.Data[:unix.SizeofIfAddrlblmsg] },
	} {
		m := written()
		change(&m)
		if a, ok := parseLabel(m); ok {
			t.Errorf("%s is read as %v", what, a)
		}
	}
}
