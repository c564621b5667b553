// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// Probes are sent by all pairs: four at first, and then with growing pauses, for ever.
func TestBackoff(t *testing.T) {
	shows.IDs(t, "5534-4.3-03 5534-4.3-04 5534-4.3-05 5534-4.3-06 5534-4.3-07 5534-4.3-08 5534-4.3-11",
		"5534-7-01 5534-7-02")
	// The numbers of RFC 5534, section 7, and not our constants, which might be wrong.
	const first, longest = 4, time.Minute
	z := in(t, operational)
	began := z.n.now
	z.timeout()
	z.n.pass(2 * time.Hour)
	var gaps []time.Duration
	seen := map[engine.Pair]int{}
	for i, p := range z.n.trace {
		seen[engine.Pair{Local: p.source, Peer: p.destination}]++
		if i > 0 {
			gaps = append(gaps, p.at-z.n.trace[i-1].at)
		} else if p.at != began {
			t.Errorf("the first Probe is %v late", p.at-began)
		}
	}
	want := 500 * time.Millisecond
	for i, g := range gaps {
		if i >= first-1 {
			want = min(want+want/4, longest)
		}
		low := want - want/8
		if i < first-1 {
			low = want
		}
		if g < low || g > want {
			t.Errorf("gap %d is %v, not %v", i, g, want)
		}
		if i >= first-1 && want < longest && g <= gaps[i-1] {
			t.Errorf("gap %d is %v, after one of %v", i, g, gaps[i-1])
		}
	}
	if len(gaps) < 120 || len(seen) != 4 || z.a.state(z.ab) != exploring {
		t.Errorf("%d Probes, by %d pairs", len(gaps), len(seen))
	}
	for _, s := range seen {
		if s < len(gaps)/8 {
			t.Errorf("pairs are probed %v times", seen)
		}
	}
}

// All pairs are dead for a long time, and then one works again.
func TestBack(t *testing.T) {
	n, a, b, ab, ba := two(t, 3)
	a.flow(ab, time.Second)
	b.flow(ba, time.Second)
	n.dead = func(_, _ netip.Addr) bool { return true }
	n.pass(time.Hour)
	n.dead = func(s, d netip.Addr) bool {
		p := engine.Pair{Local: s, Peer: d}
		return p != a.pair(2, b, 1) && p != b.pair(1, a, 2)
	}
	n.trace = nil
	// There are nine pairs, with a pause of at most a minute after each.
	n.pass(9 * time.Minute)
	if a.current(ab) != a.pair(2, b, 1) || b.current(ba) != b.pair(1, a, 2) || n.now-a.kernel[ab].heardAt > 2*time.Second {
		t.Errorf("A by %v, B by %v: %q", a.current(ab), b.current(ba), n.probes())
	}
	// A change of our locators begins the schedule again.
	n.dead = func(_, _ netip.Addr) bool { return true }
	n.pass(time.Hour)
	n.dead = func(_, _ netip.Addr) bool { return false }
	a.link(0, false)
	n.pass(3 * time.Second)
	if n.now-a.kernel[ab].heardAt > 2*time.Second {
		t.Errorf("nothing heard for %v", n.now-a.kernel[ab].heardAt)
	}
}

// All four pairs were dead, and then one works again. Both hosts probe all pairs in turn, half a
// round apart, so it is found in not much more than half a round.
func TestBackSoon(t *testing.T) {
	for _, c := range []struct{ outage, limit time.Duration }{
		{20 * time.Second, 6 * time.Second},
		{40 * time.Second, 12 * time.Second},
		{2 * time.Minute, 36 * time.Second},
		{time.Hour, 2 * time.Minute},
	} {
		for i := range 50 {
			n, a, b, ab, ba := two(t, 2)
			a.flow(ab, 100*time.Millisecond)
			b.flow(ba, 100*time.Millisecond)
			n.pass(time.Second + time.Duration(i)*337*time.Millisecond)
			n.dead = func(_, _ netip.Addr) bool { return true }
			n.pass(c.outage + time.Duration(i)*113*time.Millisecond)
			back := []engine.Pair{a.pair(1, b, 1), b.pair(1, a, 1)}
			n.dead = func(s, d netip.Addr) bool { return !slices.Contains(back, engine.Pair{Local: s, Peer: d}) }
			n.pass(c.limit)
			if a.state(ab) != operational || b.state(ba) != operational {
				t.Errorf("not back %v after an outage of %v: A %v, B %v", c.limit, c.outage, a.state(ab), b.state(ba))
			}
		}
	}
}

