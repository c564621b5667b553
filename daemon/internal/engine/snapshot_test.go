// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	. "shim6/daemon/internal/engine"
	"shim6/daemon/internal/engine/enginetest"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// restart gives h a new Engine, with the Records or without. The Records pass through JSON, as
// they do in the state file.
func (h *host) restart(t testing.TB, keep, localsFirst bool) {
	t.Helper()
	var records []Record
	if keep {
		for _, r := range h.records {
			b, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			var back Record
			if err := json.Unmarshal(b, &back); err != nil {
				t.Fatalf("%v: %s", err, b)
			}
			if d := cmp.Diff(r, back, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmpopts.EquateEmpty()); d != "" {
				t.Errorf("JSON changes a Record: %s", d)
			}
			records = append(records, back)
		}
	} else {
		clear(h.records)
	}
	h.config.Random = enginetest.Seed(4711)
	e, err := New(h.config)
	if err != nil {
		t.Fatal(err)
	}
	h.e = e
	h.forget()
	h.lax = true
	defer func() { h.lax = false; h.consistent() }()
	start := Start{Contexts: h.kernel.Dump(), Records: records}
	if localsFirst {
		h.handle(Locators{Local: h.locals})
		h.handle(start)
	} else {
		h.handle(start)
		h.handle(Locators{Local: h.locals})
	}
	if len(h.sent) != 0 {
		t.Errorf("the start sends %v", h.types())
	}
}

// The Record has what an R2 to a crossing I1 has told the peer. A later R2 of the peer ends our
// exchange without our locators, and the peer must be told what has changed since.
func TestRestartAfterR2(t *testing.T) {
	f := in(t, I1Sent)
	all := f.a.locals
	f.a.locals = all[:1]
	f.a.restart(t, true, true)
	f.fromB(f.i1())
	f.a.sends(wire.TypeR2)
	f.a.locals = all
	f.a.restart(t, true, true)
	f.fromB(&wire.R2{ResponderContextTag: tagB, InitiatorNonce: f.context().InitiatorNonce()})
	f.a.sends(wire.TypeUpdateRequest)
	if l := decode[*wire.UpdateRequest](t, f.last()).Options.LocatorList(); l == nil || len(l.Locators) != 2 {
		t.Errorf("the update has %v", l)
	}
}

// If payload has just caused an I2 or I2bis, it causes no other one right after a restart.
func TestRestartResend(t *testing.T) {
	for _, s := range []State{I2Sent, I2bisSent} {
		f := in(t, s)
		f.a.restart(t, true, true)
		f.a.handle(Reap{ULIDs: f.ab, Tag: f.context().TagLocal(), Kind: ReapPayload})
		f.a.sends()
	}
}

// After a restart the Responder Nonce begins anywhere. Adopted contexts must not take it for
// older than the one with which they were made.
func TestRestartNonce(t *testing.T) {
	for _, base := range []uint32{1, 1 << 30, 1 << 31, 3 << 30} {
		n, a, b, ab, ba := establishedPair(t)
		last := b.e.ResponderNonce(n.now)
		b.restart(t, true, true)
		b.e.SetResponderNonce(0, last-base)
		a.handle(Close{ULIDs: ab})
		a.handle(Acquire{ab.Local, ab.Peer})
		n.run()
		a.inState(ab, Established)
		if got, want := b.context(ba).TagPeer, a.context(ab).TagLocal; got != want {
			t.Errorf("base %d: B has %v for A's tag, which is %v", base, got, want)
		}
	}
}

// A responder that has restarted does not know its old validators. A peer that has one goes back
// to I1, and gets its context.
func TestResponderRestarts(t *testing.T) {
	for _, s := range []State{I2Sent, I2bisSent} {
		f := in(t, s)
		f.n.queue = enginetest.Queue{}
		f.b.kernel.Clear()
		f.b.restart(t, false, true)
		f.n.drop = nil
		f.n.pass(90 * time.Second)
		f.a.inState(f.ab, Established)
		f.b.inState(f.ba, Established)
	}
}

// The daemon dies after the R2 that ends an exchange in which the peer may have got
// other locators, and before the update that says so.
func TestRestartUncertain(t *testing.T) {
	for _, first := range []bool{true, false} {
		f := in(t, I2bisSent)
		// To I1-SENT, after which it is uncertain.
		f.n.drop = func(Send) bool { return true }
		f.n.pass(time.Minute)
		f.a.inState(f.ab, I1Sent)
		f.a.restart(t, true, first)
		f.fromB(&wire.R2{ResponderContextTag: tagB, InitiatorNonce: f.context().InitiatorNonce()})
		f.a.sends(wire.TypeUpdateRequest)

		f = in(t, Established)
		r := f.a.records[f.ab]
		r.Uncertain = true
		f.a.records[f.ab] = r
		f.a.restart(t, true, first)
		f.n.pass(10 * time.Second)
		f.a.sends(wire.TypeUpdateRequest)
	}
}

