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

// cgaPair are hosts whose second address is in no HBA set and needs a signature.
func cgaPair(t testing.TB) (n *network, a, b *host, ab ULIDs) {
	n = newNetwork(t)
	a = n.host("A", Config{}, append(hbaSetWithKey(t, 1, enginetest.Key(), 0xa1, 0xa2), plain(0xa3, 1))...)
	b = n.host("B", Config{}, cgaAddress(t, 2, enginetest.Key(), 0xb1), plain(0xb2, 1))
	return n, a, b, ULIDs{Local: a.addr(0), Peer: b.addr(0)}
}

func TestCGA(t *testing.T) {
	shows.IDs(t, "5533-5.6-11 5533-5.7-05 5533-2.2-02 5533-7.11-09 boeing-1.4-10")
	n, a, b, ab := cgaPair(t)
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	a.inState(ab, Established)
	b.inState(reverse(ab), Established)
	i2, r2 := decode[*wire.I2](t, a.sent[1]), decode[*wire.R2](t, b.sent[1])
	if i2.Options.CGASignature() == nil || r2.Options.CGASignature() == nil {
		t.Error("there is no signature")
	}
	var methods []wire.VerificationMethod
	for _, l := range b.context(reverse(ab)).PeerLocators {
		methods = append(methods, l.Method)
		if !l.Verified {
			t.Errorf("%v is not verified", l)
		}
	}
	if want := []wire.VerificationMethod{wire.MethodHBA, wire.MethodHBA, wire.MethodCGA}; !slices.Equal(methods, want) {
		t.Errorf("methods are %v, want %v", methods, want)
	}
}

// A changed signature, or somebody else's PDS, makes no context.
func TestNotProved(t *testing.T) {
	for _, x := range []struct {
		name  string
		bend  func(o *wire.Options)
		err   bool
		shows string
	}{
		{"signature", func(o *wire.Options) { o.CGASignature().Signature[9] ^= 1 }, true, "5533-7.2-06 5533-7.13-07 5533-7.13-08"},
		{"method that the PDS is not for", func(o *wire.Options) { o.LocatorList().Locators[1].Method = wire.MethodHBA }, true, "5533-7.2-05 5533-7.2-06"},
		{"unknown method", func(o *wire.Options) { o.LocatorList().Locators[1].Method = 9 }, true, "5533-7.2-05 5533-7.2-06"},
		{"locator that is none", func(o *wire.Options) {
			o.LocatorList().Locators[1].Address = netip.MustParseAddr("ff02::1")
		}, true, ""},
		{"PDS", func(o *wire.Options) { o.CGAParameterDataStructure().PDS[3] ^= 1 }, false, "5533-7.13-05"},
		{"no PDS", func(o *wire.Options) {
			*o = slices.DeleteFunc(*o, func(o wire.Option) bool { return o.Type() == wire.OptionCGAParameterDataStructure })
		}, true, "5533-5.6-08"},
	} {
		t.Run(x.name, func(t *testing.T) {
			shows.IDs(t, x.shows)
			n, a, b, ab := cgaPair(t)
			// B begins, for its second locator needs the signature.
			b.handle(Acquire{ab.Peer, ab.Local})
			bent := false
			n.drop = func(s Send) bool {
				if s.Type != wire.TypeI2 {
					return false
				}
				if bent {
					// The next one has another list.
					return true
				}
				bent = true
				m := decode[*wire.I2](t, s)
				x.bend(&m.Options)
				s.Message = encode(t, m)
				n.deliver(s)
				return true
			}
			n.run()
			a.inState(ab, Idle)
			b.inState(reverse(ab), I2Sent)
			if got := slices.Contains(a.types(), wire.TypeError); got != x.err {
				t.Errorf("Error message sent: %v, want %v", got, x.err)
			}
			if x.err {
				m := decode[*wire.ErrorMessage](t, a.sent[len(a.sent)-1])
				if m.Code != wire.CodeVerification {
					t.Errorf("code %v, want %v", m.Code, wire.CodeVerification)
				}
			}
		})
	}
}

