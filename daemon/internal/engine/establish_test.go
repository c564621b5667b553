// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	. "shim6/daemon/internal/engine"
	"shim6/daemon/internal/engine/enginetest"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

func addrs(l []LocalLocator) (out []netip.Addr) {
	for i := range l {
		out = append(out, l[i].Address)
	}
	return out
}

func listed(l *wire.LocatorList) (out []netip.Addr) {
	for _, x := range l.Locators {
		out = append(out, x.Address)
	}
	return out
}

func TestEstablish(t *testing.T) {
	shows.IDs(t, "5533-7.3-01 5533-7.3-02 5533-5.4-04 5533-5.5-04 5533-5.5-05 5533-5.6-04 5533-5.6-05 5533-5.6-08",
		"5533-5.6-10 5533-5.7-04 5533-5.7-05 5533-7.10-01 5533-7.11-05 5533-7.14-02 5533-7.6-01",
		"5533-5.15.2-03 5533-6.1-01 5533-6.2-04 5533-2.2-01 5533-7.7-01 5533-7.7-02 5533-7.14-04",
		"boeing-1.3-01 boeing-1.4-04")
	n, a, b, ab, ba := pairOf(t)
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	a.inState(ab, Established)
	b.inState(ba, Established)
	a.sends(wire.TypeI1, wire.TypeI2)
	b.sends(wire.TypeR1, wire.TypeR2)

	i1, i2 := decode[*wire.I1](t, a.sent[0]), decode[*wire.I2](t, a.sent[1])
	r1, r2 := decode[*wire.R1](t, b.sent[0]), decode[*wire.R2](t, b.sent[1])
	if len(i1.Options) != 0 {
		t.Errorf("the I1 between the ULIDs has options %v", i1.Options)
	}
	if r1.InitiatorNonce != i1.InitiatorNonce || i2.InitiatorContextTag != i1.InitiatorContextTag ||
		i2.ResponderNonce != r1.ResponderNonce || r2.InitiatorNonce != i2.InitiatorNonce {
		t.Errorf("numbers are not copied: %+v %+v %+v %+v", i1, r1, i2, r2)
	}
	if r1.ResponderNonce == 0 || r1.ResponderNonce == r1.InitiatorNonce {
		t.Errorf("the Responder Nonce is not one that was picked: %+v", r1)
	}
	if v, w := r1.Options.ResponderValidator(), i2.Options.ResponderValidator(); v == nil || w == nil || !slices.Equal(v.Validator, w.Validator) {
		t.Errorf("the validator is not copied: %v, %v", v, w)
	}
	if l := i2.Options.LocatorList(); l == nil || !slices.Equal(listed(l), addrs(a.locals)) || i2.Options.CGAParameterDataStructure() == nil {
		t.Errorf("the I2 has locators %v", l)
	}
	if l := r2.Options.LocatorList(); l == nil || !slices.Equal(listed(l), addrs(b.locals)) || r2.Options.CGAParameterDataStructure() == nil {
		t.Errorf("the R2 has locators %v", l)
	}

	ia, ib := a.context(ab), b.context(ba)
	if ia.TagLocal != ib.TagPeer || ia.TagPeer != ib.TagLocal || ia.TagLocal == ia.TagPeer {
		t.Errorf("tags differ: %+v and %+v", ia, ib)
	}
	if !slices.Equal(ia.LocalLocators, addrs(a.locals)) || !slices.Equal(ib.LocalLocators, addrs(b.locals)) {
		t.Errorf("Ls(local) is %v and %v", ia.LocalLocators, ib.LocalLocators)
	}
	if len(ia.PeerLocators) != 2 || ia.PeerLocators[0].Address != ab.Peer || ia.PeerLocators[1].Address != b.addr(1) {
		t.Errorf("Ls(peer) is %+v", ia.PeerLocators)
	}
	if ia.Current != (Pair{Local: ab.Local, Peer: ab.Peer}) || ib.Current != (Pair{Local: ba.Local, Peer: ba.Peer}) {
		t.Errorf("current pairs are %v and %v", ia.Current, ib.Current)
	}
	if ia.PeerGeneration != ib.LocalGeneration || ib.PeerGeneration != ia.LocalGeneration {
		t.Error("generations differ")
	}
	n.pass(time.Hour)
	a.sends(wire.TypeI1, wire.TypeI2)
	b.sends(wire.TypeR1, wire.TypeR2)
}

