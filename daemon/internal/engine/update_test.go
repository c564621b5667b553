// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	. "shim6/daemon/internal/engine"
	"shim6/daemon/internal/engine/enginetest"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// locate gives h other addresses.
func (h *host) locate(l ...LocalLocator) {
	h.t.Helper()
	h.locals = l
	h.handle(Locators{Local: l})
}

func broken(l LocalLocator) LocalLocator {
	l.Preference.Flags |= wire.FlagBroken
	return l
}

func TestUpdate(t *testing.T) {
	shows.IDs(t, "5533-10-01 5533-10-02 5533-10.1-01 5533-10.1-02 5533-10.1-04 5533-10.1-05 5533-5.10-04",
		"5533-5.10-05 5533-5.10-06 5533-5.11-04 5533-10.4-05 5533-10.4-10 5533-10.4-14 5533-10.5-04",
		"5533-10.5-09 5533-1.5-03 5533-4-04 5533-5.11-05 5533-5.15.2-05 boeing-1.4-06")
	n, a, b, ab, ba := establishedPair(t)
	set := a.locals
	before := a.context(ab).LocalGeneration
	a.locate(set[0])
	n.run()
	a.sends(wire.TypeUpdateRequest)
	b.sends(wire.TypeUpdateAcknowledgement)
	m := decode[*wire.UpdateRequest](t, a.sent[0])
	ack := decode[*wire.UpdateAcknowledgement](t, b.sent[0])
	x, y := a.context(ab), b.context(ba)
	if m.ReceiverContextTag != x.TagPeer || ack.ReceiverContextTag != y.TagPeer || ack.RequestNonce != m.RequestNonce {
		t.Errorf("tags or nonces: %+v, %+v", m, ack)
	}
	l := m.Options.LocatorList()
	if l == nil || l.Generation == before || l.Generation != x.LocalGeneration || l.Generation != y.PeerGeneration || m.Options.CGAParameterDataStructure() == nil {
		t.Errorf("list %v, generations %v, %v, %v", l, before, x.LocalGeneration, y.PeerGeneration)
	}
	if m.Options.LocatorPreferences() != nil {
		t.Error("preferences are told, and all are equal")
	}
	if len(y.PeerLocators) != 1 || x.Updating {
		t.Errorf("B knows %v; A is updating: %v", y.PeerLocators, x.Updating)
	}
	// The address comes back: a member of the HBA set is verified again.
	a.locate(set...)
	n.run()
	if y := b.context(ba); len(y.PeerLocators) != 2 || !y.PeerLocators[1].Verified || y.PeerLocators[1].Probed {
		t.Errorf("B knows %v", y.PeerLocators)
	}
	if m2 := decode[*wire.UpdateRequest](t, a.sent[1]); m2.RequestNonce == m.RequestNonce {
		t.Error("the nonce is that of another update")
	}
	n.pass(time.Hour)
	if len(a.sent) != 2 {
		t.Errorf("A has sent %v", a.types())
	}
}

// The generations of lists are random in every bit, and don't depend on the one before.
func TestUpdateGenerations(t *testing.T) {
	shows.IDs(t, "5533-10.1-02")
	n, a, b, ab, ba := establishedPair(t)
	set := a.locals
	const updates = 400
	var ones, changes [32]int
	last := a.context(ab).LocalGeneration
	for i := range updates {
		if a.forget(); i%2 == 0 {
			a.locate(set[0])
		} else {
			a.locate(set...)
		}
		n.run()
		g := decode[*wire.UpdateRequest](t, a.sent[0]).Options.LocatorList().Generation
		if x, y := a.context(ab), b.context(ba); x.LocalGeneration != g || y.PeerGeneration != g {
			t.Fatalf("the list has generation %d, A has %d and B %d", g, x.LocalGeneration, y.PeerGeneration)
		}
		for b := range ones {
			ones[b] += int(g >> b & 1)
			changes[b] += int((g ^ last) >> b & 1)
		}
		last = g
	}
	// Of 64 numbers with a standard deviation of 10.
	for b := range ones {
		if m, n := ones[b], changes[b]; min(m, n) < updates/2-60 || max(m, n) > updates/2+60 {
			t.Errorf("bit %d is 1 in %d of %d generations, and not as before in %d", b, m, updates, n)
		}
	}
}

