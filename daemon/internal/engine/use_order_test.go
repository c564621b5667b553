// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"crypto/rand"
	"crypto/rsa"
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

// A peer learns only of what was made together with our ULID: of temporary addresses that have its
// key, or of stable ones. Otherwise it would know whose the temporary ones are.
func TestTemporaryIsToldApart(t *testing.T) {
	stable := hbaSetWithKey(t, 1, enginetest.Key(), 0xa1, 0xa2)
	key := func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	// The host has got another provider today.
	ofToday := key()
	today, later := hbaSetWithKey(t, 2, ofToday, 0xa1, 0xa2), hbaSetWithKey(t, 3, ofToday, 0xa3)
	yesterday := hbaSetWithKey(t, 4, key(), 0xa1, 0xa2)
	for _, set := range [][]LocalLocator{today, yesterday, later} {
		for i := range set {
			set[i].Temporary = true
		}
	}
	n := newNetwork(t)
	h := n.host("A", Config{}, slices.Concat(stable, today, yesterday, later)...)
	for _, c := range []struct {
		name string
		set  []LocalLocator
	}{
		{"stable", stable},
		{"today's", append(today, later[0])},
		{"yesterday's", yesterday},
	} {
		var want []netip.Addr
		for _, l := range c.set {
			want = append(want, l.Address)
		}
		if got := h.e.Told(c.set[0].Address); !slices.Equal(got, want) {
			t.Errorf("of a %s ULID told are %v, wanted %v", c.name, got, want)
		}
	}
}