// Both explore at once.
func TestBothExplore(t *testing.T) {
	n, a, b, ab, ba := two(t, 2)
	a.flow(ab, time.Second)
	b.flow(ba, time.Second)
	n.pass(time.Second)
	n.kill(a.pair(0, b, 0))
	// Packets that are on their way arrive.
	n.pass(50 * time.Millisecond)
	for _, h := range []*host{a, b} {
		for _, k := range h.kernel {
			k.ReapState, k.clock = exploring, engine.ReapTimerNone
			h.handle(engine.Reap{ULIDs: k.ULIDs, Tag: k.TagLocal, Kind: engine.ReapSendTimeout})
		}
	}
	n.pass(600 * time.Millisecond)
	if a.state(ab) != operational || b.state(ba) != operational || a.current(ab) != a.pair(1, b, 1) || b.current(ba) != b.pair(1, a, 1) {
		t.Errorf("A %v by %v, B %v by %v: %q", a.state(ab), a.current(ab), b.state(ba), b.current(ba), n.probes())
	}
}

// A hint is looked into by one Probe by the current pair, and one by the best other pair if TCP
// waits. If the first is answered, nothing else happens.
func TestHintAnswered(t *testing.T) {
	shows.IDs(t, "5534-3.3-04 5534-3.3-05 5534-8-01")
	icmp := func(h *host, u engine.ULIDs) {
		h.handle(engine.ICMP{Type: 1, Code: 0, Source: u.Local, Destination: u.Peer, ULIDs: u})
	}
	ulp := func(h *host, u engine.ULIDs) {
		h.handle(engine.Reap{ULIDs: u, Tag: h.kernel[u].TagLocal, Kind: engine.ReapRetransmission})
	}
	silence := func(h *host, u engine.ULIDs) {
		h.handle(engine.Reap{ULIDs: u, Tag: h.kernel[u].TagLocal, Kind: engine.ReapSilence})
	}
	for name, hint := range map[string]func(h *host, u engine.ULIDs){
		"icmp": icmp, "ulp": ulp, "silence": silence, "unanswered": (*host).unanswered, "both": func(h *host, u engine.ULIDs) { icmp(h, u); ulp(h, u) },
	} {
		n, a, b, ab, ba := two(t, 2)
		switches := a.record()
		for range 100 {
			hint(a, ab)
		}
		n.pass(time.Second)
		want := "[A1>B1 InboundOk 1 B1>A1 Operational 1]"
		if name == "ulp" {
			want = "[A1>B1 InboundOk 1 A2>B2 InboundOk 1 B1>A1 Operational 1 B1>A1 Operational 2]"
		}
		if got := fmt.Sprint(n.probes()); got != want {
			t.Errorf("%s: %s", name, got)
		}
		if b.state(ba) != operational || a.state(ab) != operational || len(switches()) != 0 {
			t.Errorf("%s: A in %v, B in %v: %+v", name, a.state(ab), b.state(ba), switches())
		}
		n.trace = nil
		for range 1000 {
			hint(a, ab)
			n.pass(10 * time.Millisecond)
		}
		if l, most := len(n.trace), map[string]int{"icmp": 2 * 4, "ulp": 4 * 5, "silence": 2 * 5, "unanswered": 2 * 5, "both": 4 * 5}[name]; l > most {
			t.Errorf("%s: ten seconds full of hints have %d messages", name, l)
		}
	}
}