// In an R2 and an I2bis, and in an I2 in states other than IDLE, too, the PDS must be that of
// the ULID, and the locators must be proved.
func TestNotProvedElsewhere(t *testing.T) {
	shows.IDs(t, "5533-7.13-12 5533-7.16-04 5533-7.16-06 5533-7.20-05 5533-7.20-08 5533-7.20-12 5533-7.2-01")
	for _, options := range []func(f *fixture) wire.Options{
		func(f *fixture) wire.Options {
			return wire.Options{&wire.CGAParameterDataStructure{PDS: f.a.e.PDS(f.ab)}}
		},
		func(f *fixture) wire.Options {
			list := &wire.LocatorList{Locators: append(slices.Clone(f.b.e.List(f.ba).Locators), wire.Locator{Address: addrIn(0xbad, 1), Method: wire.MethodHBA})}
			return wire.Options{list, &wire.CGAParameterDataStructure{PDS: f.b.e.PDS(f.ba)}}
		},
	} {
		for _, s := range []State{I1Sent, I2Sent, I2bisSent} {
			f := in(t, s)
			f.fromB(&wire.R2{ResponderContextTag: tagB, InitiatorNonce: f.nonce(), Options: options(f)})
			f.a.inState(f.ab, s)
		}
		for _, s := range []State{Idle, I1Sent, Established} {
			f := in(t, s)
			before := f.tagPeer()
			f.fromB(f.i2bis(options(f)...))
			f.a.inState(f.ab, s)
			if f.tagPeer() != before {
				t.Errorf("%v: it is in force", s)
			}
		}
		for _, s := range []State{I1Sent, I2Sent, Established, I2bisSent} {
			f := in(t, s)
			before := *f.a.context(f.ab)
			f.fromB(f.i2(options(f)...))
			f.a.inState(f.ab, s)
			if after := *f.a.context(f.ab); after.TagPeer != before.TagPeer || !reflect.DeepEqual(after.PeerLocators, before.PeerLocators) {
				t.Errorf("%v: Ls(peer) is %+v after an I2, before it %+v", s, after.PeerLocators, before.PeerLocators)
			}
		}
	}
}

// Each state keeps what the RFC says.
func TestStored(t *testing.T) {
	shows.IDs(t, "5533-6.1-05 5533-6.2-01 5533-6.2-02 5533-6.2-03")
	f := in(t, Idle)
	f.fromB(f.i1())
	if s := f.a.e.Size(); s != (Size{}) {
		t.Errorf("IDLE: %+v", s)
	}
	f = in(t, I1Sent)
	c := f.context()
	if c.TagLocal() == 0 || c.InitiatorNonce() == 0 || c.ExchangePair() != f.pair() || len(c.Told()) != 2 || c.HasTagPeer() || !c.Retransmits() {
		t.Errorf("I1-SENT: %+v", c)
	}
	f = in(t, I2Sent)
	c = f.context()
	if c.InitiatorNonce() == 0 || c.ResponderNonce() == 0 || len(c.Validator()) == 0 || c.HasTagPeer() || !c.Retransmits() {
		t.Errorf("I2-SENT: %+v", c)
	}
	f = in(t, Established)
	if c = f.context(); c.Validator() != nil || c.Retransmits() {
		t.Errorf("ESTABLISHED: %+v", c)
	}
	f.n.drop = func(Send) bool { return true }
	f.a.locate(f.a.locals[0])
	if there, runs := c.Updating(); !there || !runs || f.a.records[f.ab].Update == nil {
		t.Errorf("there is an Update Request: %v, its timer runs: %v", there, runs)
	}
}

