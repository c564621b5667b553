// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	. "shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// closed drops what is sent by an encapsulation.
func closed(e Encapsulation) func(Send) bool {
	return func(s Send) bool { return s.Encapsulation == e }
}

// ways are how messages of a type were sent.
func (h *host) ways(t wire.Type) (ways []Encapsulation) {
	for _, s := range h.sent {
		if s.Type == t {
			ways = append(ways, s.Encapsulation)
		}
	}
	return ways
}

// udpPair are two hosts that use UDP as they like.
func udpPair(t *testing.T, a, b UseUDP) (n *network, x, y *host, ab, ba ULIDs) {
	t.Helper()
	n = newNetwork(t)
	x = n.host("A", Config{UDP: a}, plain(0xa1, 1))
	y = n.host("B", Config{UDP: b}, plain(0xb1, 1))
	ab = ULIDs{Local: x.addr(0), Peer: y.addr(0)}
	return n, x, y, ab, ULIDs{Local: ab.Peer, Peer: ab.Local}
}

// An I1 goes natively, half a second later in UDP, and so do its retransmissions. The exchange
// goes on as its answers come.
func TestI1BothWays(t *testing.T) {
	n, a, b, ab, ba := udpPair(t, UDPAuto, UDPAuto)
	n.drop = func(Send) bool { return true }
	a.handle(Acquire{Local: ab.Local, Peer: ab.Peer})
	n.pass(OtherTimeout - time.Millisecond)
	if got := a.ways(wire.TypeI1); !slices.Equal(got, []Encapsulation{Native}) {
		t.Errorf("before half a second: %v", got)
	}
	n.pass(2 * time.Millisecond)
	if got := a.ways(wire.TypeI1); !slices.Equal(got, []Encapsulation{Native, UDP}) {
		t.Errorf("after half a second: %v", got)
	}
	n.drop = closed(Native)
	n.pass(8 * time.Second)
	if got := a.ways(wire.TypeI1); !slices.Equal(got, []Encapsulation{Native, UDP, Native, UDP}) {
		t.Errorf("after a retransmission: %v", got)
	}
	if a.e.State(ab) != Established || b.e.State(ba) != Established {
		t.Fatalf("A is in %v, B in %v", a.e.State(ab), b.e.State(ba))
	}
	for _, s := range slices.Concat(a.sent, b.sent) {
		if s.Type != wire.TypeI1 && s.Encapsulation != UDP {
			t.Errorf("%v goes by %v", s.Type, s.Encapsulation)
		}
	}
	if got := b.ways(wire.TypeR1); len(got) != 1 {
		t.Errorf("R1s: %v", got)
	}
	for _, c := range []struct {
		h *host
		u ULIDs
	}{{a, ab}, {b, ba}} {
		if k := c.h.kernel.Get(c.u); k.Locator != (Pair{Local: c.u.Local, Peer: c.u.Peer, Encapsulation: UDP}) || k.Inbound != k.Locator {
			t.Errorf("%s: the kernel has %v and %v", c.h.name, k.Locator, k.Inbound)
		}
	}
}

// Where a native answer comes, nothing goes in UDP.
func TestNativeI1(t *testing.T) {
	for _, c := range []struct{ a, b UseUDP }{{UDPAuto, UDPAuto}, {UDPAuto, UDPNever}, {UDPNever, UDPAuto}} {
		n, a, b, ab, _ := udpPair(t, c.a, c.b)
		a.handle(Acquire{Local: ab.Local, Peer: ab.Peer})
		n.pass(time.Minute)
		if a.e.State(ab) != Established || len(a.learned)+len(b.learned) != 0 {
			t.Errorf("A is in %v, %v and %v were learned", a.e.State(ab), a.learned, b.learned)
		}
		for _, s := range slices.Concat(a.sent, b.sent) {
			if s.Encapsulation != Native {
				t.Errorf("%v goes by %v", s.Type, s.Encapsulation)
			}
		}
	}
}