// Where TCP has measured the round-trip time, a Probe is soon known to have no answer. The
// exploration that follows keeps the pace of RFC 5534.
func TestHintRoundTripTime(t *testing.T) {
	for _, x := range []struct{ rtt, patience time.Duration }{
		{0, InitialProbeTimeout},
		{time.Microsecond, minPatience},
		{20 * time.Millisecond, 80 * time.Millisecond},
		{time.Second, InitialProbeTimeout},
	} {
		n, a, _, ab, _ := two(t, 2)
		n.dead = func(_, _ netip.Addr) bool { return true }
		begun := n.now
		a.handle(engine.Reap{ULIDs: ab, Tag: a.kernel[ab].TagLocal, Kind: engine.ReapRetransmission, Stall: engine.Stall{RTT: x.rtt}})
		n.pass(x.patience - time.Millisecond)
		if len(n.trace) != 2 || a.state(ab) != inboundOK {
			t.Errorf("%v: %q after %v", x.rtt, n.probes(), n.now-begun)
		}
		n.pass(time.Millisecond)
		if len(n.trace) != 3 || a.state(ab) != exploring {
			t.Errorf("%v: %q after %v", x.rtt, n.probes(), n.now-begun)
		}
		n.pass(InitialProbeTimeout - time.Millisecond)
		if len(n.trace) != 3 {
			t.Errorf("%v: %q after %v", x.rtt, n.probes(), n.now-begun)
		}
	}
}

// If the Probe because of a hint is not answered, the context explores.
func TestHintUnanswered(t *testing.T) {
	for _, x := range []struct {
		name     string
		trigger  Trigger
		patience time.Duration
		asks     string
		hint     func(h *host, u engine.ULIDs)
	}{
		{"icmp", ICMP, InitialProbeTimeout, "A1>B1 InboundOk 1", func(h *host, u engine.ULIDs) {
			h.handle(engine.ICMP{Type: 1, Code: 0, Source: u.Local, Destination: u.Peer, ULIDs: u})
		}},
		{"ulp", ULP, InitialProbeTimeout, "A1>B1 InboundOk 1 A2>B2 InboundOk 1 B1>A1 Operational 1", func(h *host, u engine.ULIDs) {
			h.handle(engine.Reap{ULIDs: u, Tag: h.kernel[u].TagLocal, Kind: engine.ReapRetransmission})
		}},
	} {
		n, a, b, ab, ba := two(t, 2)
		switches := a.record()
		n.kill(a.pair(0, b, 0))
		x.hint(a, ab)
		n.pass(x.patience - 100*time.Millisecond)
		if got := fmt.Sprint(n.probes()); a.current(ab) != a.pair(0, b, 0) || got != "["+x.asks+"]" {
			t.Errorf("%s: by %v after %q", x.name, a.current(ab), n.probes())
		}
		n.pass(200 * time.Millisecond)
		if got := fmt.Sprint(n.probes()); got != "["+x.asks+" A2>B2 Exploring 0 B2>A2 InboundOk 1 A2>B2 Operational 1]" {
			t.Errorf("%s: %s", x.name, got)
		}
		if a.current(ab) != a.pair(1, b, 1) || b.current(ba) != b.pair(1, a, 1) {
			t.Errorf("%s: A by %v, B by %v", x.name, a.current(ab), b.current(ba))
		}
		if s := switches()[0]; s.Trigger != x.trigger || len(s.Probed) < 2 {
			t.Errorf("%s: %+v", x.name, s)
		}
	}
}