// A new locator of ours is no source before the peer has acknowledged it. Meanwhile an old one
// still is.
func TestNewSource(t *testing.T) {
	shows.IDs(t, "5533-7.2-02")
	n := newNetwork(t)
	set := hbaSet(t, 1, 0xa1, 0xa2)
	a := n.host("A", Config{}, set[0])
	b := n.host("B", Config{}, hbaSet(t, 2, 0xb1)...)
	ab := ULIDs{Local: a.addr(0), Peer: b.addr(0)}
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	n.drop = func(s Send) bool { return s.Type == wire.TypeUpdateAcknowledgement }
	a.locate(set...)
	n.run()
	s, _ := a.e.Session(ab)
	fresh, old := Pair{Local: set[1].Address, Peer: ab.Peer}, Pair{Local: set[0].Address, Peer: ab.Peer}
	probe := func(p Pair) bool {
		return s.SendProbe(p, &wire.Probe{Sent: []wire.ProbeReport{{Source: p.Local, Destination: p.Peer}}})
	}
	if probe(fresh) || s.SetPair(fresh) || !probe(old) {
		t.Error("before the acknowledgement")
	}
	n.drop = nil
	n.pass(10 * time.Second)
	if !probe(fresh) || !s.SetPair(fresh) {
		t.Error("after the acknowledgement")
	}
}

// Preferences are by the place in the list, whatever is first in Ls(peer).
func TestPreferencesByIndex(t *testing.T) {
	shows.IDs(t, "5533-5.15.2-04")
	f := in(t, Idle)
	l := slices.Clone(f.b.e.List(f.ba).Locators)
	slices.Reverse(l)
	list := &wire.LocatorList{Generation: 3, Locators: l}
	p := &wire.LocatorPreferences{Generation: 3, ElementLen: 2, Elements: []wire.Preference{{Priority: 7}, {Priority: 8}}}
	f.fromB(f.i2(list, p, &wire.CGAParameterDataStructure{PDS: f.b.e.PDS(f.ba)}))
	got := f.a.context(f.ab).PeerLocators
	if len(got) != 2 || got[0].Address != f.ab.Peer || got[0].Priority != 8 || got[1].Priority != 7 {
		t.Errorf("Ls(peer) is %+v", got)
	}
}

func TestPreferences(t *testing.T) {
	shows.IDs(t, "5533-7.14-03 5533-5.6-09 5533-5.15.3-02 5533-6.1-02 5533-6.1-04")
	n := newNetwork(t)
	set := hbaSet(t, 1, 0xa1, 0xa2)
	set[1].Preference = wire.Preference{Flags: wire.FlagTransient, Priority: 3, Weight: 9}
	a := n.host("A", Config{}, set...)
	b := n.host("B", Config{}, hbaSet(t, 2, 0xb1, 0xb2)...)
	ab := ULIDs{Local: a.addr(0), Peer: b.addr(0)}
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	l := b.context(reverse(ab)).PeerLocators
	if l[0].Priority != 0 || l[1].Flags != wire.FlagTransient || l[1].Priority != 3 || l[1].Weight != 9 {
		t.Errorf("B knows %+v", l)
	}
	if decode[*wire.R2](t, b.sent[1]).Options.LocatorPreferences() != nil {
		t.Error("B has no preferences, and says so")
	}
}

