// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"shim6/daemon/control"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/reap"
	"shim6/netlink"
)

// adoptedMany are so many established contexts, each with another peer.
func adoptedMany(n int) []netlink.Context {
	list := make([]netlink.Context, n)
	for i := range list {
		tag, peer := uint64(i+1), netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::b", 0x100+i/60000, i%60000))
		list[i] = netlink.Context{
			ULIDs: netlink.ULIDs{Local: a1, Peer: peer}, TagLocal: &tag, TagPeer: &tag,
			State: netlink.ContextStateEstablished, ReapState: netlink.ReapStateOperational, LocatorLocal: a1, LocatorPeer: peer,
		}
	}
	return list
}

// An overview counts all contexts and shows some. Readers that come soon after each other get the
// same one.
func TestOverview(t *testing.T) {
	d, f, _ := made(t)
	tell(t, d, addressMessages()...)
	f.contexts = adoptedMany(300)
	d.kernel.resync()
	switched := engine.ULIDs{Local: a1, Peer: f.contexts[250].Peer}
	d.session.switched(&reap.Switch{Time: d.now(), ULIDs: switched, Trigger: reap.Local, Outage: 70 * time.Millisecond})
	b, end := running(t, d)
	defer end()
	o, err := b.Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if o.States["established"] != 300 || o.ReapStates["operational"] != 300 || len(o.Glances) != control.MaxGlances || o.Protected != 0 {
		t.Errorf("states %v and %v, %d glances, %d protected", o.States, o.ReapStates, len(o.Glances), o.Protected)
	}
	if want := []control.Lack{{Local: "unproved-ulid", Peer: "none-told", Contexts: 300}}; !slices.Equal(o.Unprotected, want) {
		t.Errorf("unprotected %+v", o.Unprotected)
	}
	if g := o.Glances[0]; g.ULIDPeer != switched.Peer || g.Switched.IsZero() || len(g.Pairs) != 1 || !g.Pairs[0].Current {
		t.Errorf("the first is %+v", g)
	}
	if len(o.Links) != 1 || o.Links[0].Outbound != 300 || !o.Links[0].Operational {
		t.Errorf("links %+v", o.Links)
	}
	if want := []control.SwitchCount{{Direction: "outbound", Trigger: "local", Count: 1}}; !slices.Equal(o.Switches, want) || o.Outages.Counts[1] != 1 || o.Outages.Sum != 70 {
		t.Errorf("switches %+v, outages %+v", o.Switches, o.Outages)
	}
	if again, err := b.Overview(t.Context()); err != nil || again != o {
		t.Errorf("another one was made at once: %v", err)
	}
}

// All contexts are told in pages, the oldest first, and can be found by their addresses.
func TestSessions(t *testing.T) {
	d, f, _ := made(t)
	tell(t, d, addressMessages()...)
	f.contexts = adoptedMany(250)
	d.kernel.resync()
	b, end := running(t, d)
	defer end()
	seen := map[netip.Addr]bool{}
	for _, c := range []struct {
		from         int
		find         string
		glances, all int
	}{
		{0, "", 100, 250}, {100, "", 100, 250}, {200, "", 50, 250}, {1000, "", 0, 250},
		{0, " 2001:DB8:100:F9::b ", 1, 250 - 249}, {0, a1.String(), 100, 250}, {0, "nothing", 0, 0},
	} {
		p, err := b.Sessions(t.Context(), control.SessionsRequest{From: c.from, Find: c.find})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Glances) != c.glances || p.Total != c.all || p.From != min(c.from, c.all) {
			t.Errorf("%+v: %d of %d from %d on", c, len(p.Glances), p.Total, p.From)
		}
		if c.find != "" {
			continue
		}
		for _, g := range p.Glances {
			if seen[g.ULIDPeer] || g.State != "established" || g.Text == "" || len(g.Pairs) != 1 {
				t.Errorf("%+v", g)
			}
			seen[g.ULIDPeer] = true
		}
	}
	if len(seen) != 250 {
		t.Errorf("%d contexts", len(seen))
	}
}

