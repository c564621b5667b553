// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"slices"
	"testing"
	"time"

	. "shim6/daemon/internal/engine"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

func TestRecover(t *testing.T) {
	shows.IDs(t, "5533-7.5-01 5533-7.5-02 5533-5.8-05 5533-5.9-04 5533-5.9-05 5533-5.9-08 5533-7.17-03",
		"5533-7.18-04 5533-7.20-07 5533-12.4-07 5533-6.2-05 5533-C-01 5533-1.5-02 5533-7.18-08",
		"boeing-1.4-03")
	n, a, b, ab, ba := pairOf(t)
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	before := decode[*wire.I2](t, a.sent[1]).InitiatorNonce
	a.forget()
	old := *a.context(ab)
	b.handle(Close{ULIDs: ba})
	b.forget()
	b.handle(NoContext{Source: ab.Local, Destination: ab.Peer, Tag: old.TagPeer})
	if b.e.Size().Contexts != 0 {
		t.Error("the R1bis has made a context")
	}
	n.run()
	b.sends(wire.TypeR1bis, wire.TypeR2)
	a.sends(wire.TypeI2bis)
	r1bis, i2bis := decode[*wire.R1bis](t, b.sent[0]), decode[*wire.I2bis](t, a.sent[0])
	if r1bis.PacketContextTag != old.TagPeer || i2bis.PacketContextTag != old.TagPeer ||
		i2bis.ResponderNonce != r1bis.ResponderNonce || i2bis.InitiatorContextTag != old.TagLocal ||
		!slices.Equal(i2bis.Options.ResponderValidator().Validator, r1bis.Options.ResponderValidator().Validator) {
		t.Errorf("numbers are not copied: %+v, %+v", r1bis, i2bis)
	}
	if r2 := decode[*wire.R2](t, b.sent[1]); r2.InitiatorNonce != i2bis.InitiatorNonce || i2bis.InitiatorNonce == before {
		t.Errorf("the I2bis has nonce %d, the I2 had %d, and the R2 has %d", i2bis.InitiatorNonce, before, r2.InitiatorNonce)
	}
	if l := i2bis.Options.LocatorList(); l == nil || !slices.Equal(listed(l), addrs(a.locals)) || i2bis.Options.CGAParameterDataStructure() == nil {
		t.Errorf("the I2bis has locators %v", l)
	}
	a.inState(ab, Established)
	b.inState(ba, Established)
	x, y := a.context(ab), b.context(ba)
	if x.TagPeer != y.TagLocal || y.TagPeer != x.TagLocal || x.TagLocal != old.TagLocal {
		t.Errorf("tags %+v and %+v", x, y)
	}
	if y.TagLocal == old.TagPeer {
		t.Error("B has taken the tag of the packet again")
	}
}

// The Initiator Nonce of each I2bis is drawn at random.
func TestRecoverNonces(t *testing.T) {
	shows.IDs(t, "5533-5.9-04")
	const rounds = 400
	var ones [32]int
	f := in(t, Established)
	for range rounds {
		f.a.forget()
		f.fromB(&wire.R1bis{PacketContextTag: f.tagPeer(), ResponderNonce: 5, Options: wire.Options{validatorOption()}})
		f.a.sends(wire.TypeI2bis)
		m := decode[*wire.I2bis](t, f.last())
		for b := range ones {
			ones[b] += int(m.InitiatorNonce >> b & 1)
		}
		f.fromB(&wire.R2{ResponderContextTag: tagB, InitiatorNonce: m.InitiatorNonce})
		f.a.inState(f.ab, Established)
	}
	// Six standard deviations.
	for b, n := range ones {
		if n < rounds/2-60 || n > rounds/2+60 {
			t.Errorf("bit %d is 1 in %d of %d nonces", b, n, rounds)
		}
	}
}