// The Keepalive Timeout option is there if our Send Timeout is not the default, and
// the peer's kernel gets it.
func TestKeepaliveTimeout(t *testing.T) {
	shows.IDs(t, "5534-4.1-11 5534-5.3-04 5534-5.3-06 5534-5.3-07 boeing-1.4-07")
	n, a, b, ab, ba := pairOf(t, Config{SendTimeout: 20 * time.Second})
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	if o := decode[*wire.I2](t, a.sent[1]).Options.KeepaliveTimeout(); o == nil || o.Seconds != 20 {
		t.Errorf("the I2 has %v", o)
	}
	if o := decode[*wire.R2](t, b.sent[1]).Options.KeepaliveTimeout(); o != nil {
		t.Errorf("the R2 has %v", o)
	}
	if d := b.kernel.Get(ba).KeepaliveTimeout; d != 20*time.Second {
		t.Errorf("B's kernel has %v", d)
	}
	if d := a.kernel.Get(ab).KeepaliveTimeout; d != DefaultSendTimeout {
		t.Errorf("A's kernel has %v", d)
	}
	// Once is enough: a message without the option changes nothing.
	update := &wire.UpdateRequest{ReceiverContextTag: b.context(ba).TagLocal, RequestNonce: 9}
	b.forget()
	b.handle(Control{Source: ab.Local, Destination: ab.Peer, Message: encode(t, update)})
	b.sends(wire.TypeUpdateAcknowledgement)
	if d := b.kernel.Get(ba).KeepaliveTimeout; d != 20*time.Second {
		t.Errorf("then B's kernel has %v", d)
	}
	// The option is there, too, if our timeout is shorter. Part of a second is told as a whole
	// one.
	for sent, want := range map[time.Duration]uint16{10 * time.Second: 10, 14500 * time.Millisecond: 15, DefaultSendTimeout: 0, 15500 * time.Millisecond: 16} {
		n, a, _, ab, _ := pairOf(t, Config{SendTimeout: sent})
		a.handle(Acquire{ab.Local, ab.Peer})
		n.run()
		var got uint16
		if o := decode[*wire.I2](t, a.sent[1]).Options.KeepaliveTimeout(); o != nil {
			got = o.Seconds
		}
		if got != want {
			t.Errorf("with a Send Timeout of %v the I2 has %d", sent, got)
		}
	}
	// The other way round, with what changes in the kernel while the context is
	// being made: its pair and, after it, the locators.
	n, a, b, ab, ba = pairOf(t, Config{}, Config{SendTimeout: 30 * time.Second})
	n.drop = func(s Send) bool { return s.Type == wire.TypeI1 }
	a.handle(Acquire{ab.Local, ab.Peer})
	a.locate(a.locals[0])
	n.run()
	n.drop = nil
	b.handle(Acquire{ba.Local, ba.Peer})
	n.pass(20 * time.Second)
	if d := a.kernel.Get(ab).KeepaliveTimeout; d != 30*time.Second {
		t.Errorf("A's kernel has %v", d)
	}
	if l := b.context(ba).PeerLocators; len(l) != 1 {
		t.Errorf("B knows %v", l)
	}
}

// Peers are told only as many locators as fit in every message.
func TestManyLocators(t *testing.T) {
	shows.IDs(t, "5533-5.1-05 5533-5.1-06")
	n := newNetwork(t)
	var prefixes []int
	for i := range 60 {
		prefixes = append(prefixes, 0xa00+i)
	}
	a := n.host("A", Config{SendTimeout: 30 * time.Second}, hbaSet(t, 1, prefixes...)...)
	b := n.host("B", Config{}, hbaSet(t, 2, 0xb1)...)
	ab := ULIDs{Local: a.addr(0), Peer: b.addr(0), FII: 4}
	a.handle(Open{ULIDs: ab})
	n.run()
	a.inState(ab, Established)
	b.inState(reverse(ab), Established)
	b.handle(Close{ULIDs: reverse(ab)})
	b.handle(NoContext{Source: ab.Local, Destination: ab.Peer, Tag: a.context(ab).TagPeer})
	n.run()
	b.inState(reverse(ab), Established)
	if len(b.context(reverse(ab)).PeerLocators) < 10 {
		t.Errorf("only %d locators were told", len(b.context(reverse(ab)).PeerLocators))
	}
}

// A peer may name more locators than the kernel accepts.
func TestPeerNamesMany(t *testing.T) {
	f := in(t, Idle, Config{TrustedPrefixes: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}})
	list := &wire.LocatorList{Generation: 5}
	for i := range 50 {
		list.Locators = append(list.Locators, wire.Locator{Address: addrIn(0xb000+i/2, 1), Method: wire.MethodHBA})
	}
	list.Locators = append(list.Locators, wire.Locator{Address: f.ab.Peer, Method: wire.MethodHBA})
	f.fromB(f.i2(list))
	f.a.inState(f.ab, Established)
	c := f.a.context(f.ab)
	if len(c.PeerLocators) != 26 || c.PeerLocators[0].Address != f.ab.Peer || c.PeerLocators[0].Index != 50 {
		t.Errorf("%d locators, the first is %+v", len(c.PeerLocators), c.PeerLocators[0])
	}
}

