// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"shim6/daemon/cga"
	"shim6/daemon/config"
	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

var b2 = netip.MustParseAddr("2001:db8:2::b")

var info = engine.Info{
	ULIDs: engine.ULIDs{Local: a1, Peer: b1, FII: 7}, State: engine.Established, TagLocal: 5, TagPeer: 6,
	Current: engine.Pair{Local: a2, Peer: b2}, Inbound: engine.Pair{Local: a1, Peer: b2},
	LocalLocators: []netip.Addr{a1, a2},
	PeerLocators: []engine.PeerLocator{
		{Address: b1, Verified: true, Probed: true, Index: -1},
		{Address: b2, Method: wire.MethodHBA, Flags: wire.FlagBroken | wire.FlagTransient, Priority: 1, Weight: 2},
	},
	LocalGeneration: 3, PeerGeneration: 4, Updating: true,
	KeepaliveTimeout: 15 * time.Second, Reap: engine.ReapExploring,
}

func TestContextOf(t *testing.T) {
	b, err := json.Marshal(contextOf(info))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"ulid-local":"2001:db8:1::a","ulid-peer":"2001:db8:1::b","fii":7,"state":"established","tag-local":5,"tag-peer":6,` +
		`"locator-local":"2001:db8:2::a","locator-peer":"2001:db8:2::b","encapsulation":"native","inbound-locator-local":"2001:db8:1::a","inbound-locator-peer":"2001:db8:2::b",` +
		`"locators-local":["2001:db8:1::a","2001:db8:2::a"],"locators-peer":[` +
		`{"address":"2001:db8:1::b","method":"","verified":true,"probed":true,"priority":0,"weight":0},` +
		`{"address":"2001:db8:2::b","method":"hba","verified":false,"probed":false,"broken":true,"transient":true,"priority":1,"weight":2}],` +
		`"generation-local":3,"generation-peer":4,"updating":true,"keepalive-timeout":15000,"reap-state":"exploring"}`
	if string(b) != want {
		t.Errorf("got\n%s\nwanted\n%s", b, want)
	}
	if c := contextOf(engine.Info{ULIDs: info.ULIDs, State: engine.NoSupport}); c.State != "no-support" || c.TagLocal != nil {
		t.Errorf("held down: %+v", c)
	}
}

// The configuration and the engine have the same policies, by the same names.
func TestPolicies(t *testing.T) {
	for p := config.PolicyNormal; p <= config.PolicyNever; p++ {
		if got, ok := policies[p]; !ok || got.String() != p.String() {
			t.Errorf("%v became %v", p, got)
		}
	}
}

func TestSame(t *testing.T) {
	a := engine.LocalLocator{Address: netip.MustParseAddr("2001:db8::1"), ValidUntil: 10 * time.Second}
	for _, c := range []struct {
		name        string
		change      func(*engine.LocalLocator)
		same, alike bool
	}{
		{"nothing", func(*engine.LocalLocator) {}, true, true},
		{"a lifetime in whole seconds", func(l *engine.LocalLocator) { l.ValidUntil += time.Second }, true, true},
		{"a longer lifetime", func(l *engine.LocalLocator) { l.ValidUntil += 3 * time.Second }, false, true},
		{"no end", func(l *engine.LocalLocator) { l.ValidUntil = 0 }, false, true},
		{"broken", func(l *engine.LocalLocator) { l.Preference.Flags = wire.FlagBroken }, false, false},
		{"priority", func(l *engine.LocalLocator) { l.Preference.Priority = 1 }, false, false},
		{"weight", func(l *engine.LocalLocator) { l.Preference.Weight = 1 }, false, false},
		{"a policy", func(l *engine.LocalLocator) { l.Policy = engine.PolicyBackup }, false, false},
		{"a PDS", func(l *engine.LocalLocator) { l.PDS = &cga.PDS{} }, false, false},
		{"address", func(l *engine.LocalLocator) { l.Address = netip.MustParseAddr("2001:db8::2") }, false, false},
	} {
		b := a
		c.change(&b)
		x, y := []engine.LocalLocator{a}, []engine.LocalLocator{b}
		if isSame, isAlike := same(x, y), alike(x, y); isSame != c.same || isAlike != c.alike {
			t.Errorf("%s differs: same %v, alike %v", c.name, isSame, isAlike)
		}
	}
	if same([]engine.LocalLocator{a}, nil) || alike([]engine.LocalLocator{a}, nil) {
		t.Error("one and none are the same")
	}
}
