// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	. "shim6/daemon/internal/engine"
	"shim6/daemon/internal/engine/enginetest"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

func TestExpire(t *testing.T) {
	shows.IDs(t, "5533-9-01 5533-9-02 5533-9-03 5533-9-04 boeing-1.4-01")
	for _, x := range []struct {
		name string
		bend func(e *Expire)
		gone bool
	}{
		{"as told", func(*Expire) {}, true},
		{"in use", func(e *Expire) { e.InUse = true }, false},
		{"too early", func(e *Expire) { e.Idle = 5*time.Minute - 1 }, false},
		{"other tag", func(e *Expire) { e.Tag ^= 1 }, false},
		{"other context", func(e *Expire) { e.FII = 3 }, false},
	} {
		f := in(t, Established)
		ev := Expire{ULIDs: f.ab, Tag: f.tagLocal(), Idle: 5 * time.Minute}
		x.bend(&ev)
		f.a.handle(ev)
		want := Established
		if x.gone {
			want = Idle
		}
		f.a.inState(f.ab, want)
		f.a.sends()
	}
	if _, err := New(Config{Random: enginetest.Seed(1), IdleTimeout: time.Minute}); err == nil {
		t.Error("a minute is too little")
	}
}

// The ULID is no longer valid. Its contexts end, and those of other ULIDs don't. The peer learns
// of it when it sends something.
func TestULIDGone(t *testing.T) {
	shows.IDs(t, "5533-1.5-01 5533-1.5-02 5533-1.5-03")
	for _, how := range []string{"left out", "expired"} {
		n, a, b, ab, ba := establishedPair(t)
		second := ULIDs{Local: a.addr(1), Peer: ab.Peer}
		a.handle(Acquire{second.Local, second.Peer})
		n.run()
		set := a.locals
		a.forget()
		if how == "left out" {
			a.locate(set[1])
		} else {
			set[0].ValidUntil = n.now + time.Minute
			a.locate(set...)
			a.inState(ab, Established)
			n.pass(time.Minute - 1)
			a.inState(ab, Established)
			n.pass(1)
		}
		a.inState(ab, Idle)
		a.inState(second, Established)
		n.run()
		a.sends(wire.TypeUpdateRequest)
		b.inState(ba, Established)
		// The peer's next packet is answered by R1bis, which it can't use if
		// the address is gone; by another locator it can.
		a.handle(NoContext{Source: ab.Peer, Destination: set[1].Address, Tag: b.context(ba).TagPeer})
		n.run()
		b.inState(ba, I2bisSent)
	}
	// A broken address, on a link that is down, is still a ULID.
	f := in(t, Established)
	f.a.locate(broken(f.a.locals[0]), f.a.locals[1])
	f.n.run()
	f.a.inState(f.ab, Established)
	f.a.sends(wire.TypeUpdateRequest)
}

func TestCommands(t *testing.T) {
	f := in(t, Established)
	u := ULIDs{Local: f.a.addr(0), Peer: addrIn(0xc1, 1)}
	for _, x := range []struct {
		ev Event
		ok bool
	}{
		{Open{ULIDs: f.ab}, false},
		{Open{ULIDs: ULIDs{Local: addrIn(0xa1, 77), Peer: u.Peer}}, false},
		{Open{ULIDs: ULIDs{Local: u.Local, Peer: u.Local}}, false},
		{Open{ULIDs: ULIDs{Local: u.Local, Peer: addrIn(0, 0).Next()}}, true},
		{Open{ULIDs: ULIDs{Local: u.Local}}, false},
		{Open{ULIDs: u, Pair: Pair{Local: u.Local, Peer: addrIn(0xc2, 1)}}, false},
		{Open{ULIDs: u, Pair: Pair{Local: addrIn(0xa1, 77), Peer: u.Peer}}, false},
		{Open{ULIDs: u, Pair: Pair{Local: f.a.addr(1), Peer: u.Peer}}, true},
		{Close{ULIDs: f.ab}, true},
		{Close{ULIDs: f.ab}, false},
		{Refresh{ULIDs: u}, false},
	} {
		f.a.done = nil
		f.a.handle(x.ev)
		if len(f.a.done) != 1 || (f.a.done[0].Err == nil) != x.ok {
			t.Errorf("%+v: %v", x.ev, f.a.done)
		}
	}
	f.a.sends(wire.TypeI1, wire.TypeI1)
	f.a.inState(f.ab, Idle)
}