// Another exchange has other numbers, and its nonce is random.
func TestNumbersDiffer(t *testing.T) {
	shows.IDs(t, "5533-5.4-04 5533-5.6-04 5533-7.1-03 5533-9-06")
	n, a, _, ab, _ := pairOf(t)
	nonces, tags := make(map[uint32]bool), make(map[wire.ContextTag]bool)
	var ones [32]int
	for i := range 50 {
		a.handle(Acquire{ab.Local, ab.Peer})
		m := decode[*wire.I1](t, a.sent[len(a.sent)-1])
		if nonces[m.InitiatorNonce] || tags[m.InitiatorContextTag] {
			t.Fatalf("exchange %d has numbers of an earlier one", i)
		}
		nonces[m.InitiatorNonce], tags[m.InitiatorContextTag] = true, true
		for b := range ones {
			ones[b] += int(m.InitiatorNonce >> b & 1)
		}
		a.handle(Close{ULIDs: ab})
	}
	for b, n := range ones {
		if n < 10 || n > 40 {
			t.Errorf("bit %d is 1 in %d of 50 nonces", b, n)
		}
	}
	n.run()
}

// same is a source that repeats itself.
type same struct{ numbers []uint64 }

func (s *same) Uint64() uint64 {
	n := s.numbers[0]
	if len(s.numbers) > 1 {
		s.numbers = s.numbers[1:]
	}
	return n
}

func TestTags(t *testing.T) {
	shows.IDs(t, "5533-7.1-01 5533-7.1-02 5533-7.1-04")
	n := newNetwork(t)
	h := n.host("A", Config{}, hbaSet(t, 1, 0xa1)...)
	u := ULIDs{Local: h.addr(0), Peer: addrIn(0xb1, 1)}
	h.handle(Open{ULIDs: u})
	taken := uint64(h.context(u).TagLocal)
	h.e.SetRandom(&same{[]uint64{taken, taken | 1<<63, 0x77, 0x78}})
	if tag := h.e.NewTag(0x77); tag != 0x78 {
		t.Errorf("newTag is %v: one that is taken and the one to exclude must not be drawn", tag)
	}
	// All bits are random: each is 0 and 1 about as often.
	h.e.SetRandom(enginetest.Seed(9))
	var ones [48]int
	for range 1000 {
		tag := h.e.NewTag(NoTag)
		for b := range ones {
			ones[b] += int(tag >> b & 1)
		}
	}
	for b, n := range ones[:47] {
		if n < 400 || n > 600 {
			t.Errorf("bit %d is 1 in %d of 1000 tags", b, n)
		}
	}
	if ones[47] != 0 {
		t.Error("a tag has more than 47 bits")
	}
}

// A host with one plain address needs no list, PDS or signature.
func TestPlainSingle(t *testing.T) {
	shows.IDs(t, "5533-3-05")
	n := newNetwork(t)
	a := n.host("A", Config{}, plain(0xa1, 1))
	b := n.host("B", Config{}, hbaSet(t, 2, 0xb1, 0xb2)...)
	ab := ULIDs{Local: a.addr(0), Peer: b.addr(0)}
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	a.inState(ab, Established)
	b.inState(reverse(ab), Established)
	if o := decode[*wire.I2](t, a.sent[1]).Options; len(o) != 1 {
		t.Errorf("the I2 has options %v", o)
	}
	if l := a.context(ab).PeerLocators; len(l) != 2 {
		t.Errorf("A knows %v of B", l)
	}
	if l := b.context(reverse(ab)).PeerLocators; len(l) != 1 {
		t.Errorf("B knows %v of A", l)
	}
}