// A new Engine continues where the last one was, in every state, with whatever is left of the
// state file.
func TestRestart(t *testing.T) {
	for s := I1Sent; s <= I2bisSent; s++ {
		for _, keep := range []bool{true, false} {
			for _, first := range []bool{true, false} {
				f := in(t, s)
				var before Info
				if s == Established {
					moved(t, f.a, f.ab, Pair{Local: f.a.addr(1), Peer: f.b.addr(1)})
				}
				before = *f.a.context(f.ab)
				f.a.restart(t, keep, first)
				after := *f.a.context(f.ab)
				if after.TagLocal != before.TagLocal || after.Current != before.Current {
					t.Errorf("%v, records %v: %+v, before %+v", s, keep, after, before)
				}
				if keep {
					if after.State != s {
						t.Errorf("%v: is now %v", s, after.State)
					}
					if d := cmp.Diff(before, after, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
						t.Errorf("%v: %s", s, d)
					}
				}
				f.n.pass(5 * time.Minute)
				f.a.inState(f.ab, Established)
				f.b.inState(f.ba, Established)
				x, y := f.a.context(f.ab), f.b.context(f.ba)
				if s == I2bisSent && !keep {
					// Nothing was sent that would tell of the loss.
					continue
				}
				if x.TagPeer != y.TagLocal || y.TagPeer != x.TagLocal || x.Updating || len(x.PeerLocators) != 2 {
					t.Errorf("%v, records %v: %+v and %+v", s, keep, x, y)
				}
				if s == Established && keep && len(f.a.sent) != 0 {
					t.Errorf("A has sent %v", f.a.types())
				}
			}
		}
	}
}

// An Update Request that was not acknowledged is sent again after the restart.
func TestRestartUpdating(t *testing.T) {
	f := in(t, Established)
	f.n.drop = func(Send) bool { return true }
	f.a.locate(f.a.locals[0])
	f.n.run()
	f.a.restart(t, true, true)
	f.n.drop = nil
	f.n.pass(time.Minute)
	if l := f.b.context(f.ba).PeerLocators; len(l) != 1 {
		t.Errorf("B knows %v", l)
	}
}

// An Update Request that was not acknowledged by the Record is sent again when its own timer
// fires, with the present locators. It is not sent once more when all peers are told of these.
func TestRestartUpdatingOnce(t *testing.T) {
	n := newNetwork(t)
	n.drop = func(Send) bool { return true }
	a := n.host("A", Config{}, hbaSet(t, 1, 0xa1, 0xa2, 0xa3)...)
	const peers = 50
	for i := range peers {
		u := ULIDs{Local: a.addr(0), Peer: addrIn(0xb1, i+1)}
		a.handle(Acquire{u.Local, u.Peer})
		a.handle(Control{Source: u.Peer, Destination: u.Local, Message: encode(t, &wire.R2{ResponderContextTag: wire.ContextTag(i + 1), InitiatorNonce: a.e.Find(u).InitiatorNonce()})})
	}
	a.locate(a.locals[:2]...)
	a.locals = a.locals[:1]
	a.restart(t, true, true)
	n.pass(UpdateTimeout + time.Millisecond)
	told := map[netip.Addr]int{}
	for _, x := range a.sent {
		if told[x.Destination]++; x.Type != wire.TypeUpdateRequest || told[x.Destination] > 1 {
			t.Errorf("%v is sent a %v, and is told %d times", x.Destination, x.Type, told[x.Destination])
		}
	}
	if len(told) != peers {
		t.Errorf("%d of %d are told", len(told), peers)
	}
}

// The addresses have changed while there was no daemon.
func TestRestartElsewhere(t *testing.T) {
	f := in(t, Established)
	second := ULIDs{Local: f.a.addr(1), Peer: f.ab.Peer}
	f.a.handle(Acquire{second.Local, second.Peer})
	f.n.run()
	f.a.locals = f.a.locals[:1]
	f.a.restart(t, true, true)
	f.a.inState(second, Idle)
	f.n.pass(time.Minute)
	if l := f.b.context(f.ba).PeerLocators; len(l) != 1 {
		t.Errorf("B knows %v", l)
	}
	if _, kept := f.a.records[second]; kept {
		t.Error("the Record is kept")
	}
}