// An I2 that arrives again, late, must not undo a later Update Request.
func TestI2AfterUpdate(t *testing.T) {
	for _, again := range []bool{true, false} {
		n, a, b, ab, ba := pairOf(t)
		var late Send
		n.drop = func(s Send) bool {
			if s.Type == wire.TypeI2 && late.Message == nil {
				late = s
				// Either it is another copy that comes late, or another I2.
				return !again
			}
			return false
		}
		a.handle(Acquire{ab.Local, ab.Peer})
		n.run()
		if !again {
			// The context comes about by I1s that cross.
			b.handle(Acquire{ba.Local, ba.Peer})
			n.pass(20 * time.Second)
			a.handle(Control{Source: ab.Peer, Destination: ab.Local, Message: encode(t, &wire.R2{ResponderContextTag: b.context(ba).TagLocal, InitiatorNonce: a.e.Find(ab).InitiatorNonce()})})
			n.run()
		}
		a.inState(ab, Established)
		b.inState(ba, Established)
		n.now += time.Second
		a.locate(a.locals[0])
		n.run()
		if l := b.context(ba).PeerLocators; len(l) != 1 {
			t.Fatalf("B knows %v", l)
		}
		n.deliver(late)
		if l := b.context(ba).PeerLocators; len(l) != 1 {
			t.Errorf("copy %v: B knows %v", again, l)
		}
	}
}

// The peer's I2 was on its way when the peer lost the context. It arrives after crossing I1s
// have made another context of the same names. So its tag is no longer valid.
func TestI2AfterR2(t *testing.T) {
	n, a, b, ab, ba := pairOf(t)
	var late Send
	n.drop = func(s Send) bool {
		if s.Type == wire.TypeI2 {
			late = s
			return true
		}
		return false
	}
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	a.handle(Close{ULIDs: ab})
	n.now += time.Second
	a.handle(Acquire{ab.Local, ab.Peer})
	b.handle(Acquire{ba.Local, ba.Peer})
	n.run()
	a.inState(ab, Established)
	b.inState(ba, Established)
	b.forget()
	n.deliver(late)
	b.sends()
	if got, want := b.context(ba).TagPeer, a.context(ab).TagLocal; got != want {
		t.Errorf("B takes %v for A's tag, which is %v", got, want)
	}
}

// An I2 in states other than IDLE brings a new CT(peer), which is checked for context
// confusion.
func TestConfusionByI2(t *testing.T) {
	shows.IDs(t, "5533-7.15-01 5533-7.13-13")
	for _, s := range []State{I1Sent, I2Sent, Established, I2bisSent} {
		r := &recorder{}
		f := in(t, s, Config{Explorer: r})
		other := ULIDs{Local: f.a.addr(1), Peer: f.ab.Peer}
		f.n.drop = func(Send) bool { return true }
		f.a.handle(Acquire{other.Local, other.Peer})
		f.a.handle(Control{Source: other.Peer, Destination: other.Local, Message: encode(t, &wire.R2{ResponderContextTag: tagB, InitiatorNonce: f.a.e.Find(other).InitiatorNonce()})})
		f.a.inState(other, Established)
		r.established = 0
		f.fromB(f.i2())
		f.a.inState(other, Idle)
		if want := s == I1Sent || s == Established; (r.established == 1) != want {
			t.Errorf("%v: the Explorer was told %d times", s, r.established)
		}
	}
}

// After a restart without Records we don't know what the peer was told. So an R2 has the whole
// list, with its proof, and an Update Request follows.
func TestR2AfterRestart(t *testing.T) {
	f := in(t, Established)
	f.a.restart(t, false, true)
	f.fromB(&wire.I1{InitiatorContextTag: f.tagPeer(), InitiatorNonce: nonceB})
	f.a.sends(wire.TypeR2, wire.TypeUpdateRequest)
	m := decode[*wire.R2](t, f.a.sent[0])
	if l := m.Options.LocatorList(); l == nil || len(l.Locators) != 2 || m.Options.CGAParameterDataStructure() == nil {
		t.Errorf("the R2 has %v", m.Options)
	}
	u := decode[*wire.UpdateRequest](t, f.a.sent[1])
	if l := u.Options.LocatorList(); l == nil || l.Generation != m.Options.LocatorList().Generation {
		t.Errorf("the update has %v", u.Options)
	}
	f.n.run()
	f.a.forget()
	f.fromB(&wire.I1{InitiatorContextTag: f.tagPeer(), InitiatorNonce: nonceB})
	f.a.sends(wire.TypeR2)
}

