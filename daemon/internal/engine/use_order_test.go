// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"net/netip"
	"slices"
	"testing"

	. "shim6/daemon/internal/engine"
	"shim6/daemon/internal/engine/enginetest"
	"shim6/daemon/wire"
)

// A list has one locator of each network before a second one of any network. Locators that need
// no signature come first, and temporary ones are left out. The order does not depend on links
// that go and come.
func TestListByUse(t *testing.T) {
	a := hbaSetWithKey(t, 1, enginetest.Key(), 0xa1, 0xa2, 0xa3)
	temporary := plain(0xa2, 0x99)
	temporary.Temporary = true
	leaving := plain(0xa4, 1)
	leaving.Preference.Flags = wire.FlagTransient
	all := []LocalLocator{a[0], plain(0xa1, 1), plain(0xa1, 2), a[1], plain(0xa2, 1), temporary, a[2], leaving, plain(0xa4, 2)}
	n := newNetwork(t)
	h := n.host("A", Config{}, all...)
	want := []netip.Addr{a[0].Address, a[1].Address, a[2].Address, addrIn(0xa4, 2), addrIn(0xa1, 1), addrIn(0xa2, 1), addrIn(0xa4, 1), addrIn(0xa1, 2)}
	told := h.e.Told
	if got := told(a[0].Address); !slices.Equal(got, want) {
		t.Errorf("told are %v, wanted %v", got, want)
	}
	for i := range all {
		all[i].Preference.Flags |= wire.FlagBroken
	}
	h.locate(all...)
	if got := told(a[0].Address); !slices.Equal(got, want) {
		t.Errorf("with all links down told are %v, wanted %v", got, want)
	}
	// A temporary address can be the ULID. It proves nothing.
	if got := told(temporary.Address); !slices.Equal(got, []netip.Addr{temporary.Address}) {
		t.Errorf("of a temporary ULID told are %v", got)
	}
}