// With many contexts the loop is never kept for long.
func TestOverviewOfMany(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	d, f, _ := made(t)
	tell(t, d, addressMessages()...)
	c := *d.session.config
	c.Protocol.MaxContexts, c.Protocol.MaxPeerContexts, c.Protocol.MaxPrefixContexts = 200_000, 200_000, 200_000
	d.session.config = &c
	f.contexts = adoptedMany(20_000)
	if err := d.session.Start(); err != nil {
		t.Fatal(err)
	}
	b, end := running(t, d)
	defer end()
	done := make(chan *control.Overview, 1)
	began := time.Now()
	go func() {
		o, err := b.Overview(context.Background())
		if err != nil {
			t.Error(err)
		}
		done <- o
	}()
	var longest time.Duration
	for {
		at := time.Now()
		if _, err := look(t.Context(), d, func() int { return 0 }); err != nil {
			t.Fatal(err)
		}
		longest = max(longest, time.Since(at))
		select {
		case o := <-done:
			// The machine may be busy with other tests, so the limit is relative.
			all := time.Since(began)
			t.Logf("%v in all, and the loop was away for %v", all, longest)
			if o.States["established"] != 20_000 || longest > all/2 {
				t.Errorf("%v, and the loop was away for %v of %v", o.States, longest, all)
			}
			return
		default:
		}
	}
}

// Readers of events hear at once, in order, and are told if they have missed some.
func TestEvents(t *testing.T) {
	d, _, _ := made(t)
	b, end := running(t, d)
	first, err := b.Events(t.Context(), 0)
	if err != nil || !first.Missed || len(first.Events) != 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	answers := make(chan control.Events, 1)
	go func() {
		e, err := b.Events(context.Background(), first.Sequence)
		if err != nil {
			t.Error(err)
		}
		answers <- e
	}()
	change := func(why string) {
		if _, err := look(t.Context(), d, func() any { d.history.change(control.Change{Why: why}); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	change("x")
	e := <-answers
	if e.Missed || len(e.Events) != 1 || e.Events[0].Change.Why != "x" || e.Sequence != first.Sequence+1 {
		t.Errorf("%+v", e)
	}
	for i := range 3 * historySize {
		change(fmt.Sprint(i))
	}
	after, got := e.Sequence, 0
	for missed := true; ; missed = false {
		e, err := b.Events(t.Context(), after)
		if err != nil || e.Missed != missed || len(e.Events) != control.MaxEvents {
			t.Fatalf("%d events, missed %v, %v", len(e.Events), e.Missed, err)
		}
		got += len(e.Events)
		if after = e.Sequence; e.Events[len(e.Events)-1].Change.Why == fmt.Sprint(3*historySize-1) {
			break
		}
	}
	if got != historySize {
		t.Errorf("%d events are remembered", got)
	}
	// Nothing comes, and then the daemon ends.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if e, err := b.Events(ctx, after); err != nil || len(e.Events) != 0 || e.Sequence != after {
		t.Errorf("%+v, %v", e, err)
	}
	end()
	if _, err := b.Events(t.Context(), after); err == nil {
		t.Error("a daemon that has ended answers")
	}
}

// The tally remembers when only the last contexts came to another pair.
func TestTallyIsBounded(t *testing.T) {
	var y tally
	at := time.Now()
	for i, c := range adoptedMany(5 * historySize) {
		y.add(&reap.Switch{ULIDs: engine.ULIDs{Local: c.Local, Peer: c.Peer}, Trigger: reap.ULP, Outage: time.Hour}, at.Add(time.Duration(i)))
	}
	if n := len(y.last); n > 2*historySize || n < historySize {
		t.Errorf("%d contexts", n)
	}
	switches, outages := y.told()
	if switches[0].Count != 5*historySize || outages.Counts[len(outages.Bounds)] != 5*historySize {
		t.Errorf("%+v, %+v", switches, outages)
	}
}