// A locator outside of the HBA set needs a signature.
func TestUpdateSigned(t *testing.T) {
	shows.IDs(t, "5533-10.1-05 5533-5.10-07 5533-10-01")
	n := newNetwork(t)
	set := hbaSetWithKey(t, 1, enginetest.Key(), 0xa1, 0xa2)
	a := n.host("A", Config{}, set...)
	b := n.host("B", Config{}, hbaSet(t, 2, 0xb1)...)
	ab := ULIDs{Local: a.addr(0), Peer: b.addr(0)}
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	a.forget()
	a.locate(append(slices.Clone(set), plain(0xa9, 1))...)
	n.run()
	if decode[*wire.UpdateRequest](t, a.sent[0]).Options.CGASignature() == nil {
		t.Error("there is no signature")
	}
	if l := b.context(reverse(ab)).PeerLocators; len(l) != 3 {
		t.Errorf("B knows %v", l)
	}
	// The generation that was signed stays while the locators do.
	a.locate(broken(set[0]), set[1], plain(0xa9, 1))
	n.run()
	if m := decode[*wire.UpdateRequest](t, a.sent[len(a.sent)-1]); m.Options.LocatorList() != nil {
		t.Error("the list is told again")
	}
}

// Only the preferences change.
func TestUpdatePreferences(t *testing.T) {
	shows.IDs(t, "5533-10-01 5533-10.1-01 5533-10.1-03 5533-10.4-13 5533-5.15.3-02 5533-4-04")
	n, a, b, ab, ba := establishedPair(t)
	set := a.locals
	a.locate(set[0], broken(set[1]))
	n.run()
	m := decode[*wire.UpdateRequest](t, a.sent[0])
	if m.Options.LocatorList() != nil || m.Options.LocatorPreferences() == nil || m.Options.LocatorPreferences().Generation != a.context(ab).LocalGeneration {
		t.Errorf("the update has %v", m.Options)
	}
	if l := b.context(ba).PeerLocators; l[1].Flags != wire.FlagBroken || l[0].Flags != 0 {
		t.Errorf("B knows %v", l)
	}
	// The peer must also be told that it works again.
	a.locate(set...)
	n.run()
	if l := b.context(ba).PeerLocators; l[1].Flags != 0 {
		t.Errorf("B knows %v", l)
	}
}

func TestUpdateSchedule(t *testing.T) {
	shows.IDs(t, "5533-10.2-01 5533-10.2-02 5533-10.2-03 5533-10.2-04 5533-10.1-04 5533-14-10 5533-14-11",
		"5533-14-12")
	f := in(t, Established)
	f.n.drop = func(Send) bool { return true }
	f.a.locate(f.a.locals[0])
	f.n.run()
	first := decode[*wire.UpdateRequest](t, f.last())
	_, pauses := waits(t, f, 2*time.Hour)
	if len(pauses) < 40 {
		t.Fatalf("only %d retransmissions", len(pauses))
	}
	nominal := []time.Duration{4 * s, 8 * s, 16 * s, 32 * s, 64 * s}
	within(t, pauses[:5], nominal)
	for _, p := range pauses[5:] {
		if p < 60*s || p > 180*s {
			t.Errorf("a pause of %v", p)
		}
	}
	if m := decode[*wire.UpdateRequest](t, f.last()); m.RequestNonce != first.RequestNonce {
		t.Error("the nonce of a retransmission differs")
	}
	// Only the end of the context ends it.
	f.a.handle(Expire{ULIDs: f.ab, Tag: f.tagLocal(), Idle: MinIdleTimeout})
	if n := f.a.e.Size().Timers; n != 0 {
		t.Errorf("%d timers are left", n)
	}
}