// The memory of two networks holds for the next context between them, also after a restart; a native
// answer ends it. It lasts ten minutes, since a message may have been lost by chance, and a day if
// that is found again.
func TestLearned(t *testing.T) {
	n, a, b, ab, _ := udpPair(t, UDPAuto, UDPAuto)
	n.drop = closed(Native)
	a.handle(Acquire{Local: ab.Local, Peer: ab.Peer})
	n.pass(time.Second)
	want := Carrier{Local: netip.PrefixFrom(addrIn(0xa1, 0), 64), Peer: netip.PrefixFrom(addrIn(0xb1, 0), 64), Left: 10 * time.Minute}
	if !slices.Equal(a.learned, []Carrier{want}) || len(b.learned) != 1 {
		t.Fatalf("A has learned %v, B %v", a.learned, b.learned)
	}
	first := func(start Start) Encapsulation {
		t.Helper()
		e, err := New(Config{Random: a.config.Random, UDP: UDPAuto})
		if err != nil {
			t.Fatal(err)
		}
		e.Handle(n.now, Locators{Local: a.locals})
		e.Handle(n.now, start)
		for _, action := range e.Handle(n.now, Acquire{Local: ab.Local, Peer: ab.Peer}) {
			if s, ok := action.(Send); ok {
				return s.Encapsulation
			}
		}
		t.Fatal("no I1")
		return 0
	}
	if got := first(Start{Carriers: a.learned}); got != UDP {
		t.Errorf("after a restart the first I1 goes by %v", got)
	}
	if got := first(Start{}); got != Native {
		t.Errorf("after a restart without a memory the first I1 goes by %v", got)
	}
	// Another context: in UDP at once, and natively if that is not answered.
	again := func() []Encapsulation {
		t.Helper()
		a.sent, a.learned = nil, nil
		a.handle(Close{ULIDs: ab})
		b.handle(Close{ULIDs: ULIDs{Local: ab.Peer, Peer: ab.Local}})
		a.handle(Acquire{Local: ab.Local, Peer: ab.Peer})
		n.pass(time.Second)
		if a.e.State(ab) != Established {
			t.Fatalf("A is in %v", a.e.State(ab))
		}
		return a.ways(wire.TypeI1)
	}
	if got := again(); !slices.Equal(got, []Encapsulation{UDP}) {
		t.Errorf("the second context: %v", got)
	}
	n.drop = closed(UDP)
	if got := again(); !slices.Equal(got, []Encapsulation{UDP, Native}) {
		t.Errorf("once UDP is lost: %v", got)
	}
	want.Left = 0
	if !slices.Equal(a.learned, []Carrier{want}) {
		t.Errorf("A has learned %v", a.learned)
	}
	if got := again(); !slices.Equal(got, []Encapsulation{Native}) {
		t.Errorf("the next one: %v", got)
	}
	n.drop = closed(Native)
	again()
	for _, x := range []struct {
		after time.Duration
		want  []Encapsulation
	}{
		{9 * time.Minute, []Encapsulation{UDP}},
		{2 * time.Minute, []Encapsulation{Native, UDP}},
		{11 * time.Minute, []Encapsulation{UDP}},
		{23 * time.Hour, []Encapsulation{UDP}},
		{time.Hour, []Encapsulation{Native, UDP}},
	} {
		n.pass(x.after)
		if got := again(); !slices.Equal(got, x.want) {
			t.Errorf("%v later: %v, want %v", x.after, got, x.want)
		}
	}
}

// A host may learn of many networks, and forgets.
func TestLearnedMany(t *testing.T) {
	n, a, _, ab, _ := udpPair(t, UDPAuto, UDPAuto)
	for i := range 10000 {
		peer := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 1, byte(i >> 8), byte(i)})
		a.e.Learn(Pair{Local: ab.Local, Peer: peer, Encapsulation: UDP})
	}
	if got := a.e.Carriers(); got != 4096 {
		t.Errorf("%d pairs of networks are remembered", got)
	}
	_ = n
}

// With always nothing is sent natively, but what comes natively is answered so.
func TestUDPAlways(t *testing.T) {
	n, a, b, ab, ba := udpPair(t, UDPAlways, UDPAuto)
	a.handle(Acquire{Local: ab.Local, Peer: ab.Peer})
	n.pass(time.Second)
	if got := a.ways(wire.TypeI1); !slices.Equal(got, []Encapsulation{UDP}) || a.e.State(ab) != Established {
		t.Errorf("I1 by %v, %v", got, a.e.State(ab))
	}
	a.handle(Close{ULIDs: ab})
	b.handle(Close{ULIDs: ba})
	b.sent = nil
	n.pass(25 * time.Hour)
	b.handle(Acquire{Local: ba.Local, Peer: ba.Peer})
	n.pass(time.Second)
	if got := b.ways(wire.TypeI1); !slices.Equal(got, []Encapsulation{Native}) || b.e.State(ba) != Established {
		t.Errorf("B: I1 by %v, %v", got, b.e.State(ba))
	}
}

// An I1 in UDP is answered by one message that is no longer than natively, and all are limited
// together.
func TestUDPLimits(t *testing.T) {
	n, a, b, ab, _ := udpPair(t, UDPNever, UDPAuto)
	raw := encode(t, &wire.I1{InitiatorContextTag: 1, InitiatorNonce: 2})
	answer := func(e Encapsulation) (octets, messages int) {
		b.sent = nil
		b.handle(Control{Source: ab.Local, Destination: ab.Peer, Message: raw, Encapsulation: e})
		for _, s := range b.sent {
			octets += len(s.Message)
		}
		return octets, len(b.sent)
	}
	native, one := answer(Native)
	udp, two := answer(UDP)
	if native != udp || one != 1 || two != 1 {
		t.Errorf("an I1 is answered by %d messages of %d octets, one in UDP by %d of %d", one, native, two, udp)
	}
	total := 0
	for i := range 2000 {
		_, sent := answer(Encapsulation(i % 2))
		total += sent
	}
	if total > 200 {
		t.Errorf("%d I1s were answered at once", total)
	}
	n.drop = func(Send) bool { return true }
	_ = a
}
