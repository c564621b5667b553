// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shim6/daemon/cga"
	"shim6/daemon/config"
	"shim6/daemon/internal/address"
	"shim6/daemon/internal/engine"
	"shim6/daemon/locator"
)

// The stable addresses are made first. Temporary ones have another key, are locators, and are there
// again after a restart.
func TestTemporaryAddresses(t *testing.T) {
	d, f, log := withContext(t)
	d.config.Addresses.Source = config.SourceTemporary
	atOnce(d)
	a := d.addresses
	a.load()
	a.manage()
	a.makeAddresses()
	if a.identity == nil || len(a.temporaries.list) != 0 {
		t.Fatalf("after the first time there are %d; log: %s", len(a.temporaries.list), log)
	}
	if !isDue(a.makeAt, d.now()) {
		t.Errorf("the temporary ones are to be made at %v, and it is %v", a.makeAt, d.now())
	}
	a.makeAddresses()
	if len(a.temporaries.list) != 1 || a.making {
		t.Fatalf("there are %d; log: %s", len(a.temporaries.list), log)
	}
	made := a.temporaries.list[0]
	if made.Key.Equal(a.identity.Key) {
		t.Error("both have one key")
	}
	if left := made.ValidUntil - d.now(); left < 47*time.Hour {
		t.Errorf("valid for %v", left)
	}
	x, _, _ := made.Address(cga.PrefixOf(a1))
	stable, _, _ := a.identity.Address(cga.PrefixOf(a1))
	f.done = nil
	a.manage()
	f.did(t, "address replace "+stable.Addr.String()+"/64 dev 2", "address replace "+x.Addr.String()+"/64 dev 2")
	if a.planAt < d.now()+13*time.Hour || a.makeAt != 0 {
		t.Errorf("the next plan is at %v; the next are made at %v", a.planAt, a.makeAt)
	}
	tell(t, d, address.SetAddress{Index: 2, Address: x.Addr, Bits: 64, Preferred: 1700, Valid: 3500}.Message())
	all := d.host.assess()
	i := slices.IndexFunc(all, func(l locator.Locator) bool { return l.Address == x.Addr })
	if i < 0 || !all[i].Temporary || all[i].Key != made.Key || all[i].Why != "temporary, for new sessions" {
		t.Errorf("locators %+v", all)
	}
	if locals := localsOf(all); !slices.ContainsFunc(locals, func(l engine.LocalLocator) bool { return l.Address == x.Addr && l.Temporary }) {
		t.Errorf("the engine is told %+v", locals)
	}
	// When it is time there are others.
	a.temporaries.list[0].PreferredUntil = d.now()
	a.planAt = d.now()
	if err := a.Due(d.now()); err != nil || d.host.settleAt == 0 {
		t.Errorf("no plan is due: %v", err)
	}
	a.manage()
	a.makeAddresses()
	if len(a.temporaries.list) != 2 {
		t.Fatalf("a day later there are %d; log: %s", len(a.temporaries.list), log)
	}
	want := a.temporaries.list
	if err := a.temporaries.file.Close(time.Minute); err != nil {
		t.Fatal(err)
	}
	a.temporaries = temporaries{}
	a.loadTemporaries()
	if got := a.temporaries.list; len(got) != 2 || !got[0].Key.Equal(want[0].Key) || !got[1].Key.Equal(want[1].Key) {
		t.Errorf("after a restart there are %d; log: %s", len(got), log)
	}
	// Another prefix.
	const another = "2001:db8:9::"
	tell(t, d, announced(t, another))
	a.manage()
	a.makeAddresses()
	a.manage()
	a.makeAddresses()
	if sets := len(a.temporaries.list[1].Sets); sets != 2 || len(a.temporaries.list[0].Sets) != 1 {
		t.Errorf("the newest has %d sets", sets)
	}
	// A duplicate has the set replaced.
	old := a.temporaries.list[1].Sets[0][0].Addr
	a.collide(address.Duplicate{Temporary: 1, Set: 0})
	if a.temporaries.list[1].Sets[0][0].Addr == old || a.identity.Sets[0][0].Addr != stable.Addr {
		t.Error("the set is as it was")
	}
	if !strings.Contains(log.String(), "there is a new set") {
		t.Errorf("log: %s", log)
	}
}

// A file that can't be read is no reason not to start.
func TestTemporaryFileIsDamaged(t *testing.T) {
	d, _, log := made(t)
	if err := os.WriteFile(filepath.Join(runtimeFolder(d.config), address.TemporaryFileName), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.addresses.load()
	if len(d.addresses.temporaries.list) != 0 || !strings.Contains(log.String(), "are lost") {
		t.Errorf("log: %s", log)
	}
}

// Lifetimes are those that links want, the shortest of all.
func TestTemporaryLifetimes(t *testing.T) {
	d, f, log := withContext(t)
	wants := func(preferred, valid time.Duration) {
		t.Helper()
		if got := d.addresses.temporaryLifetimes(); got != (address.Lifetimes{Preferred: preferred, Valid: valid}) {
			t.Errorf("%v; log: %s", got, log)
		}
	}
	wants(24*time.Hour, 48*time.Hour)
	if !strings.Contains(log.String(), "there is no such link") {
		t.Errorf("log: %s", log)
	}
	f.lifetimes = map[uint32]address.Lifetimes{2: {Preferred: 20 * time.Hour, Valid: 168 * time.Hour}, 3: {Preferred: 30 * time.Hour, Valid: 40 * time.Hour}}
	wants(20*time.Hour, 168*time.Hour)
	m := address.SetAddress{Index: 3, Address: netip.MustParseAddr("2001:db8:7::7"), Bits: 64, Preferred: 1800, Valid: 3600}.Message()
	m.Data = m.Data[:len(m.Data)-8]
	tell(t, d, toldLink(3, "", linkUp), m)
	wants(20*time.Hour, 40*time.Hour)
	tell(t, d, lost())
	wants(30*time.Hour, 40*time.Hour)
}