func TestUpdateSuperseded(t *testing.T) {
	shows.IDs(t, "5533-10.1-01 5533-10.3-01 5533-10.3-02 5533-10.3-03 5533-10.5-08")
	n, a, b, ab, ba := establishedPair(t)
	set := a.locals
	n.drop = func(s Send) bool { return true }
	a.locate(set[0])
	a.locate(broken(set[0]))
	n.run()
	a.sends(wire.TypeUpdateRequest, wire.TypeUpdateRequest)
	x, y := decode[*wire.UpdateRequest](t, a.sent[0]), decode[*wire.UpdateRequest](t, a.sent[1])
	if x.RequestNonce == y.RequestNonce {
		t.Error("the nonce is the same")
	}
	// The second request also has what was not acknowledged.
	if y.Options.LocatorList() == nil || y.Options.LocatorPreferences() == nil {
		t.Errorf("the second has %v", y.Options)
	}
	// Only the second is repeated.
	n.pass(10 * time.Second)
	for _, s := range a.sent[2:] {
		if m := decode[*wire.UpdateRequest](t, s); m.RequestNonce != y.RequestNonce {
			t.Error("the first update is repeated")
		}
	}
	// An acknowledgement of the first ends nothing.
	a.handle(Control{Source: ab.Peer, Destination: ab.Local, Message: encode(t, &wire.UpdateAcknowledgement{ReceiverContextTag: a.context(ab).TagLocal, RequestNonce: x.RequestNonce})})
	if !a.context(ab).Updating {
		t.Error("the update has ended")
	}
	n.drop = nil
	n.pass(time.Minute)
	if a.context(ab).Updating || len(b.context(ba).PeerLocators) != 1 {
		t.Errorf("A is updating: %v, B knows %v", a.context(ab).Updating, b.context(ba).PeerLocators)
	}
}

// The first request arrives late, after the second. So A must repeat the second.
func TestUpdateOvertaken(t *testing.T) {
	n, a, b, _, ba := establishedPair(t)
	set := a.locals
	n.drop = func(s Send) bool { return true }
	a.locate(set[0])
	n.run()
	late := a.sent[0]
	n.drop = nil
	a.locate(set...)
	n.run()
	n.deliver(late)
	if l := b.context(ba).PeerLocators; len(l) != 1 {
		t.Fatalf("B knows %v", l)
	}
	n.pass(time.Minute)
	if l := b.context(ba).PeerLocators; len(l) != 2 {
		t.Errorf("B knows %v", l)
	}
}

func TestUpdateTwice(t *testing.T) {
	shows.IDs(t, "5533-10.4-18 5533-10.3-03")
	n, a, b, _, ba := establishedPair(t)
	set := a.locals
	a.locate(set[0])
	n.run()
	first := a.sent[0]
	n.deliver(first)
	n.run()
	b.sends(wire.TypeUpdateAcknowledgement, wire.TypeUpdateAcknowledgement)
	if x, y := decode[*wire.UpdateAcknowledgement](t, b.sent[0]), decode[*wire.UpdateAcknowledgement](t, b.sent[1]); x.RequestNonce != y.RequestNonce {
		t.Error("acknowledgements differ")
	}
	a.locate(set...)
	n.run()
	// The one before may not come back.
	n.deliver(first)
	n.run()
	if l := b.context(ba).PeerLocators; len(l) != 2 {
		t.Errorf("B knows %v", l)
	}
}

func TestUpdateInI1Sent(t *testing.T) {
	shows.IDs(t, "5533-10.4-06")
	f := in(t, I1Sent)
	f.fromB(&wire.UpdateRequest{ReceiverContextTag: f.tagLocal(), RequestNonce: 1})
	shows.IDs(t, "5533-10.5-05")
	f.fromB(&wire.UpdateAcknowledgement{ReceiverContextTag: f.tagLocal(), RequestNonce: 1})
	f.a.sends()
	f.a.inState(f.ab, I1Sent)
}

// An I2 is sent, but the Update Request is not processed: see 5533-10.4-07 in
// tools/conformance/reasons.tsv.
func TestUpdateInI2Sent(t *testing.T) {
	shows.IDs(t, "5533-10.4-17 5533-10.5-06 5533-10.5-10")
	f := in(t, I2Sent)
	f.fromB(&wire.UpdateRequest{ReceiverContextTag: f.tagLocal(), RequestNonce: 1})
	f.a.sends(wire.TypeI2)
	f.a.inState(f.ab, I2Sent)
	f = in(t, I2Sent)
	f.fromB(&wire.UpdateAcknowledgement{ReceiverContextTag: f.tagLocal(), RequestNonce: 1})
	f.a.sends(wire.TypeI2)
}