// If the ULIDs are not the packet's addresses, I1 and I2 have them in an option. Answers leave
// from the address to which the message was sent.
func TestULIDPair(t *testing.T) {
	shows.IDs(t, "5533-5.4-05 5533-5.6-06 5533-5.15.6-03 5533-5.15.6-04 5533-5.15.6-05 5533-7.7-04 5533-7.11-06",
		"5533-7.9-02 5533-7.13-02 5533-7.10-04 5533-1.3-03 boeing-1.3-01")
	n := newNetwork(t)
	lab := Config{TrustedPrefixes: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}}
	a := n.host("A", lab, plain(0xa1, 1), plain(0xa2, 1))
	b := n.host("B", lab, plain(0xb1, 1), plain(0xb2, 1))
	ab := ULIDs{Local: a.addr(0), Peer: b.addr(0)}
	other := Pair{Local: a.addr(1), Peer: b.addr(1)}
	// No packet with the ULIDs arrives, and none is needed.
	n.drop = func(s Send) bool {
		return s.Source == ab.Local || s.Source == ab.Peer || s.Destination == ab.Local || s.Destination == ab.Peer
	}
	a.handle(Open{ID: 3, ULIDs: ab, Pair: other})
	if !a.e.Find(ab).IsPeer(other.Peer) {
		t.Error("the locator of the command is not the peer's")
	}
	n.run()
	a.inState(ab, Established)
	b.inState(reverse(ab), Established)
	if len(a.done) != 1 || a.done[0] != (Done{ID: 3, ULIDs: ab}) {
		t.Errorf("done: %v", a.done)
	}
	for _, s := range a.sent {
		if (Pair{Local: s.Source, Peer: s.Destination}) != other {
			t.Errorf("A sends %v from %v to %v", s.Type, s.Source, s.Destination)
		}
	}
	for _, s := range b.sent {
		if (Pair{Local: s.Destination, Peer: s.Source}) != other {
			t.Errorf("B sends %v from %v to %v", s.Type, s.Source, s.Destination)
		}
	}
	want := wire.ULIDPair{Sender: ab.Local, Receiver: ab.Peer}
	if p := decode[*wire.I1](t, a.sent[0]).Options.ULIDPair(); p == nil || *p != want {
		t.Errorf("the I1 has ULID pair %v", p)
	}
	if p := decode[*wire.I2](t, a.sent[1]).Options.ULIDPair(); p == nil || *p != want {
		t.Errorf("the I2 has ULID pair %v", p)
	}
	// The exchange has shown that the peer is there.
	if c := b.context(reverse(ab)); c.Current != (Pair{Local: b.addr(1), Peer: a.addr(1)}) {
		t.Errorf("B sends by %v", c.Current)
	}
}

func TestNotOurULID(t *testing.T) {
	shows.IDs(t, "5533-5.15.6-06")
	f := in(t, Idle)
	for _, u := range []wire.ULIDPair{
		{Sender: f.ab.Peer, Receiver: addrIn(0xa1, 99)},
		{Sender: netip.MustParseAddr("fe80::1"), Receiver: f.ab.Local},
		{Sender: f.ab.Local, Receiver: f.ab.Local},
	} {
		m := f.i1()
		m.Options = wire.Options{&u}
		f.fromB(m)
		v := f.a.e
		i2 := &wire.I2{InitiatorContextTag: tagB, ResponderNonce: v.ResponderNonce(f.n.now)}
		names := ULIDs{Local: u.Receiver, Peer: u.Sender}
		i2.Options = wire.Options{&wire.ResponderValidator{Validator: v.R1Validator(f.n.now, i2.ResponderNonce, f.pair(), tagB, names)}, &u}
		f.fromB(i2)
	}
	f.a.sends()
	if f.a.e.Size().Contexts != 0 || f.a.e.Stats().NotOurs != 6 {
		t.Errorf("contexts %v, counted %d", f.a.e.Size(), f.a.e.Stats().NotOurs)
	}
}

// noULIDs can't be a ULID, a locator or an address of a packet. fineULIDs can.
var (
	noULIDs = []string{
		"::", "::1", "::192.0.2.1", "::ffff:192.0.2.1", "ff02::1", "ff0e::1", "fe80::1", "febf:ffff::1", "fec0::1", "feff::1",
	}
	fineULIDs = []string{"2001:db8::1", "3fff::1", "fd00::1", "fc00::1", "2000::1", "2002:c000:201::1", "64:ff9b::c000:201"}
)

