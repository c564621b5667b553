// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"slices"
	"testing"
	"time"

	. "shim6/daemon/internal/engine"
	"shim6/daemon/internal/engine/enginetest"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

func TestConstants(t *testing.T) {
	shows.IDs(t, "5533-14-01 5533-14-02 5533-14-03 5533-14-04 5533-14-05 5533-14-06 5533-14-07 5533-14-08",
		"5533-14-09 5533-14-10 5533-14-11")
	for _, x := range []struct{ got, want any }{
		{I1RetriesMax, 4}, {I2RetriesMax, 2}, {I2bisRetriesMax, 2},
		{I1Timeout, 4 * time.Second}, {I2Timeout, 4 * time.Second}, {I2bisTimeout, 4 * time.Second},
		{UpdateTimeout, 4 * time.Second}, {MaxUpdateTimeout, 120 * time.Second},
		{NoR1HolddownTime, time.Minute}, {ICMPHolddownTime, 10 * time.Minute},
		{ValidatorMinLifetime, 30 * time.Second},
	} {
		if x.got != x.want {
			t.Errorf("%v, want %v", x.got, x.want)
		}
	}
}

// waits are the pauses between the messages that A sends while nobody answers.
func waits(t *testing.T, f *fixture, end time.Duration) (types []wire.Type, pauses []time.Duration) {
	t.Helper()
	f.n.drop = func(Send) bool { return true }
	last := f.n.now
	for stop := f.n.now + end; f.n.now < stop; {
		at, ok := f.a.e.Next()
		if !ok || at > stop {
			break
		}
		f.a.forget()
		f.n.now = at
		f.a.handle(Tick{})
		f.n.run()
		for _, s := range f.a.types() {
			types = append(types, s)
			pauses = append(pauses, at-last)
			last = at
		}
	}
	return types, pauses
}

// within checks pauses against their nominal values, and that they are spread: as far as the
// mean of two uniform numbers can show that.
func within(t *testing.T, pauses, nominal []time.Duration) {
	t.Helper()
	if len(pauses) != len(nominal) {
		t.Fatalf("%d pauses, want %d: %v", len(pauses), len(nominal), pauses)
	}
	for i, p := range pauses {
		if p < nominal[i]/2 || p > nominal[i]*3/2 {
			t.Errorf("pause %d is %v, want %v to %v", i, p, nominal[i]/2, nominal[i]*3/2)
		}
	}
}

const s = time.Second

func TestI1Schedule(t *testing.T) {
	shows.IDs(t, "5533-7.8-01 5533-7.8-02 5533-7.8-03 5533-7.8-04 5533-7.8-08 5533-14-01 5533-14-02 5533-14-03",
		"5533-14-12 5533-B-12 5533-B-40 5533-6.2-06 boeing-1.4-02")
	var first []time.Duration
	for seed := range uint64(20) {
		f := in(t, I1Sent, Config{Random: seedFor(seed)})
		f.a.e.RestartRetransmit(f.context(), I1Timeout)
		start := f.n.now
		types, pauses := waits(t, f, time.Hour)
		if want := []wire.Type{wire.TypeI1, wire.TypeI1, wire.TypeI1, wire.TypeI1}; !slices.Equal(types, want) {
			t.Fatalf("sent %v, want %v", types, want)
		}
		within(t, pauses, []time.Duration{4 * s, 8 * s, 16 * s, 32 * s})
		first = append(first, pauses[0])
		// Then 64 s more, and the hold-down of a minute.
		if total := f.n.now - start; total < 62*s+time.Minute || total > 186*s+time.Minute {
			t.Errorf("given up and held down after %v", total)
		}
		f.a.inState(f.ab, Idle)
	}
	slices.Sort(first)
	if first[len(first)-1]-first[0] < s {
		t.Errorf("the first pauses hardly differ: %v", first)
	}
}

// A hold-down lasts as long as its constant says, from when the exchange was given up.
func TestHoldDownLasts(t *testing.T) {
	shows.IDs(t, "5533-14-03 5533-14-04")
	for what, lasts := range map[string]time.Duration{"last timeout": NoR1HolddownTime, "ICMP": ICMPHolddownTime} {
		f := in(t, I1Sent)
		occurrences[what](f)
		held := f.a.e.State(f.ab)
		if held != EFailed && held != NoSupport {
			t.Fatalf("%s: %v", what, held)
		}
		f.n.pass(lasts - 1)
		f.a.inState(f.ab, held)
		f.n.pass(1)
		f.a.inState(f.ab, Idle)
	}
}

func seedFor(n uint64) interface{ Uint64() uint64 } { return enginetest.Seed(1000 + n) }