// Records that don't fit the kernel's contexts are given up.
func TestRestartStale(t *testing.T) {
	f := in(t, Established)
	r := f.a.records[f.ab]
	f.a.kernel.Clear()
	f.a.restart(t, true, true)
	if len(f.a.records) != 0 || f.a.e.Size().Contexts != 0 {
		t.Errorf("records %v", f.a.records)
	}
	f = in(t, Established)
	r.TagLocal ^= 1
	r.PeerLocators = append(slices.Clone(r.PeerLocators), PeerLocator{Address: addrIn(0xbad, 1), Verified: true, Probed: true})
	f.a.records[f.ab] = r
	f.a.restart(t, true, true)
	if f.a.e.Find(f.ab).IsPeer(addrIn(0xbad, 1)) {
		t.Error("a Record of another context is taken")
	}
	f.a.inState(f.ab, Established)
}

// The kernel's table is flushed: the Engine notices, and the peer's packets bring the
// contexts back by R1bis.
func TestFlushed(t *testing.T) {
	shows.IDs(t, "5533-7.5-01 5533-7.5-02")
	n, a, b, ab, ba := establishedPair(t)
	moved(t, b, ba, Pair{Local: b.addr(1), Peer: a.addr(1)})
	tag := b.context(ba).TagPeer
	a.kernel.Clear()
	a.lax = true
	// The kernel reports a tag that it does not know. We know it.
	for range 10 {
		a.handle(NoContext{Source: b.addr(1), Destination: a.addr(1), Tag: tag})
	}
	a.sends()
	if a.resyncs != 1 {
		t.Errorf("asked for %d dumps", a.resyncs)
	}
	a.lax = false
	a.handle(Dump{Contexts: a.kernel.Dump()})
	a.inState(ab, Idle)
	a.handle(NoContext{Source: b.addr(1), Destination: a.addr(1), Tag: tag})
	n.run()
	a.inState(ab, Established)
	b.inState(ba, Established)
	if x, y := a.context(ab), b.context(ba); x.TagPeer != y.TagLocal || y.TagPeer != x.TagLocal {
		t.Errorf("tags %+v and %+v", x, y)
	}
}

// Other events, too, show that the kernel has lost a context.
func TestResync(t *testing.T) {
	for _, ev := range []func(f *fixture) Event{
		func(f *fixture) Event { return Acquire{f.ab.Local, f.ab.Peer} },
		func(f *fixture) Event {
			return Control{Source: f.ab.Peer, Destination: f.ab.Local, Message: encode(t, &wire.Keepalive{ReceiverContextTag: f.tagLocal()})}
		},
		func(f *fixture) Event {
			return NoContext{Source: f.ab.Peer, Destination: f.ab.Local, Tag: f.tagLocal()}
		},
	} {
		f := in(t, Established)
		f.a.handle(ev(f))
		f.a.handle(ev(f))
		if f.a.resyncs != 1 {
			t.Errorf("%T: asked for %d dumps", ev(f), f.a.resyncs)
		}
		f.n.now += s
		f.a.handle(ev(f))
		if f.a.resyncs != 2 {
			t.Errorf("%T: asked for %d dumps", ev(f), f.a.resyncs)
		}
	}
}

// A dump with other values causes a ContextSet. A context that only the dump has is adopted. A
// dump without differences changes nothing.
func TestDump(t *testing.T) {
	f := in(t, Established)
	f.a.handle(Dump{Contexts: f.a.kernel.Dump()})
	if len(f.a.order) != 0 {
		t.Errorf("actions %v", f.a.order)
	}
	k := f.a.kernel.Get(f.ab)
	want := *k
	k.TagPeer, k.State, k.KeepaliveTimeout = 1, I2Sent, time.Second
	k.Locator, k.LocatorsPeer, k.LocatorsLocal = Pair{Local: f.a.addr(1), Peer: f.b.addr(1)}, nil, nil
	f.a.handle(Dump{Contexts: f.a.kernel.Dump()})
	if d := cmp.Diff(want, *f.a.kernel.Get(f.ab), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Error(d)
	}
	u := ULIDs{Local: f.a.addr(1), Peer: addrIn(0xc1, 1)}
	other := KernelContext{ULIDs: u, TagLocal: 5, TagPeer: 6, HasTagPeer: true, State: Established, Locator: Pair{Local: u.Local, Peer: u.Peer}}
	f.a.must(f.a.kernel.New(ContextNew{Context: other}))
	f.a.handle(Dump{Contexts: f.a.kernel.Dump()})
	f.a.inState(u, Established)
	f.a.inState(f.ab, Established)
	if got := wire.ContextTag(5); f.a.context(u).TagLocal != got {
		t.Error("the tag differs")
	}
}