// While an Update Request is not acknowledged, an R2 tells the same locators: the peer may
// accept either of them.
func TestR2WhileUpdating(t *testing.T) {
	f := in(t, Established)
	f.n.drop = func(Send) bool { return true }
	f.a.locate(f.a.locals[0])
	f.fromB(&wire.I1{InitiatorContextTag: f.tagPeer(), InitiatorNonce: nonceB})
	if o := decode[*wire.R2](t, f.last()).Options; o.LocatorList() != nil {
		t.Errorf("the R2 has %v", o)
	}
	f.a.restart(t, true, true)
	f.fromB(&wire.I1{InitiatorContextTag: f.tagPeer(), InitiatorNonce: nonceB})
	if o := decode[*wire.R2](t, f.a.sent[0]).Options; o.LocatorList() != nil {
		t.Errorf("after the restart the R2 has %v", o)
	}
}

// A peer may sign for one of our own addresses. It is refused, and then says only what needs no signature.
func TestPeerNamesUs(t *testing.T) {
	n := newNetwork(t)
	a := n.host("A", Config{}, hbaSet(t, 1, 0xa1, 0xa2)...)
	b := n.host("B", Config{}, cgaAddress(t, 2, enginetest.Key(), 0xb1), LocalLocator{Address: a.addr(1)})
	ab := ULIDs{Local: a.addr(0), Peer: b.addr(0)}
	b.handle(Acquire{ab.Peer, ab.Local})
	n.run()
	a.sends(wire.TypeR1, wire.TypeError, wire.TypeR2)
	if l := a.context(ab).PeerLocators; len(l) != 1 || l[0].Address != ab.Peer {
		t.Errorf("the peer's locators are %v", l)
	}
}

// If there is no room for all locators beside a signature, peers are told as many as fit, and
// the signature is for these.
func TestManySigned(t *testing.T) {
	shows.IDs(t, "5533-5.1-05")
	n := newNetwork(t)
	set := []LocalLocator{cgaAddress(t, 1, enginetest.Key(), 0xa1)}
	for i := range 60 {
		set = append(set, plain(0xa100+i, 1))
	}
	a := n.host("A", Config{}, set...)
	b := n.host("B", Config{}, hbaSet(t, 2, 0xb1)...)
	ab := ULIDs{Local: a.addr(0), Peer: b.addr(0)}
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	a.inState(ab, Established)
	if l := b.context(reverse(ab)).PeerLocators; len(l) < 10 || len(l) > MaxLocators {
		t.Errorf("%d locators were told", len(l))
	}
}

// A translator changes addresses on the way: the PDS is not that of the ULID that the peer
// sees. So the peer accepts no I2, and does not say so. There is no context, and payload still
// goes by the ULIDs.
func TestTranslated(t *testing.T) {
	shows.IDs(t, "6629-7.7-01")
	n, a, b, ab, _ := throughTranslator(t)
	a.handle(Acquire{ab.Local, ab.Peer})
	n.pass(time.Hour)
	if r1, i2 := slices.Contains(b.types(), wire.TypeR1), slices.Contains(a.types(), wire.TypeI2); !r1 || !i2 {
		t.Errorf("A has sent %v, B %v", a.types(), b.types())
	}
	if slices.Contains(b.types(), wire.TypeR2) || slices.Contains(b.types(), wire.TypeError) || b.kernel.Len() != 0 {
		t.Errorf("B has sent %v, and has %d contexts", b.types(), b.kernel.Len())
	}
	if k := a.kernel.Get(ab); k != nil && (k.HasTagPeer || k.Locator != Pair{Local: ab.Local, Peer: ab.Peer}) {
		t.Errorf("A's kernel has %+v", k)
	}
}