// A failure that is known here, or that the peer tells of itself, makes a context explore at once.
func TestLocalEvents(t *testing.T) {
	shows.IDs(t, "5534-3.1-04 5534-4.1-01")
	for _, x := range []struct {
		name    string
		trigger Trigger
		event   func(a, b *host)
	}{
		{"link down", Local, func(a, _ *host) { a.link(0, false) }},
		{"deprecated", Deprecated, func(a, _ *host) {
			a.locals = slices.Clone(a.locals)
			a.locals[0].Preference.Flags = wire.FlagTransient
			a.handle(engine.Locators{Local: a.locals})
		}},
		{"interface not to be used", Deprecated, func(a, _ *host) {
			a.locals = slices.Clone(a.locals)
			a.locals[0].Policy = engine.PolicyNever
			a.handle(engine.Locators{Local: a.locals})
		}},
		{"the peer's link down", PeerLocators, func(_, b *host) { b.link(0, false) }},
	} {
		n, a, b, ab, ba := two(t, 2)
		switches := a.record()
		x.event(a, b)
		n.pass(100 * time.Millisecond)
		if c := a.current(ab); c == a.pair(0, b, 0) || a.state(ab) != operational || b.state(ba) != operational {
			t.Errorf("%s: A by %v in %v: %q", x.name, c, a.state(ab), n.probes())
		}
		if l := switches(); len(l) == 0 || l[0].Trigger != x.trigger {
			t.Errorf("%s: %+v", x.name, l)
		}
	}
}

// The locator in use, which is not the ULID, is gone.
func TestAddressGone(t *testing.T) {
	n, a, b, ab, _ := two(t, 3)
	a.link(0, false)
	n.pass(time.Second)
	at := a.current(ab).Local
	i := slices.IndexFunc(a.locals, func(l engine.LocalLocator) bool { return l.Address == at })
	if i == 0 {
		t.Fatal("not moved")
	}
	a.locals = slices.Delete(slices.Clone(a.locals), i, i+1)
	a.handle(engine.Locators{Local: a.locals})
	n.pass(100 * time.Millisecond)
	if c := a.current(ab); c.Local == at || a.state(ab) != operational {
		t.Errorf("A by %v in %v: %q", c, a.state(ab), n.probes())
	}
	_ = b
}

// A context returns to the better pair after a while. The while grows each time that the return
// does not last.
func TestReturn(t *testing.T) {
	n, a, b, ab, ba := two(t, 2)
	a.flow(ab, time.Second)
	b.flow(ba, time.Second)
	home := a.pair(0, b, 0)
	last := time.Duration(0)
	for i := range 5 {
		a.link(0, false)
		n.pass(time.Second)
		if a.current(ab) == home {
			t.Fatal("not moved")
		}
		a.link(0, true)
		began := n.now
		for a.current(ab) != home {
			if n.now-began > 2*time.Hour {
				t.Fatalf("round %d: not back after %v", i, n.now-began)
			}
			n.pass(time.Second)
		}
		hold := n.now - began
		if hold < DefaultHoldDown-2*time.Second || hold < last*3/2 || i == 0 && hold > 2*DefaultHoldDown {
			t.Errorf("round %d: back after %v, before that %v", i, hold, last)
		}
		last = hold
	}
	// After a long time the failures of before do not count.
	n.pass(time.Hour)
	a.link(0, false)
	n.pass(time.Second)
	a.link(0, true)
	n.pass(2 * DefaultHoldDown)
	if a.current(ab) != home {
		t.Error("it is held against the pair for ever")
	}
}

// The better pair does not work. It is asked with growing pauses, and payload stays where it
// is.
func TestReturnFails(t *testing.T) {
	n, a, b, ab, _ := two(t, 2)
	a.flow(ab, time.Second)
	n.pass(time.Second)
	n.kill(a.pair(0, b, 0), a.pair(0, b, 1))
	n.pass(20 * time.Second)
	at := a.current(ab)
	if at.Local != a.addr(1) {
		t.Fatalf("A by %v", at)
	}
	n.trace = nil
	n.pass(10 * time.Hour)
	probes := 0
	for _, p := range n.trace {
		if p.m != nil && p.from == "A" {
			probes++
		}
		if p.m != nil && p.m.State == wire.ProbeExploring {
			t.Fatalf("somebody explores: %q", n.probes())
		}
	}
	if a.current(ab) != at || probes < 10 || probes > 80 {
		t.Errorf("A by %v; %d Probes", a.current(ab), probes)
	}
}