func TestIsULID(t *testing.T) {
	shows.IDs(t, "5534-3.1-01 6629-3.1-01")
	for _, s := range noULIDs {
		if IsULID(netip.MustParseAddr(s)) {
			t.Errorf("%s is taken for a ULID", s)
		}
	}
	for _, s := range fineULIDs {
		if !IsULID(netip.MustParseAddr(s)) {
			t.Errorf("%s is not taken for a ULID", s)
		}
	}
	for _, a := range []netip.Addr{{}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1%eth0")} {
		if IsULID(a) {
			t.Errorf("%v is taken for a ULID", a)
		}
	}
}

// An address that can't be a ULID is refused wherever a message can have one.
func TestNoULIDFromTheWire(t *testing.T) {
	shows.IDs(t, "5533-12.3-03")
	for _, s := range noULIDs {
		x := netip.MustParseAddr(s)
		f := in(t, Established, Config{TrustedPrefixes: []netip.Prefix{netip.MustParsePrefix("::/0")}})
		moved(t, f.a, f.ab, Pair{Local: f.a.addr(1), Peer: f.b.addr(1)})
		f.a.forget()
		before := *f.a.context(f.ab)

		// As the source and the destination of a packet.
		tag := before.TagLocal
		for _, m := range []wire.Message{
			f.i1(), &wire.UpdateRequest{ReceiverContextTag: tag + 1}, &wire.Keepalive{ReceiverContextTag: tag + 1},
			&wire.UpdateRequest{ReceiverContextTag: tag, Options: wire.Options{&wire.UnknownOption{OptionType: 99, Critical: true}}},
		} {
			b := encode(t, m)
			f.a.handle(Control{Source: x, Destination: f.ab.Local, Message: b})
			f.a.handle(Control{Source: f.ab.Peer, Destination: x, Message: b})
		}
		f.a.handle(NoContext{Source: x, Destination: f.ab.Local, Tag: 1})
		// As a ULID.
		v := f.a.e
		for _, u := range []ULIDs{{Local: f.ab.Local, Peer: x}, {Local: x, Peer: f.ab.Peer}} {
			pair := &wire.ULIDPair{Sender: u.Peer, Receiver: u.Local}
			i2 := &wire.I2{InitiatorContextTag: tagB, ResponderNonce: v.ResponderNonce(f.n.now)}
			i2.Options = wire.Options{&wire.ResponderValidator{Validator: v.R1Validator(f.n.now, i2.ResponderNonce, f.pair(), tagB, u)}, pair}
			f.fromB(i2)
			f.fromB(&wire.I1{InitiatorContextTag: tagB, Options: wire.Options{pair}})
		}
		f.a.sends()
		// As a locator, which is an error of the peer's.
		f.fromB(&wire.UpdateRequest{ReceiverContextTag: tag, RequestNonce: 1, Options: wire.Options{&wire.LocatorList{
			Generation: 1, Locators: []wire.Locator{{Address: f.ab.Peer, Method: wire.MethodHBA}, {Address: x, Method: wire.MethodHBA}},
		}}})
		f.a.sends(wire.TypeError)
		f.a.handle(Acquire{Local: f.ab.Local, Peer: x})
		if after := *f.a.context(f.ab); f.a.e.Size().Contexts != 1 || !reflect.DeepEqual(after.PeerLocators, before.PeerLocators) {
			t.Errorf("%s: %d contexts, %+v", s, f.a.e.Size().Contexts, after)
		}
	}
}