// In I2BIS-SENT it is processed. It is acknowledged only after the exchange, since that may
// bring an older list.
func TestUpdateInI2bisSent(t *testing.T) {
	shows.IDs(t, "5533-10.4-08 5533-10.5-07 5533-10.5-10")
	f := in(t, I2bisSent)
	list := &wire.LocatorList{Generation: 77, Locators: []wire.Locator{{Address: f.ab.Peer, Method: wire.MethodHBA}}}
	m := &wire.UpdateRequest{ReceiverContextTag: f.tagLocal(), RequestNonce: 1, Options: wire.Options{list}}
	f.fromB(m)
	f.a.sends(wire.TypeI2bis)
	if c := f.a.context(f.ab); c.PeerGeneration != 77 || len(c.PeerLocators) != 1 {
		t.Errorf("it was not processed: %+v", c)
	}
	f.a.forget()
	f.fromB(&wire.R2{ResponderContextTag: tagB, InitiatorNonce: f.nonce()})
	f.fromB(m)
	f.a.sends(wire.TypeUpdateAcknowledgement)

	f = in(t, I2bisSent)
	f.fromB(&wire.UpdateAcknowledgement{ReceiverContextTag: f.tagLocal(), RequestNonce: 1})
	f.a.sends(wire.TypeI2bis)
}

// A faulty Update Request is answered by an Error message, and nothing in it comes into force.
func TestUpdateRefused(t *testing.T) {
	hba := func(f *fixture) *wire.LocatorList { return f.b.e.List(f.ba) }
	pds := func(f *fixture) wire.Option {
		return &wire.CGAParameterDataStructure{PDS: f.b.e.PDS(f.ba)}
	}
	for _, x := range []struct {
		name    string
		options func(f *fixture) wire.Options
		code    wire.ErrorCode
		pointer uint16
		shows   string
	}{
		// The Pointer counts from the IPv6 header: 40 octets of it, 16 of
		// the message, and within the options.
		{"locator not proved", func(f *fixture) wire.Options {
			l := &wire.LocatorList{Generation: 8, Locators: append(slices.Clone(hba(f).Locators), wire.Locator{Address: addrIn(0xbad, 1), Method: wire.MethodHBA})}
			return wire.Options{l, pds(f)}
		}, wire.CodeVerification, 40 + 16 + 9 + 2, "5533-10.4-09 5533-7.2-05 5533-7.2-06"},
		{"no signature", func(f *fixture) wire.Options {
			l := &wire.LocatorList{Generation: 8, Locators: []wire.Locator{{Address: addrIn(0xbad, 1), Method: wire.MethodCGA}}}
			return wire.Options{l}
		}, wire.CodeVerification, 40 + 16 + 9, "5533-10.4-09"},
		{"generation", func(f *fixture) wire.Options {
			return wire.Options{&wire.LocatorPreferences{Generation: hba(f).Generation + 1, ElementLen: 1, Elements: make([]wire.Preference, 2)}}
		}, wire.CodeGeneration, 40 + 16 + 4, "5533-10.4-11"},
		{"count", func(f *fixture) wire.Options {
			return wire.Options{&wire.LocatorPreferences{Generation: hba(f).Generation, ElementLen: 1, Elements: make([]wire.Preference, 3)}}
		}, wire.CodeLocatorCount, 40 + 16 + 2, "5533-10.4-12"},
		{"no whole number of elements", func(f *fixture) wire.Options {
			return wire.Options{&wire.LocatorPreferences{Generation: hba(f).Generation, ElementLen: 2, Malformed: true, Raw: make([]byte, 3)}}
		}, wire.CodeLocatorCount, 40 + 16 + 2, "5533-10.4-12"},
		// An empty list has no preferences, and so none of length 0.
		{"empty list, element length 0", func(f *fixture) wire.Options {
			l := &wire.LocatorList{Generation: 8}
			return wire.Options{l, &wire.LocatorPreferences{Generation: 8, Malformed: true, Raw: []byte{0}}}
		}, wire.CodeLocatorCount, 40 + 16 + 16 + 2, "5533-10.4-16"},
		{"good list, generation", func(f *fixture) wire.Options {
			l := &wire.LocatorList{Generation: 8, Locators: hba(f).Locators[:1]}
			return wire.Options{l, &wire.LocatorPreferences{Generation: 9, ElementLen: 1, Elements: make([]wire.Preference, 1)}}
		}, wire.CodeGeneration, 40 + 16 + 32 + 4, "5533-10.4-16"},
		{"good list, count", func(f *fixture) wire.Options {
			l := &wire.LocatorList{Generation: 8, Locators: hba(f).Locators[:1]}
			return wire.Options{l, &wire.LocatorPreferences{Generation: 8, ElementLen: 1, Elements: make([]wire.Preference, 2)}}
		}, wire.CodeLocatorCount, 40 + 16 + 32 + 2, "5533-10.4-16"},
	} {
		t.Run(x.name, func(t *testing.T) {
			shows.IDs(t, x.shows)
			f := in(t, Established)
			before := *f.a.context(f.ab)
			f.fromB(&wire.UpdateRequest{ReceiverContextTag: f.tagLocal(), RequestNonce: 3, Options: x.options(f)})
			f.a.sends(wire.TypeError)
			m := decode[*wire.ErrorMessage](t, f.last())
			if m.Code != x.code || m.Pointer != x.pointer {
				t.Errorf("code %v at %d, want %v at %d", m.Code, m.Pointer, x.code, x.pointer)
			}
			after := *f.a.context(f.ab)
			if after.PeerGeneration != before.PeerGeneration || !slices.Equal(after.PeerLocators, before.PeerLocators) {
				t.Errorf("some of it is in force: %+v", after)
			}
		})
	}
	// Somebody else's PDS: no answer.
	t.Run("PDS", func(t *testing.T) {
		shows.IDs(t, "5533-10.4-04")
		f := in(t, Established)
		o := wire.Options{&wire.CGAParameterDataStructure{PDS: f.a.e.PDS(f.ab)}}
		f.fromB(&wire.UpdateRequest{ReceiverContextTag: f.tagLocal(), RequestNonce: 3, Options: o})
		f.a.sends()
	})
	// HBA members without the PDS, which the peer has sent before.
	t.Run("PDS of before", func(t *testing.T) {
		shows.IDs(t, "5533-10-02")
		f := in(t, Established)
		f.fromB(&wire.UpdateRequest{ReceiverContextTag: f.tagLocal(), RequestNonce: 3, Options: wire.Options{hba(f)}})
		f.a.sends(wire.TypeUpdateAcknowledgement)
	})
}