func TestI2Schedule(t *testing.T) {
	shows.IDs(t, "5533-7.12-01 5533-7.12-02 5533-7.12-03 5533-14-05 5533-14-06 5533-14-12")
	f := in(t, I2Sent)
	types, pauses := waits(t, f, 100*s)
	if want := []wire.Type{wire.TypeI2, wire.TypeI2, wire.TypeI1}; len(types) < 3 || !slices.Equal(types[:3], want) {
		t.Fatalf("sent %v, want %v and I1s", types, want)
	}
	within(t, pauses[1:3], []time.Duration{8 * s, 16 * s})
}

func TestI2bisSchedule(t *testing.T) {
	shows.IDs(t, "5533-7.19-01 5533-7.19-02 5533-14-07 5533-14-08 5533-14-12")
	f := in(t, I2bisSent)
	types, pauses := waits(t, f, 100*s)
	if want := []wire.Type{wire.TypeI2bis, wire.TypeI2bis, wire.TypeI1}; len(types) < 3 || !slices.Equal(types[:3], want) {
		t.Fatalf("sent %v, want %v and I1s", types, want)
	}
	within(t, pauses[1:3], []time.Duration{8 * s, 16 * s})
}

// In I1-SENT after I2bis payload goes by the ULIDs again, and comes back to the pair
// of the exchange when that is over.
func TestFallBackFromOtherPair(t *testing.T) {
	shows.IDs(t, "5533-7.19-03 5533-7.5-01")
	n, a, b, ab, ba := establishedPair(t)
	pair := Pair{Local: a.addr(1), Peer: b.addr(1)}
	moved(t, a, ab, pair)
	// The ULIDs don't work any more, and the peer has lost the context.
	b.handle(Close{ULIDs: ba})
	n.drop = func(s Send) bool {
		return s.Source != pair.Local && s.Destination != pair.Local || s.Type == wire.TypeI2bis
	}
	b.handle(NoContext{Source: pair.Local, Destination: pair.Peer, Tag: a.context(ab).TagPeer})
	n.run()
	a.inState(ab, I2bisSent)
	if k := a.kernel.Get(ab); k.Locator != pair {
		t.Errorf("in I2BIS-SENT the pair is %v", k.Locator)
	}
	for a.e.State(ab) == I2bisSent {
		n.now, _ = a.e.Next()
		a.handle(Tick{})
	}
	a.inState(ab, I1Sent)
	if k := a.kernel.Get(ab); k.Locator != (Pair{Local: ab.Local, Peer: ab.Peer}) {
		t.Errorf("in I1-SENT the pair is %v", k.Locator)
	}
	n.run()
	a.inState(ab, Established)
	b.inState(ba, Established)
	if k := a.kernel.Get(ab); k.Locator != pair {
		t.Errorf("in ESTABLISHED the pair is %v", k.Locator)
	}
}

// moved makes a context use another pair, as the Explorer would.
func moved(t testing.TB, h *host, u ULIDs, pair Pair) {
	t.Helper()
	s, ok := h.e.Session(u)
	if !ok {
		t.Fatalf("%s has no context %v", h.name, u)
	}
	s.Answered(pair.Peer)
	if !s.SetPair(pair) {
		t.Fatalf("%s: SetPair(%v) refuses", h.name, pair)
	}
	h.handle(Tick{})
	if h.kernel.Get(u).Locator != pair {
		t.Fatalf("%s: the kernel was not told of %v", h.name, pair)
	}
}

// Back in I1-SENT only the peer's locators are left of what it said: an R1bis finds no context,
// and the I1 has all its retries.
func TestFallBack(t *testing.T) {
	shows.IDs(t, "5533-B-14 5533-7.12-02 5533-7.19-02")
	for _, state := range []State{I2Sent, I2bisSent} {
		f := in(t, state)
		f.n.drop = func(Send) bool { return true }
		tag := f.tagPeer()
		f.context().SetRetries(I2RetriesMax)
		f.n.now = f.context().RetransmitAt()
		f.a.handle(Tick{})
		f.a.inState(f.ab, I1Sent)
		c := f.context()
		if c.Retries() != 0 || c.Validator() != nil || c.HasTagPeer() || f.a.e.PeerKeys() != 0 {
			t.Errorf("from %v: %+v", state, c)
		}
		f.fromB(&wire.R1bis{PacketContextTag: tag, Options: wire.Options{validatorOption()}})
		f.a.inState(f.ab, I1Sent)
		// We don't know what the peer has got of the exchange, so it is told again when
		// there is a context.
		f.a.forget()
		f.fromB(&wire.R2{ResponderContextTag: tagB, InitiatorNonce: f.nonce()})
		f.a.sends(wire.TypeUpdateRequest)
	}
	// If our address of the exchange is gone, the ULIDs are tried.
	n, a, b, ab, ba := establishedPair(t)
	moved(t, a, ab, Pair{Local: a.addr(1), Peer: b.addr(1)})
	b.handle(Close{ULIDs: ba})
	n.drop = func(s Send) bool { return s.Type == wire.TypeI2bis }
	b.handle(NoContext{Source: a.addr(1), Destination: b.addr(1), Tag: a.context(ab).TagPeer})
	n.run()
	a.locate(a.locals[0])
	a.e.Find(ab).SetRetries(I2bisRetriesMax)
	n.now = a.e.Find(ab).RetransmitAt()
	a.forget()
	a.handle(Tick{})
	if s := a.sent[0]; s.Type != wire.TypeI1 || s.Source != ab.Local || s.Destination != ab.Peer {
		t.Errorf("A sends %v from %v to %v", s.Type, s.Source, s.Destination)
	}
	n.run()
	a.inState(ab, Established)
}