func TestFork(t *testing.T) {
	shows.IDs(t, "5533-5.4-06 5533-5.6-07 5533-7.7-05 5533-7.11-07 5533-4.2-01 5533-4.2-02 5533-1.6-04 5533-7.9-03",
		"5533-12.4-01 5533-12.4-02 5533-12.4-03 boeing-1.4-09")
	n, a, b, ab, ba := establishedPair(t)
	fork := ab
	fork.FII = 7
	a.handle(Open{ULIDs: fork})
	n.run()
	a.inState(fork, Established)
	b.inState(reverse(fork), Established)
	a.inState(ab, Established)
	b.inState(ba, Established)
	if decode[*wire.I1](t, a.sent[0]).Options.FII() != 7 || decode[*wire.I2](t, a.sent[1]).Options.FII() != 7 {
		t.Error("the FII is not in I1 and I2")
	}
	if x, y := a.context(ab), a.context(fork); x.TagLocal == y.TagLocal || x.TagPeer == y.TagPeer {
		t.Error("the fork shares a tag with what it was forked from")
	}
	// It has its own end.
	// And its pair is its own.
	moved(t, a, fork, Pair{Local: a.addr(1), Peer: b.addr(1)})
	if k := a.kernel.Get(ab); k.Locator != (Pair{Local: ab.Local, Peer: ab.Peer}) {
		t.Errorf("the pair of the default context is %v", k.Locator)
	}
	a.handle(Close{ULIDs: fork})
	a.inState(fork, Idle)
	a.inState(ab, Established)
}

// Two I1s cross, and each is answered by an R2.
func TestCrossing(t *testing.T) {
	shows.IDs(t, "5533-7.4-01 5533-7.9-08 5533-5.7-07 5533-7.10-03")
	n, a, b, ab, ba := pairOf(t)
	a.handle(Acquire{ab.Local, ab.Peer})
	b.handle(Acquire{ba.Local, ba.Peer})
	n.run()
	a.sends(wire.TypeI1, wire.TypeR2)
	b.sends(wire.TypeI1, wire.TypeR2)
	a.inState(ab, Established)
	b.inState(ba, Established)
	x, y := a.context(ab), b.context(ba)
	if x.TagPeer != y.TagLocal || y.TagPeer != x.TagLocal {
		t.Errorf("tags %+v and %+v", x, y)
	}
	if decode[*wire.R2](t, a.sent[1]).InitiatorNonce != decode[*wire.I1](t, b.sent[0]).InitiatorNonce {
		t.Error("the R2 does not have the nonce of the I1")
	}
	n.pass(time.Hour)
	a.sends(wire.TypeI1, wire.TypeR2)
}

// An I1 crosses an I2.
func TestCrossingI2(t *testing.T) {
	shows.IDs(t, "5533-7.4-02 5533-7.4-03 5533-7.10-02")
	f := in(t, I2Sent)
	// B has sent R1 and knows nothing of it.
	f.b.handle(Acquire{f.ba.Local, f.ba.Peer})
	f.n.run()
	f.a.sends(wire.TypeR2)
	f.a.inState(f.ab, I2Sent)
	f.b.inState(f.ba, Established)
	f.n.pass(6 * time.Second)
	f.a.inState(f.ab, Established)
	if x, y := f.a.context(f.ab), f.b.context(f.ba); x.TagPeer != y.TagLocal || y.TagPeer != x.TagLocal {
		t.Errorf("tags %+v and %+v", x, y)
	}
}

func TestNonceOfI2(t *testing.T) {
	shows.IDs(t, "5533-5.6-04 5533-7.11-08 5533-7.11-11")
	n, a, _, ab, _ := pairOf(t)
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	if decode[*wire.I1](t, a.sent[0]).InitiatorNonce != decode[*wire.I2](t, a.sent[1]).InitiatorNonce {
		t.Error("an R2 to the I1 that is late would be lost")
	}
	// And we take another one of a peer.
	f := in(t, Idle)
	m := f.i2()
	m.InitiatorNonce++
	f.fromB(m)
	f.a.inState(f.ab, Established)
}

func TestR1WithoutValidator(t *testing.T) {
	shows.IDs(t, "5533-7.11-12")
	f := in(t, I1Sent)
	f.fromB(&wire.R1{InitiatorNonce: f.nonce(), ResponderNonce: 5})
	f.fromB(&wire.R1{InitiatorNonce: f.nonce(), ResponderNonce: 5, Options: wire.Options{&wire.ResponderValidator{Validator: make([]byte, MaxValidator+1)}}})
	f.a.inState(f.ab, I1Sent)
	f.a.sends()
}

