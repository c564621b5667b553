// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"slices"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/tools/conformance/shows"
)

// A wish is a context's as long as a program has it: here a pair in reserve, which a failure
// takes at once (RFC 6316, section 6.3).
func TestWishStandby(t *testing.T) {
	n, a, _, ab, _ := two(t, 3)
	n.pass(time.Minute)
	if got := n.probes(); len(got) != 0 {
		t.Fatalf("before the wish: %q", got)
	}
	a.handle(engine.Wish{ULIDs: ab, Standby: true})
	n.pass(50 * time.Second)
	n.trace = slices.DeleteFunc(n.trace, func(p probe) bool { return p.m == nil })
	if got := n.probes(); len(got) != 12 {
		t.Errorf("two rounds of three pairs, and as many answers: %q", got)
	}
	from := a.current(ab)
	a.link(0, false)
	n.pass(time.Millisecond)
	if a.current(ab) == from {
		t.Error("the pair in reserve is not taken at once")
	}
	a.link(0, true)
	a.handle(engine.Wish{ULIDs: ab})
	n.pass(10 * time.Minute)
	n.trace = nil
	n.pass(10 * time.Minute)
	if got := n.probes(); len(got) != 0 {
		t.Errorf("after the wish: %q", got)
	}
}

// The Send Timeout gets as short as a program wants it, the peer is told (RFC 6316, section 6.12), and
// both come back to what they were. It never gets longer than others expect.
func TestWishSendTimeout(t *testing.T) {
	shows.IDs(t, "6316-6.12-03")
	n, a, b, ab, ba := two(t, 2)
	for _, x := range []struct{ wish, want time.Duration }{
		{0, 15 * time.Second}, {10 * time.Second, 10 * time.Second}, {12 * time.Second, 12 * time.Second},
		{100 * time.Second, 15 * time.Second}, {11 * time.Second, 11 * time.Second}, {0, 15 * time.Second},
	} {
		a.handle(engine.Wish{ULIDs: ab, SendTimeout: x.wish})
		n.pass(time.Second)
		if got := a.kernel[ab].SendTimeout; got != x.want {
			t.Errorf("%v: the Send Timeout is %v", x.wish, got)
		}
		if got := b.kernel[ba].KeepaliveTimeout; got != x.want {
			t.Errorf("%v: the peer has a Keepalive Timeout of %v", x.wish, got)
		}
	}
	a.handle(engine.Wish{ULIDs: engine.ULIDs{Local: ab.Peer, Peer: ab.Local}, SendTimeout: time.Minute})
}

// A program that is not satisfied makes the context ask its pair (RFC 6316, section 7.3). If it says so
// all the time, what TCP says still counts.
func TestFeedback(t *testing.T) {
	n, a, b, ab, _ := two(t, 2)
	feedback := engine.Reap{ULIDs: ab, Tag: a.kernel[ab].TagLocal, Kind: engine.ReapFeedback}
	for range 100 {
		a.handle(feedback)
		n.pass(time.Second)
	}
	if got := n.probes(); len(got) < 20 || len(got) > 2*100/2+4 {
		t.Errorf("%d Probes and answers, where there is a question every two seconds: %q", len(got), got)
	}
	if a.current(ab) != a.pair(0, b, 0) {
		t.Errorf("by %v", a.current(ab))
	}
	n.trace = nil
	a.handle(engine.Reap{ULIDs: ab, Tag: a.kernel[ab].TagLocal, Kind: engine.ReapRetransmission})
	n.pass(100 * time.Millisecond)
	if got := n.probes(); !slices.Contains(got, "A2>B2 InboundOk 1") {
		t.Errorf("TCP retransmits: %q", got)
	}
	n.kill(a.pair(0, b, 0))
	n.pass(time.Minute)
	a.handle(feedback)
	n.pass(3 * time.Second)
	if a.current(ab) == a.pair(0, b, 0) {
		t.Errorf("the program is right, and the context stays: %q", n.probes())
	}
}

// A context is its programs' together. So a pair that only one of them wants in reserve takes payload
// at once where an address or a link is gone, and not where nobody answers for a while.
func TestWishStandbyWaits(t *testing.T) {
	for _, x := range []struct {
		configured time.Duration
		moves      bool
	}{{0, false}, {standbyOfSockets, true}} {
		n, a, b, ab, _ := two(t, 2, Config{Standby: x.configured})
		a.handle(engine.Wish{ULIDs: ab, Standby: true})
		n.pass(50 * time.Second)
		from := a.current(ab)
		n.kill(a.pair(0, b, 0), a.pair(0, b, 1), a.pair(1, b, 0), a.pair(1, b, 1))
		a.tail(ab, 0, 20*time.Millisecond, 0)
		n.pass(300 * time.Millisecond)
		if moves := a.current(ab) != from; moves != x.moves {
			t.Errorf("standby %v, and nobody answers: it moves: %v: %q in %v", x.configured, moves, n.probes(), a.state(ab))
		}
	}
}

// A configuration that is read again makes another Engine, which gets the wishes of the one before.
// One that only the kernel's copy tells of can be taken back.
func TestWishesOfAnotherEngine(t *testing.T) {
	n, a, _, ab, _ := two(t, 2)
	want := engine.Wish{ULIDs: ab, Standby: true, SendTimeout: 11 * time.Second}
	a.handle(want)
	n.pass(time.Second)
	wishes := a.e.Wishes()
	if !slices.Equal(wishes, []engine.Wish{want}) {
		t.Fatalf("%+v", wishes)
	}
	for _, w := range []engine.Wish{want, {ULIDs: ab}} {
		a.boot()
		if l := a.e.Wishes(); len(l) != 0 {
			t.Fatalf("before it was told: %+v", l)
		}
		a.handle(w)
		n.pass(time.Second)
		sendTimeout := 15 * time.Second
		if w.SendTimeout != 0 {
			sendTimeout = w.SendTimeout
		}
		if got := a.kernel[ab].SendTimeout; got != sendTimeout {
			t.Errorf("%+v: the Send Timeout is %v", w, got)
		}
	}
}