// A new context never gets the Packet Context Tag, even if that is drawn.
func TestRecoverOtherTag(t *testing.T) {
	shows.IDs(t, "5533-7.20-07")
	f := in(t, Idle)
	m := f.i2bis()
	f.a.e.SetRandom(&same{[]uint64{99, 100}})
	f.fromB(m)
	if tag := f.tagLocal(); tag != 100 {
		t.Errorf("the tag is %v", tag)
	}
}

// The peer of a re-homed context has lost it, and the ULIDs don't work: the R1bis
// comes by the pair in use, or one that was probed.
func TestRecoverByOtherPair(t *testing.T) {
	shows.IDs(t, "5533-7.18-02 5533-7.18-05 5533-7.18-06 5533-7.18-07 5533-5.9-06 5533-5.9-07 5533-7.18-09",
		"5533-7.16-09 5533-12.4-06 5533-2.1-02 5533-7.20-02")
	n, a, b, ab, _ := establishedPair(t)
	ab.FII = 6
	a.handle(Open{ULIDs: ab})
	n.run()
	for _, pair := range []Pair{{Local: a.addr(1), Peer: b.addr(1)}, {Local: a.addr(0), Peer: b.addr(1)}} {
		moved(t, a, ab, Pair{Local: a.addr(1), Peer: b.addr(1)})
		b.handle(Close{ULIDs: reverse(ab)})
		a.forget()
		n.drop = func(s Send) bool {
			return (Pair{Local: s.Source, Peer: s.Destination}) != pair && (Pair{Local: s.Destination, Peer: s.Source}) != pair
		}
		b.handle(NoContext{Source: pair.Local, Destination: pair.Peer, Tag: a.context(ab).TagPeer})
		n.run()
		a.inState(ab, Established)
		b.inState(reverse(ab), Established)
		m := decode[*wire.I2bis](t, a.sent[0])
		if p := m.Options.ULIDPair(); p == nil || p.Sender != ab.Local || p.Receiver != ab.Peer || m.Options.FII() != 6 {
			t.Errorf("the I2bis has names %v, %d", p, m.Options.FII())
		}
		if k := a.kernel.Get(ab); k.Locator != (Pair{Local: a.addr(1), Peer: b.addr(1)}) {
			t.Errorf("A's pair is now %v", k.Locator)
		}
		// The host that has lost everything uses the pair that is known to work.
		if k := b.kernel.Get(reverse(ab)); k.Locator != (Pair{Local: pair.Peer, Peer: pair.Local}) {
			t.Errorf("B's pair is %v", k.Locator)
		}
	}
}

func TestR1bisOfNothing(t *testing.T) {
	shows.IDs(t, "5533-7.18-02 5533-12.4-06")
	f := in(t, Established)
	r := func(tag wire.ContextTag) []byte {
		return encode(t, &wire.R1bis{PacketContextTag: tag, Options: wire.Options{validatorOption()}})
	}
	for _, ev := range []Control{
		{Source: f.ab.Peer, Destination: f.ab.Local, Message: r(f.tagPeer() ^ 1)},
		{Source: addrIn(0xbad, 1), Destination: f.ab.Local, Message: r(f.tagPeer())},
		{Source: f.ab.Peer, Destination: addrIn(0xa1, 99), Message: r(f.tagPeer())},
		// Without a validator there is nothing to return.
		{Source: f.ab.Peer, Destination: f.ab.Local, Message: encode(t, &wire.R1bis{PacketContextTag: f.tagPeer()})},
	} {
		f.a.handle(ev)
	}
	f.a.inState(f.ab, Established)
	f.a.sends()
}