// R1 and R2 from another address than the one to which the request was sent are ignored.
func TestAnswerByOtherPair(t *testing.T) {
	shows.IDs(t, "5533-7.11-02 5533-7.11-10 5533-7.16-02 5533-12.4-04 5533-12.4-05")
	f := in(t, I1Sent)
	r1 := encode(t, &wire.R1{InitiatorNonce: f.nonce(), Options: wire.Options{validatorOption()}})
	r2 := encode(t, &wire.R2{ResponderContextTag: tagB, InitiatorNonce: f.nonce()})
	for _, m := range [][]byte{r1, r2} {
		f.a.handle(Control{Source: f.b.addr(1), Destination: f.ab.Local, Message: m})
		f.a.handle(Control{Source: f.ab.Peer, Destination: f.a.addr(1), Message: m})
	}
	f.a.inState(f.ab, I1Sent)
	f.a.sends()
}

// An I2 is only accepted from a locator of the peer.
func TestI2FromElsewhere(t *testing.T) {
	for _, x := range []struct {
		state   State
		ok      bool
		i2bis   bool
		withSet bool
		shows   string
	}{
		{state: I1Sent, shows: "5533-7.13-09"},
		{state: Established, shows: "5533-7.13-11"},
		{state: I2Sent},
		{state: I2bisSent},
		{state: I1Sent, i2bis: true, shows: "5533-7.20-09"},
		{state: Established, i2bis: true, shows: "5533-7.20-11"},
		{state: I1Sent, withSet: true, ok: true, shows: "5533-7.13-08"},
		{state: I2Sent, withSet: true, ok: true, shows: "5533-7.13-10"},
		{state: I1Sent, withSet: true, ok: true, i2bis: true, shows: "5533-7.20-09"},
		{state: I2bisSent, withSet: true, ok: true, i2bis: true, shows: "5533-7.20-10"},
	} {
		shows.IDs(t, x.shows)
		f := in(t, x.state)
		source := f.b.addr(1)
		if !x.withSet {
			source = netip.MustParseAddr("2001:db8:bad::1")
		}
		p := Pair{Local: f.ab.Local, Peer: source}
		v, now := f.a.e, f.n.now
		o := wire.Options{&wire.ULIDPair{Sender: f.ab.Peer, Receiver: f.ab.Local}}
		if x.withSet {
			o = append(o, f.b.e.ListOptions(f.ba)...)
		}
		var m wire.Message
		if x.i2bis {
			m = &wire.I2bis{InitiatorContextTag: tagB, ResponderNonce: v.ResponderNonce(now), PacketContextTag: 4,
				Options: append(o, &wire.ResponderValidator{Validator: v.R1bisValidator(now, v.ResponderNonce(now), p, 4)})}
		} else {
			m = &wire.I2{InitiatorContextTag: tagB, ResponderNonce: v.ResponderNonce(now),
				Options: append(o, &wire.ResponderValidator{Validator: v.R1Validator(now, v.ResponderNonce(now), p, tagB, f.ab)})}
		}
		before := f.context().TagPeer()
		f.a.handle(Control{Source: p.Peer, Destination: p.Local, Message: encode(t, m)})
		if x.ok {
			f.a.sends(wire.TypeR2)
			if got := f.context().TagPeer(); got != tagB {
				t.Errorf("%+v: CT(peer) is %v", x, got)
			}
			continue
		}
		f.a.sends()
		f.a.inState(f.ab, x.state)
		if f.context().TagPeer() != before {
			t.Errorf("%+v: CT(peer) has changed", x)
		}
	}
}

func TestI1FromElsewhere(t *testing.T) {
	shows.IDs(t, "5533-7.9-05")
	for _, x := range []struct {
		source func(f *fixture) netip.Addr
		want   wire.Type
	}{
		{func(f *fixture) netip.Addr { return netip.MustParseAddr("2001:db8:bad::1") }, wire.TypeR1},
		{func(f *fixture) netip.Addr { return f.b.addr(1) }, wire.TypeR2},
	} {
		f := in(t, Established)
		m := &wire.I1{InitiatorContextTag: f.tagPeer(), InitiatorNonce: nonceB, Options: wire.Options{&wire.ULIDPair{Sender: f.ab.Peer, Receiver: f.ab.Local}}}
		f.a.handle(Control{Source: x.source(f), Destination: f.ab.Local, Message: encode(t, m)})
		f.a.sends(x.want)
		f.a.inState(f.ab, Established)
	}
}