// A late R1 resets the count of retries. The I2 has our present locators. Since an R2 has told
// the peer others, the peer is told again after the exchange.
func TestR1BeginsAnew(t *testing.T) {
	n := newNetwork(t)
	set := hbaSet(t, 1, 0xa1, 0xa2, 0xa3)
	f := &fixture{t: t, n: n}
	f.a = n.host("A", Config{}, set...)
	f.b = n.host("B", Config{}, hbaSet(t, 2, 0xb1)...)
	f.ab = ULIDs{Local: f.a.addr(0), Peer: f.b.addr(0)}
	n.drop = func(Send) bool { return true }
	f.a.handle(Acquire{f.ab.Local, f.ab.Peer})
	f.fromB(f.i1())
	c := f.context()
	c.SetRetries(I1RetriesMax)
	c.SetResendAt(n.now + time.Hour)
	f.a.locate(set[:2]...)
	f.a.forget()
	f.fromB(&wire.R1{InitiatorNonce: c.InitiatorNonce(), Options: wire.Options{validatorOption()}})
	f.a.handle(Reap{ULIDs: f.ab, Tag: c.TagLocal(), Kind: ReapPayload})
	n.now = c.RetransmitAt()
	f.a.handle(Tick{})
	f.a.sends(wire.TypeI2, wire.TypeI2, wire.TypeI2)
	l := decode[*wire.I2](t, f.last()).Options.LocatorList()
	if len(l.Locators) != 2 || l.Generation != c.LocalGeneration() {
		t.Errorf("the I2 has %v; the generation is %v", l, c.LocalGeneration())
	}
	f.a.forget()
	f.fromB(&wire.R2{ResponderContextTag: tagB, InitiatorNonce: c.InitiatorNonce()})
	f.a.sends(wire.TypeUpdateRequest)
}

// A new exchange begins with all its retries, and with our present locators.
func TestR1bisBeginsAnew(t *testing.T) {
	shows.IDs(t, "5533-7.18-08")
	f := in(t, Established)
	f.n.drop = func(Send) bool { return true }
	f.context().SetRetries(2)
	f.context().SetResendAt(f.n.now + time.Hour)
	f.a.locate(f.a.locals[0])
	f.a.forget()
	f.fromB(&wire.R1bis{PacketContextTag: f.tagPeer(), Options: wire.Options{validatorOption()}})
	f.a.sends(wire.TypeI2bis)
	if o := decode[*wire.I2bis](t, f.last()).Options; o.LocatorList() != nil {
		t.Errorf("the I2bis has %v", o)
	}
	if there, _ := f.context().Updating(); there {
		t.Error("the update goes on as well")
	}
	f.a.handle(Reap{ULIDs: f.ab, Tag: f.tagLocal(), Kind: ReapPayload})
	f.n.now = f.context().RetransmitAt()
	f.a.handle(Tick{})
	f.a.sends(wire.TypeI2bis, wire.TypeI2bis, wire.TypeI2bis)
}

// A peer that answers every I1 and no I2 is finally given up.
func TestGivesUpRounds(t *testing.T) {
	f := in(t, I2Sent)
	f.n.drop = func(s Send) bool { return s.Type == wire.TypeI2 }
	f.n.pass(10 * time.Minute)
	f.a.inState(f.ab, Idle)
	if o := f.a.e.Obstacle(f.ab); o != ProofIgnored {
		t.Errorf("the obstacle is %v", o)
	}
	if n := len(f.a.sent); n > 30 {
		t.Errorf("A has sent %d messages", n)
	}
}

