// SPDX-License-Identifier: BSD-3-Clause

package control

import (
	"encoding/json"
	"net/netip"
	"testing"
)

var (
	a1   = netip.MustParseAddr("2001:db8:1::a")
	b1   = netip.MustParseAddr("2001:db8:1::b")
	name = Name{a1, b1, 7}
)

// Unknown values are left out.
func TestPathKeys(t *testing.T) {
	b, err := json.Marshal(Path{Name: name, Pair: Pair{LocatorLocal: a1, LocatorPeer: b1}, State: "unknown", Policy: "normal"})
	want := `{"ulid-local":"2001:db8:1::a","ulid-peer":"2001:db8:1::b","fii":7,"locator-local":"2001:db8:1::a","locator-peer":"2001:db8:1::b",` +
		`"encapsulation":"native","current":false,"inbound":false,"state":"unknown","policy":"normal",` +
		`"preference-local":{"priority":0,"weight":0},"preference-peer":{"priority":0,"weight":0}}`
	if err != nil || string(b) != want {
		t.Errorf("%s, %v, want %s", b, err, want)
	}
}

// The same two addresses with another encapsulation are another pair, and JSON keeps that.
func TestEncapsulation(t *testing.T) {
	native := Pair{LocatorLocal: a1, LocatorPeer: b1}
	other := Pair{LocatorLocal: a1, LocatorPeer: b1, Encapsulation: "other"}
	for _, want := range []Pair{native, other} {
		var got Pair
		b, err := json.Marshal(want)
		if err == nil {
			err = json.Unmarshal(b, &got)
		}
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", b, got, err)
		}
	}
	// An older daemon does not say it.
	var old Pair
	if err := json.Unmarshal([]byte(`{"locator-local":"2001:db8:1::a","locator-peer":"2001:db8:1::b"}`), &old); err != nil || old != native {
		t.Errorf("%+v, %v", old, err)
	}
}