// A locator without a known proof, for example from a Record, gets nothing, not even a Probe,
// though somebody has answered from there. With a proof it may be probed.
func TestUnverified(t *testing.T) {
	shows.IDs(t, "5533-7.2-03")
	f := in(t, Established)
	other := Pair{Local: f.a.addr(1), Peer: f.b.addr(1)}
	r := f.a.records[f.ab]
	r.PeerLocators = slices.Clone(r.PeerLocators)
	r.PeerLocators[1].Verified, r.PeerLocators[1].Probed = false, true
	f.a.records[f.ab] = r
	f.a.kernel.Get(f.ab).LocatorsPeer = nil
	f.a.restart(t, true, true)
	probe := func() bool {
		s, _ := f.a.e.Session(f.ab)
		return s.SendProbe(other, &wire.Probe{Sent: []wire.ProbeReport{{Source: other.Local, Destination: other.Peer}}})
	}
	s, _ := f.a.e.Session(f.ab)
	if probe() || s.SetPair(other) {
		t.Error("something may be sent to a locator that was not verified")
	}
	f.fromB(&wire.UpdateRequest{ReceiverContextTag: f.tagLocal(), RequestNonce: 9, Options: f.b.e.ListOptions(f.ba)})
	if l := f.a.context(f.ab).PeerLocators; len(l) != 2 || !l[1].Verified || !probe() {
		t.Errorf("with its proof nothing may be sent to %+v", l)
	}
}

// A peer is told the Send Timeout that the kernel has for its context, even if the
// configuration has another one now: that one is for new contexts.
func TestRestartSendTimeout(t *testing.T) {
	shows.IDs(t, "5534-4.1-11")
	const old, other = 20 * time.Second, 30 * time.Second
	for _, keep := range []bool{true, false} {
		n, a, b, ab, ba := establishedPair(t, Config{SendTimeout: old})
		told := func(u ULIDs, want time.Duration) {
			t.Helper()
			if d := a.kernel.Get(u).SendTimeout; d != want {
				t.Errorf("records %v: A's kernel has %v for %v", keep, d, u)
			}
			if d := b.kernel.Get(reverse(u)).KeepaliveTimeout; d != want {
				t.Errorf("records %v: B's kernel has %v for %v", keep, d, u)
			}
			if s, _ := a.e.Session(u); s.SendTimeout() != want {
				t.Errorf("records %v: REAP is told %v for %v", keep, s.SendTimeout(), u)
			}
		}
		a.config.SendTimeout = other
		a.restart(t, keep, true)
		// An update, and then an exchange by which B gets the context back.
		a.locals = a.locals[:1]
		a.locate(a.locals...)
		n.pass(time.Minute)
		if o := decode[*wire.UpdateRequest](t, a.sent[0]).Options.KeepaliveTimeout(); o == nil || o.Seconds != 20 {
			t.Errorf("records %v: the update has %v", keep, o)
		}
		told(ab, old)
		b.handle(Close{ULIDs: ba})
		b.handle(NoContext{Source: ab.Local, Destination: ab.Peer, Tag: a.context(ab).TagPeer})
		n.run()
		b.inState(ba, Established)
		told(ab, old)
		fresh := ULIDs{Local: ab.Local, Peer: ab.Peer, FII: 7}
		a.handle(Open{ULIDs: fresh})
		n.run()
		told(fresh, other)
		// A value that others have set in the kernel is set back.
		a.kernel.Get(ab).SendTimeout = other
		a.handle(Dump{Contexts: a.kernel.Dump()})
		told(ab, old)
	}
	// A peer is not told the default. The context keeps it.
	_, a, _, ab, _ := establishedPair(t)
	a.config.SendTimeout = other
	a.restart(t, true, true)
	a.handle(Refresh{ULIDs: ab})
	if o := decode[*wire.UpdateRequest](t, a.sent[len(a.sent)-1]).Options.KeepaliveTimeout(); o != nil || a.kernel.Get(ab).SendTimeout != DefaultSendTimeout {
		t.Errorf("the update has %v, the kernel %v", o, a.kernel.Get(ab).SendTimeout)
	}
	// A kernel that does not report its value gets ours.
	a.kernel.Get(ab).SendTimeout = 0
	a.restart(t, true, true)
	if d := a.kernel.Get(ab).SendTimeout; d != other {
		t.Errorf("then the kernel has %v", d)
	}
}