// Messages of types 64 to 127 with a tag that nobody has, or between locators that
// are not those of the context.
func TestR1bisDue(t *testing.T) {
	messages := map[string]func(tag wire.ContextTag) wire.Message{
		"Update Request": func(tag wire.ContextTag) wire.Message {
			return &wire.UpdateRequest{ReceiverContextTag: tag}
		},
		"Update Acknowledgement": func(tag wire.ContextTag) wire.Message {
			return &wire.UpdateAcknowledgement{ReceiverContextTag: tag}
		},
		"Keepalive": func(tag wire.ContextTag) wire.Message {
			return &wire.Keepalive{ReceiverContextTag: tag}
		},
		"Probe": func(tag wire.ContextTag) wire.Message {
			return &wire.Probe{ReceiverContextTag: tag, Sent: []wire.ProbeReport{{Source: addrIn(1, 1), Destination: addrIn(1, 2)}}}
		},
	}
	for name, m := range messages {
		t.Run(name, func(t *testing.T) {
			f := in(t, Established)
			shows.IDs(t, "5533-10.4-02 5533-10.5-02 5533-7.17-02")
			f.fromB(m(f.tagLocal() ^ 1))
			f.a.sends(wire.TypeR1bis)
			if r := decode[*wire.R1bis](t, f.last()); r.PacketContextTag != f.tagLocal()^1 {
				t.Errorf("the R1bis has tag %v", r.PacketContextTag)
			}
			f.a.forget()
			shows.IDs(t, "5533-10.4-03 5533-10.5-03 5533-12.4-09")
			f.a.handle(Control{Source: addrIn(0xbad, 1), Destination: f.ab.Local, Message: encode(t, m(f.tagLocal()))})
			f.a.handle(Control{Source: f.ab.Peer, Destination: addrIn(0xa1, 99), Message: encode(t, m(f.tagLocal()))})
			f.a.sends(wire.TypeR1bis, wire.TypeR1bis)
			f.a.forget()
			// Between locators that are, there is none.
			f.a.handle(Control{Source: f.b.addr(1), Destination: f.a.addr(1), Message: encode(t, m(f.tagLocal()))})
			if slices.Contains(f.a.types(), wire.TypeR1bis) {
				t.Error("R1bis for a context that is there")
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		shows.IDs(t, "5533-5.14-15 5533-7.17-02 5533-5.3-11")
		f := in(t, Idle)
		f.fromB(&wire.ErrorMessage{PacketInError: make([]byte, 64)})
		f.fromB(&wire.R1{InitiatorNonce: 1, Options: wire.Options{validatorOption()}})
		f.fromB(&wire.R2{ResponderContextTag: 5, InitiatorNonce: 1})
		f.fromB(&wire.I2{InitiatorContextTag: 5, Options: wire.Options{validatorOption()}})
		f.a.sends()
	})
	// An unknown type gets an Error message, since nobody knows where its tag is.
	t.Run("unknown type", func(t *testing.T) {
		shows.IDs(t, "5533-7.17-05 5533-12.3-04")
		f := in(t, Idle)
		b := encode(t, &wire.Keepalive{})
		b[2] = 100
		resum(b)
		f.a.handle(Control{Source: f.ab.Peer, Destination: f.ab.Local, Message: b})
		f.a.sends(wire.TypeError)
		if m := decode[*wire.ErrorMessage](t, f.last()); m.Code != wire.CodeUnknownType || m.Pointer != 42 {
			t.Errorf("code %v at %d", m.Code, m.Pointer)
		}
	})
}

// resum corrects the checksum of a message.
func resum(b []byte) {
	b[4], b[5] = 0, 0
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	b[4], b[5] = byte(^sum>>8), byte(^sum)
}

// The peer uses its tag for another context. The context that had it is discarded, but not
// before the peer has proved to be there.
func TestConfusion(t *testing.T) {
	shows.IDs(t, "5533-7.15-01 5533-7.15-02 5533-7.15-03 5533-7.15-04 5533-7.15-05 5533-7.6-02 5533-7.6-04",
		"5533-7.13-13 5533-7.14-01 5533-C-02 boeing-1.4-03")
	n, a, b, ab, ba := establishedPair(t)
	tag := a.context(ab).TagPeer
	b.handle(Close{ULIDs: ba})
	// B makes another context, of its other ULID, with the same tag.
	second := ULIDs{Local: b.addr(1), Peer: a.addr(0)}
	b.e.SetRandom(&same{[]uint64{uint64(tag), 0x1234567890, 0x3334567890}})
	a.forget()
	b.handle(Acquire{second.Local, second.Peer})
	if got := b.context(second).TagLocal; got != tag {
		t.Fatalf("B's tag is %v, and should be %v", got, tag)
	}
	n.drop = func(s Send) bool { return s.Type == wire.TypeI2 }
	n.run()
	a.inState(ab, Established)
	n.drop = nil
	n.pass(10 * time.Second)
	a.inState(ab, Idle)
	a.inState(reverse(second), Established)
	if a.e.Stats().Confusions != 1 {
		t.Errorf("%d confusions", a.e.Stats().Confusions)
	}
	// The kernel would refuse two of them: the deletion comes first.
	del := slices.IndexFunc(a.order, func(x Action) bool { _, ok := x.(ContextDel); return ok })
	est := slices.IndexFunc(a.order, func(x Action) bool { c, ok := x.(ContextNew); return ok && c.Context.ULIDs == reverse(second) })
	if del < 0 || est < 0 || del > est {
		t.Errorf("deletion is action %d, the new context %d", del, est)
	}
}

// As TestConfusion, but an R2 or an Update Request shows the confusion.
func TestConfusionByR2(t *testing.T) {
	shows.IDs(t, "5533-7.16-08 5533-7.15-01")
	f := in(t, Established)
	other := ULIDs{Local: f.a.addr(1), Peer: f.ab.Peer}
	f.n.drop = func(Send) bool { return true }
	f.a.handle(Acquire{other.Local, other.Peer})
	c := f.a.e.Find(other)
	f.a.handle(Control{Source: other.Peer, Destination: other.Local, Message: encode(t, &wire.R2{ResponderContextTag: f.tagPeer(), InitiatorNonce: c.InitiatorNonce()})})
	f.a.inState(other, Established)
	f.a.inState(f.ab, Idle)
}

// Contexts of different peers may have the same CT(peer), and so may a context that is made
// again.
func TestNoConfusion(t *testing.T) {
	shows.IDs(t, "5533-7.15-02 5533-7.15-06")
	f := in(t, Established)
	f.fromB(f.i2())
	f.fromB(f.i2())
	f.a.inState(f.ab, Established)
	third := addrIn(0xc1, 1)
	u := ULIDs{Local: f.ab.Local, Peer: third}
	f.a.handle(Acquire{u.Local, u.Peer})
	c := f.a.e.Find(u)
	f.a.handle(Control{Source: third, Destination: u.Local, Message: encode(t, &wire.R2{ResponderContextTag: tagB, InitiatorNonce: c.InitiatorNonce()})})
	f.a.inState(u, Established)
	f.a.inState(f.ab, Established)
	if f.a.e.Stats().Confusions != 0 {
		t.Error("there is no confusion here")
	}
}

// The host that has lost everything begins itself, by I1.
func TestRecoverByI1(t *testing.T) {
	shows.IDs(t, "5533-7.5-03 5533-7.9-07")
	n, a, b, ab, ba := establishedPair(t)
	tag := b.context(ba).TagLocal
	b.handle(Close{ULIDs: ba})
	b.handle(Acquire{ba.Local, ba.Peer})
	n.run()
	a.sends(wire.TypeR1, wire.TypeR2)
	x, y := a.context(ab), b.context(ba)
	if x.TagPeer == tag || x.TagPeer != y.TagLocal || y.TagPeer != x.TagLocal {
		t.Errorf("tags %+v and %+v", x, y)
	}
	for _, c := range a.changes {
		t.Errorf("A's state has changed: %v", c)
	}
}