func TestNoSupport(t *testing.T) {
	shows.IDs(t, "5533-7.8-05 5533-7.8-06 5533-14-04")
	for _, x := range []struct {
		name string
		bend func(e *ICMP)
		ok   bool
	}{
		{"as sent", func(*ICMP) {}, true},
		{"cut short", func(e *ICMP) { e.Message = e.Message[:16] }, true},
		{"too short", func(e *ICMP) { e.Message = e.Message[:15] }, false},
		{"type", func(e *ICMP) { e.Type = 1 }, false},
		{"code", func(e *ICMP) { e.Code = 2 }, false},
		{"source", func(e *ICMP) { e.Source = addrIn(0xa2, 9) }, false},
		{"destination", func(e *ICMP) { e.Destination = addrIn(0xb2, 9) }, false},
		{"message type", func(e *ICMP) { e.Message[2] = byte(wire.TypeI2) }, false},
		{"tag", func(e *ICMP) { e.Message[9] ^= 1 }, false},
		{"nonce", func(e *ICMP) { e.Message[15] ^= 1 }, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			n, a, _, ab, _ := pairOf(t)
			n.drop = func(Send) bool { return true }
			a.handle(Acquire{ab.Local, ab.Peer})
			i1 := a.sent[0]
			ev := ICMP{Type: 4, Code: 1, Source: i1.Source, Destination: i1.Destination, Message: slices.Clone(i1.Message)}
			x.bend(&ev)
			a.handle(ev)
			if !x.ok {
				a.inState(ab, I1Sent)
				return
			}
			a.inState(ab, NoSupport)
			n.pass(10*time.Minute - s)
			a.handle(Acquire{ab.Local, ab.Peer})
			a.inState(ab, NoSupport)
			n.pass(s)
			a.handle(Acquire{ab.Local, ab.Peer})
			a.inState(ab, I1Sent)
		})
	}
}

// A hold-down is for one ULID pair. A command may ignore it, and so may the peer.
func TestHoldDown(t *testing.T) {
	shows.IDs(t, "5533-7.8-07 5533-7.9-09 5533-4-02")
	f := in(t, EFailed)
	f.a.handle(Acquire{f.ab.Local, f.ab.Peer})
	f.a.sends()
	f.a.handle(Open{ID: 1, ULIDs: f.ab})
	if len(f.a.done) != 1 || f.a.done[0].Err == nil {
		t.Errorf("Open: %v", f.a.done)
	}
	f.a.handle(Acquire{f.a.addr(1), f.ab.Peer})
	f.a.sends(wire.TypeI1)
	f.n.run()
	f.a.inState(ULIDs{Local: f.a.addr(1), Peer: f.ab.Peer}, Established)
	f.a.handle(Open{ID: 2, ULIDs: f.ab, Force: true})
	if n := f.a.e.Size().HoldDowns; n != 0 {
		t.Errorf("%d hold-downs beside the I1", n)
	}
	f.n.run()
	f.a.inState(f.ab, Established)

	f = in(t, NoSupport)
	f.b.handle(Acquire{f.ba.Local, f.ba.Peer})
	f.n.run()
	f.a.inState(f.ab, Established)
	if f.a.e.Size().HoldDowns != 0 {
		t.Error("the hold-down outlives the proof that the peer has Shim6")
	}
}

// Of two hold-downs of a ULID pair the longer one counts: what we know of the peer does not
// become less because another one of its contexts gets no answer either.
func TestHoldDownLonger(t *testing.T) {
	shows.IDs(t, "5533-7.8-05")
	n, a, _, ab, _ := pairOf(t)
	n.drop = func(Send) bool { return true }
	fork := ab
	fork.FII = 2
	a.handle(Open{ID: 1, ULIDs: fork, Force: true})
	a.forget()
	a.handle(Acquire{ab.Local, ab.Peer})
	i1 := a.sent[0]
	a.handle(ICMP{Type: 4, Code: 1, Source: i1.Source, Destination: i1.Destination, Message: i1.Message})
	a.inState(ab, NoSupport)
	if a.e.Size().Contexts != 1 {
		t.Fatalf("%d contexts", a.e.Size().Contexts)
	}
	n.pass(3 * time.Minute)
	if a.e.Size().Contexts != 0 {
		t.Fatal("the fork has not failed")
	}
	n.pass(7*time.Minute - s)
	a.handle(Acquire{ab.Local, ab.Peer})
	a.inState(ab, NoSupport)
	n.pass(s)
	a.handle(Acquire{ab.Local, ab.Peer})
	a.inState(ab, I1Sent)
}

// Messages of an established peer in I2-SENT cause another I2, but not every message does.
func TestResendLimited(t *testing.T) {
	shows.IDs(t, "5533-12.2-09 5533-12.2-04")
	for _, s := range []State{I2Sent, I2bisSent} {
		f := in(t, s)
		want := wire.TypeI2
		if s == I2bisSent {
			want = wire.TypeI2bis
		}
		for range 100 {
			f.a.handle(Reap{ULIDs: f.ab, Tag: f.tagLocal(), Kind: ReapPayload})
			f.fromB(&wire.Keepalive{ReceiverContextTag: f.tagLocal()})
		}
		f.a.sends(want)
	}
}
