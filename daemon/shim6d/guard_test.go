// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"shim6/daemon/control"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/kernellink"
	"shim6/daemon/wire"
	"shim6/netlink"
)

// protected is a daemon with a context that a2 protects. look has the guard look at the time, in
// seconds, and returns the names of the alarms that wait.
func protected(t *testing.T) (d *daemon, f *fake, log *strings.Builder, look func(seconds int) []string) {
	t.Helper()
	d, f, log = made(t)
	d.config.Peers.TrustedPrefixes = []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}
	if err := d.session.Start(); err != nil {
		t.Fatal(err)
	}
	breaks(d, false)
	c := adopted()
	c.LocatorsLocal = []netip.Addr{a2}
	f.contexts = []netlink.Context{c}
	d.kernel.take(kernellink.Batch{Lost: true})
	d.kernel.resync()
	return d, f, log, func(seconds int) []string {
		t.Helper()
		d.guard.at = time.Duration(seconds) * time.Second
		if err := d.guard.Due(d.guard.at); err != nil {
			t.Error(err)
		}
		names := []string{}
		for _, v := range d.alarms.waiting {
			names = append(names, v.Alarm)
		}
		return names
	}
}

// breaks has the engine hear that a2 is broken, or is not any more.
func breaks(d *daemon, broken bool) {
	l := engine.LocalLocator{Address: a2}
	if broken {
		l.Preference.Flags = wire.FlagBroken
	}
	d.host.locators = []engine.LocalLocator{{Address: a1}, l}
	d.session.handle(engine.Locators{Local: d.host.locators})
}

// A context that loses its protection, and has it again, is told once each, after a second.
func TestGuard(t *testing.T) {
	d, _, log, look := protected(t)
	if n := look(1); len(n) != 0 || len(d.guard.guarded) != 1 || d.guard.guarded[ulids].since != 0 {
		t.Fatalf("alarms %q, guarded %+v, %s", n, d.guard.guarded[ulids], d.session.protection(ulids))
	}
	breaks(d, true)
	if d.guard.at == 0 {
		t.Error("after an event nobody looks")
	}
	if n := look(2); len(n) != 0 {
		t.Errorf("alarms %q at once", n)
	}
	for _, at := range []int{3, 4} {
		if n := look(at); !slices.Equal(n, []string{control.AlarmUnprotected}) || d.guard.lost != 1 {
			t.Errorf("alarms %q, %d lost", n, d.guard.lost)
		}
	}
	v := d.alarms.waiting[0]
	if len(v.Contexts) != 1 || v.Contexts[0].Name != nameOf(ulids) || v.Contexts[0].Protected || d.alarms.unprotectedNow != 1 {
		t.Errorf("%+v", v)
	}
	d.alarms.waiting = nil
	breaks(d, false)
	if n := look(5); !slices.Equal(n, []string{control.AlarmRestored}) || d.guard.lost != 0 || d.alarms.unprotectedNow != 0 {
		t.Errorf("alarms %q, %d lost", n, d.guard.lost)
	}
	if strings.Count(log.String(), "level=WARN msg=\"a context has lost its protection\" ulid-local=2001:db8:1::a") != 1 ||
		strings.Count(log.String(), "msg=\"a context is protected again\"") != 1 {
		t.Errorf("the log: %s", log)
	}
	changes := d.history.changes.kept()
	if why := changes[len(changes)-1].Why; !strings.HasPrefix(why, "a context is protected again: protected by 1 other pair") {
		t.Errorf("the history has %q", why)
	}
	// When all is known, and nothing happens, nobody looks.
	d.guard.again = false
	if look(6); d.guard.at != 0 {
		t.Errorf("the next look is at %v", d.guard.at)
	}
}

// A loss that lasts only a moment is not told. While it may be one, the guard looks again by itself.
func TestGuardDoubts(t *testing.T) {
	d, _, _, look := protected(t)
	look(1)
	breaks(d, true)
	d.guard.again = false
	look(2)
	if d.guard.at != 3*time.Second {
		t.Errorf("the next look is at %v", d.guard.at)
	}
	breaks(d, false)
	if n := look(3); len(n) != 0 {
		t.Errorf("alarms %q", n)
	}
	// The second begins again.
	breaks(d, true)
	if n := look(4); len(n) != 0 {
		t.Errorf("alarms %q", n)
	}
}

// A context that never was protected is not told of. One that goes while it is lost is not lost any
// more.
func TestGuardForgets(t *testing.T) {
	d, _, _, look := protected(t)
	breaks(d, true)
	if n := append(look(1), look(3)...); len(n) != 0 || len(d.guard.guarded) != 0 {
		t.Fatalf("alarms %q, %d guarded", n, len(d.guard.guarded))
	}
	breaks(d, false)
	look(4)
	breaks(d, true)
	look(5)
	look(7)
	d.alarms.waiting = nil
	d.session.handle(engine.Close{ULIDs: ulids})
	n := look(8)
	if !slices.Equal(n, []string{control.AlarmRestored}) || len(d.alarms.waiting[0].Contexts) != 0 || d.guard.lost != 0 || len(d.guard.guarded) != 0 {
		t.Errorf("alarms %q, %d lost, %d guarded", n, d.guard.lost, len(d.guard.guarded))
	}
}

// A round over many contexts is in parts.
func TestGuardParts(t *testing.T) {
	d, _, _, _ := protected(t)
	for i := range 250 {
		d.session.handle(engine.Open{ULIDs: engine.ULIDs{Local: a1, Peer: b1, FII: uint32(i + 1)}})
	}
	d.guard.at, d.guard.todo = 1, nil
	parts := 0
	for now := time.Duration(1); len(d.guard.todo) > 0 || parts == 0; now = d.guard.at {
		if err := d.guard.Due(now); err != nil {
			t.Fatal(err)
		}
		parts++
	}
	if want := (d.session.engine.Size().Contexts + guardSlice - 1) / guardSlice; parts != want || want < 2 {
		t.Errorf("%d parts, wanted %d", parts, want)
	}
}