// A pair that an operator wants is used until it fails.
func TestUse(t *testing.T) {
	n, a, b, ab, ba := two(t, 2)
	switches := a.record()
	a.use(ab, a.pair(1, b, 0))
	n.pass(3 * time.Hour)
	if a.current(ab) != a.pair(1, b, 0) {
		t.Errorf("A by %v", a.current(ab))
	}
	if l := switches(); len(l) != 1 || l[0].Trigger != Operator || l[0].Outage != 0 {
		t.Errorf("history %+v", l)
	}
	a.link(1, false)
	n.pass(2 * time.Hour)
	if a.current(ab) != a.pair(0, b, 0) {
		t.Errorf("then A by %v", a.current(ab))
	}
	_ = ba
}

// Pairs that may be needed are asked in advance, if the configuration says so. Each time costs
// three Probes and three answers, however many pairs there are.
func TestStandby(t *testing.T) {
	n, a, b, ab, _ := two(t, 3, Config{Standby: time.Minute})
	switches := a.record()
	round := []string{
		"A2>B2 InboundOk 1", "B1>A1 Operational 1",
		"A3>B3 InboundOk 2", "B1>A1 Operational 2",
		"A1>B2 InboundOk 3", "B1>A1 Operational 3",
	}
	// Not in the middle of a round.
	n.pass(10 * time.Second)
	n.trace = nil
	n.pass(10 * time.Minute)
	// The Keepalives follow the answers, as they follow any Probe that says Operational.
	n.trace = slices.DeleteFunc(n.trace, func(p probe) bool { return p.m == nil })
	probes, rounds := n.probes(), 0
	for l := range slices.Chunk(probes, len(round)) {
		rounds++
		if !slices.Equal(l, round) {
			t.Errorf("round %d: %q", rounds, l)
		}
	}
	if rounds != 10 {
		t.Errorf("%d rounds in ten minutes", rounds)
	}
	s, _ := a.e.Session(ab)
	working := 0
	for _, p := range a.r.Paths(s) {
		if p.State == Working && (p.Current || p.HasLastGood && p.RTT == 2*n.delay) {
			working++
		}
	}
	if working != 4 || a.current(ab) != a.pair(0, b, 0) || len(switches()) != 0 {
		t.Errorf("%d work, A by %v: %q", working, a.current(ab), probes)
	}
}

// A daemon that is restarted goes on with the contexts that the kernel has.
func TestRestart(t *testing.T) {
	for _, state := range []engine.ReapState{exploring, inboundOK} {
		z := in(t, state)
		switches := z.a.record()
		z.n.pass(time.Second)
		z.n.trace = nil
		z.a.kernel[z.ab].ReapState = state
		z.a.boot()
		if len(z.n.trace) != 0 {
			t.Errorf("%v: sends at its start", state)
		}
		z.n.dead = func(_, _ netip.Addr) bool { return false }
		z.n.kill(z.a.pair(0, z.b, 0))
		z.n.pass(2 * time.Second)
		if z.a.state(z.ab) != operational || z.a.current(z.ab) == z.a.pair(0, z.b, 0) {
			t.Errorf("%v: then %v by %v: %q", state, z.a.state(z.ab), z.a.current(z.ab), z.n.probes())
		}
		if l := switches(); len(l) == 0 || l[0].Trigger != Restart {
			t.Errorf("%v: history %+v", state, l)
		}
	}
}

// A context that is gone is forgotten at once, and one that is well after a while.
func TestForgotten(t *testing.T) {
	z := in(t, exploring)
	z.a.handle(engine.Close{ULIDs: z.ab})
	if z.a.r.Size() != 0 || z.a.r.queue.Len() != 0 {
		t.Error("remembered")
	}
	n, a, b, ab, _ := two(t, 2)
	a.handle(engine.ICMP{Type: 1, Source: ab.Local, Destination: ab.Peer, ULIDs: ab})
	n.pass(linger + 2*time.Second)
	if a.r.Size() != 0 || b.r.Size() != 0 || a.r.queue.Len() != 0 {
		t.Errorf("%d and %d are remembered", a.r.Size(), b.r.Size())
	}
}