// Checks of RFC 5533, section 12.3: a message that is too short, or changed, gets no answer.
func TestTooShort(t *testing.T) {
	shows.IDs(t, "5533-7.9-01 5533-7.11-01 5533-7.13-01 5533-7.16-01 5533-7.18-01 5533-7.20-01 5533-10.4-01",
		"5533-10.5-01")
	f := in(t, Established)
	least := map[wire.Type]byte{
		wire.TypeI1: 1, wire.TypeR1: 1, wire.TypeI2: 2, wire.TypeR2: 1, wire.TypeR1bis: 1, wire.TypeI2bis: 3,
		wire.TypeUpdateRequest: 1, wire.TypeUpdateAcknowledgement: 1,
	}
	for typ, n := range least {
		b := make([]byte, int(n)*8)
		b[0], b[1], b[2] = wire.NoNextHeader, n-1, byte(typ)
		resum(b)
		f.a.handle(Control{Source: f.ab.Peer, Destination: f.ab.Local, Message: b})
		// The whole message, with a wrong checksum.
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
		b[1] = n
		resum(b)
		b[5] ^= 1
		f.a.handle(Control{Source: f.ab.Peer, Destination: f.ab.Local, Message: b})
		resum(b)
		f.a.handle(Control{Source: netip.MustParseAddr("ff02::1"), Destination: f.ab.Local, Message: b})
	}
	f.a.sends()
	if got := f.a.e.Stats().Malformed; got != uint64(3*len(least)) {
		t.Errorf("%d were discarded, want %d", got, 3*len(least))
	}
}