// Somebody deletes a context from the kernel, or the kernel refuses one.
func TestKernelSays(t *testing.T) {
	f := in(t, Established)
	f.a.handle(ContextGone{ULIDs: f.ab, Tag: f.tagLocal() ^ 1})
	f.a.inState(f.ab, Established)
	f.a.must(f.a.kernel.Del(ContextDel{f.ab, f.tagLocal()}))
	f.a.handle(ContextGone{ULIDs: f.ab, Tag: f.tagLocal()})
	f.a.inState(f.ab, Idle)
	for _, x := range f.a.order {
		if _, ok := x.(ContextDel); ok {
			t.Error("it is deleted again")
		}
	}
	f = in(t, I1Sent)
	f.a.handle(ContextRefused{ULIDs: f.ab, Err: errors.New("the namespace holds max-contexts contexts already")})
	f.a.inState(f.ab, Idle)
	if f.a.e.Size().Timers != 0 || f.a.resyncs != 1 {
		t.Errorf("left %+v; asked for %d dumps", f.a.e.Size(), f.a.resyncs)
	}
}

func TestAcquire(t *testing.T) {
	shows.IDs(t, "5533-1.3-01 5533-4-01 5533-13-01 5533-15.3-01")
	f := in(t, Idle)
	f.n.pass(time.Hour)
	f.a.sends()
	f.a.handle(Acquire{f.ab.Local, f.ab.Peer})
	f.a.sends(wire.TypeI1)
	if s := f.last(); s.Source != f.ab.Local || s.Destination != f.ab.Peer {
		t.Errorf("the I1 goes by %v, %v", s.Source, s.Destination)
	}
	f.a.handle(Acquire{addrIn(0xa1, 77), f.ab.Peer})
	f.a.handle(Acquire{f.ab.Local, addrIn(0, 0)})
	if f.a.e.Size().Contexts > 2 {
		t.Errorf("%d contexts", f.a.e.Size().Contexts)
	}
}

func TestLimits(t *testing.T) {
	n := newNetwork(t)
	n.drop = func(Send) bool { return true }
	a := n.host("A", Config{MaxContexts: 10, MaxPeerContexts: 3, MaxPrefixContexts: 5}, hbaSet(t, 1, 0xa1)...)
	open := func(u ULIDs) error {
		a.done = nil
		a.handle(Open{ULIDs: u})
		return a.done[0].Err
	}
	count := func(u func(i int) ULIDs) (n int) {
		for i := range 20 {
			if open(u(i)) == nil {
				n++
			}
		}
		return n
	}
	if got := count(func(i int) ULIDs { return ULIDs{Local: a.addr(0), Peer: addrIn(0xb1, 1), FII: uint32(i)} }); got != 3 {
		t.Errorf("%d contexts with one ULID", got)
	}
	if got := count(func(i int) ULIDs { return ULIDs{Local: a.addr(0), Peer: addrIn(0xb1, 2+i)} }); got != 2 {
		t.Errorf("%d contexts more with one /64", got)
	}
	if got := count(func(i int) ULIDs { return ULIDs{Local: a.addr(0), Peer: addrIn(0xc1+i, 1)} }); got != 5 {
		t.Errorf("%d contexts more", got)
	}
	a.handle(Acquire{a.addr(0), addrIn(0xd1, 1)})
	if got := a.e.Size().Contexts; got != 10 {
		t.Errorf("%d contexts", got)
	}
	for _, c := range slices.Collect(a.e.Contexts()) {
		a.handle(Close{ULIDs: c.ULIDs})
	}
	if got := a.e.Size(); got != (Size{}) {
		t.Errorf("left: %+v", got)
	}
}

func TestConfig(t *testing.T) {
	shows.IDs(t, "5534-7-06 5534-7-07")
	for _, c := range []Config{
		{},
		{Random: enginetest.Seed(1), MaxContexts: -1},
		{Random: enginetest.Seed(1), SendTimeout: 10*time.Second - 1},
		{Random: enginetest.Seed(1), SendTimeout: 100*time.Second + 1},
		{Random: enginetest.Seed(1), R1bis: Limit{Total: -1}},
		{Random: enginetest.Seed(1), TrustedPrefixes: []netip.Prefix{{}}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is taken", c)
		} else if len(err.Error()) < 20 {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