// The peer drops the locator in use. It stays in use until there is another one.
func TestUpdateDropsCurrent(t *testing.T) {
	shows.IDs(t, "5533-10.4-19")
	hints := &recorder{}
	n := newNetwork(t)
	a := n.host("A", Config{Explorer: hints}, hbaSet(t, 1, 0xa1, 0xa2)...)
	b := n.host("B", Config{}, hbaSet(t, 2, 0xb1, 0xb2, 0xb3)...)
	ab := ULIDs{Local: a.addr(0), Peer: b.addr(0)}
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	moved(t, a, ab, Pair{Local: a.addr(0), Peer: b.addr(1)})
	hints.hints = nil
	dropped := b.addr(1)
	b.locate(b.locals[0], b.locals[2])
	n.run()
	l := a.e.Find(ab).PeerLocator(dropped)
	if l == nil || !l.Dropped || a.kernel.Get(ab).Locator.Peer != dropped || len(hints.hints) == 0 {
		t.Fatalf("locator %+v, pair %v, hints %v", l, a.kernel.Get(ab).Locator, hints.hints)
	}
	s, _ := a.e.Session(ab)
	if s.SendProbe(Pair{Local: a.addr(1), Peer: dropped}, &wire.Probe{Sent: make([]wire.ProbeReport, 1)}) {
		t.Error("it can be chosen again")
	}
	moved(t, a, ab, Pair{Local: a.addr(0), Peer: b.addr(1)})
	if a.e.Find(ab).PeerLocator(dropped) != nil || slices.Contains(a.kernel.Get(ab).LocatorsPeer, dropped) {
		t.Error("it is still known")
	}
}

// recorder is an Explorer that only notes its calls.
type recorder struct {
	NoExplorer
	hints       []string
	reaps       []ReapKind
	probes      int
	established int
	gone        int
}

func (r *recorder) Established(*Session)              { r.established++ }
func (r *recorder) Reap(_ *Session, k ReapKind)       { r.reaps = append(r.reaps, k) }
func (r *recorder) Probe(*Session, Pair, *wire.Probe) { r.probes++ }
func (r *recorder) Hint(_ *Session, kind HintKind, why string) {
	if kind != HintChanged {
		r.hints = append(r.hints, why)
	}
}
func (r *recorder) Gone(*Session) { r.gone++ }

// Our own address goes while it is in use. The Update Request leaves from another one that the
// peer knows.
func TestUpdateWithoutCurrent(t *testing.T) {
	shows.IDs(t, "5533-1.5-03")
	n, a, b, ab, ba := establishedPair(t)
	set := a.locals
	moved(t, a, ab, Pair{Local: a.addr(1), Peer: b.addr(0)})
	a.forget()
	a.locate(set[0])
	n.run()
	if s := a.sent[0]; s.Source != set[0].Address {
		t.Errorf("the update leaves from %v", s.Source)
	}
	if l := b.context(ba).PeerLocators; len(l) != 1 {
		t.Errorf("B knows %v", l)
	}
}

// Very many peers are told one batch after another.
func TestUpdatePaced(t *testing.T) {
	n := newNetwork(t)
	n.drop = func(Send) bool { return true }
	a := n.host("A", Config{MaxPeerContexts: 10000, MaxPrefixContexts: 10000}, hbaSet(t, 1, 0xa1, 0xa2)...)
	for i := range 1000 {
		u := ULIDs{Local: a.addr(0), Peer: addrIn(0xb1, i+1)}
		a.handle(Acquire{u.Local, u.Peer})
		a.handle(Control{Source: u.Peer, Destination: u.Local, Message: encode(t, &wire.R2{ResponderContextTag: wire.ContextTag(i + 1), InitiatorNonce: a.e.Find(u).InitiatorNonce()})})
	}
	a.forget()
	a.locate(a.locals[0])
	if len(a.sent) != TellAtOnce {
		t.Errorf("%d are told at once", len(a.sent))
	}
	n.pass(3 * TellPause)
	if len(a.sent) != 1000 {
		t.Errorf("%d were told", len(a.sent))
	}
}

func TestRefresh(t *testing.T) {
	n, a, _, ab, _ := establishedPair(t)
	a.handle(Refresh{ID: 4, ULIDs: ab})
	n.run()
	a.sends(wire.TypeUpdateRequest)
	if len(a.done) != 1 || a.done[0] != (Done{ID: 4, ULIDs: ab}) || decode[*wire.UpdateRequest](t, a.sent[0]).Options.LocatorList() == nil {
		t.Errorf("done %v", a.done)
	}
	a.handle(Refresh{ID: 5, ULIDs: reverse(ab)})
	if a.done[1].Err == nil {
		t.Error("there is no such context")
	}
}
