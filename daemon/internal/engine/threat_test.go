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

// evil is the address of an attacker, in no trusted prefix.
var evil = netip.MustParseAddr("3fff:bad::1")

// harmless fails if A sends the attacker anything except the answers that everybody gets, or
// has the attacker among its locators.
func (f *fixture) harmless() {
	f.t.Helper()
	for _, s := range f.a.sent {
		if s.Destination == evil && s.Type != wire.TypeR1 && s.Type != wire.TypeR1bis && s.Type != wire.TypeError {
			f.t.Errorf("A sends a %v to the attacker", s.Type)
		}
	}
	for _, u := range f.a.kernel.Order() {
		if k := f.a.kernel.Get(u); k.Locator.Peer == evil || slices.Contains(k.LocatorsPeer, evil) || u.Peer == evil {
			f.t.Errorf("the kernel has the attacker in %+v", k)
		}
	}
}

// Redirection while packets flow (RFC 4218, section 4.1.1): an Update Request whose
// tag is right, with a locator that isn't bound to the ULID.
func TestThreatRedirect(t *testing.T) {
	shows.IDs(t, "5533-10.4-09")
	f := in(t, Established)
	for _, method := range []wire.VerificationMethod{wire.MethodHBA, wire.MethodCGA} {
		list := &wire.LocatorList{Generation: 1, Locators: []wire.Locator{{Address: evil, Method: method}}}
		for _, o := range []wire.Options{
			{list},
			{list, &wire.CGAParameterDataStructure{PDS: f.b.e.PDS(f.ba)}},
			{list, &wire.CGAParameterDataStructure{PDS: f.b.e.PDS(f.ba)}, &wire.CGASignature{Signature: make([]byte, 128)}},
		} {
			f.fromB(&wire.UpdateRequest{ReceiverContextTag: f.tagLocal(), RequestNonce: 1, Options: o})
		}
	}
	f.harmless()
	if slices.Contains(f.a.types(), wire.TypeUpdateAcknowledgement) {
		t.Error("it was acknowledged")
	}
	f.a.inState(f.ab, Established)
}

// Time-shifted attack (section 4.1.2): an attacker that has left the path replays a signed
// Update Request that it has seen.
func TestThreatTimeShifted(t *testing.T) {
	n := newNetwork(t)
	set := append(hbaSetWithKey(t, 1, enginetest.Key(), 0xa1, 0xa2), plain(0xa3, 1))
	a := n.host("A", Config{}, set...)
	b := n.host("B", Config{}, hbaSet(t, 2, 0xb1)...)
	ab := ULIDs{Local: a.addr(0), Peer: b.addr(0)}
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	a.forget()
	a.locate(set[:2]...)
	n.run()
	old := a.sent[0]
	a.locate(set...)
	n.run()
	knows := b.context(reverse(ab)).PeerLocators
	// It does so in the same context.
	n.deliver(old)
	n.run()
	if got := b.context(reverse(ab)).PeerLocators; !slices.Equal(got, knows) {
		t.Errorf("B knows %v, before %v", got, knows)
	}
	// And it does so in a later context, which has other tags.
	b.handle(Close{ULIDs: reverse(ab)})
	a.handle(Close{ULIDs: ab})
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	knows = b.context(reverse(ab)).PeerLocators
	b.forget()
	n.deliver(old)
	b.sends(wire.TypeR1bis)
	if got := b.context(reverse(ab)).PeerLocators; !slices.Equal(got, knows) {
		t.Errorf("B knows %v, before %v", got, knows)
	}
}

// Premeditated redirection (section 4.1.3): the attacker makes a context in the name
// of a ULID that isn't its own, before the owner comes.
func TestThreatPremeditated(t *testing.T) {
	f := in(t, Idle)
	names := &wire.ULIDPair{Sender: f.ab.Peer, Receiver: f.ab.Local}
	f.a.handle(Control{Source: evil, Destination: f.ab.Local, Message: encode(t, &wire.I1{InitiatorContextTag: tagB, InitiatorNonce: 4, Options: wire.Options{names}})})
	f.a.sends(wire.TypeR1)
	r1 := decode[*wire.R1](t, f.last())
	// The validator is good, but there is no proof.
	for _, o := range []wire.Options{
		nil,
		{&wire.LocatorList{Locators: []wire.Locator{{Address: evil, Method: wire.MethodHBA}}}},
		{&wire.LocatorList{Locators: []wire.Locator{{Address: evil, Method: wire.MethodHBA}}}, &wire.CGAParameterDataStructure{PDS: f.b.e.PDS(f.ba)}},
		{&wire.CGAParameterDataStructure{PDS: f.b.e.PDS(f.ba)}},
	} {
		m := &wire.I2{InitiatorContextTag: tagB, InitiatorNonce: 4, ResponderNonce: r1.ResponderNonce}
		m.Options = append(wire.Options{r1.Options.ResponderValidator(), names}, o...)
		f.a.handle(Control{Source: evil, Destination: f.ab.Local, Message: encode(t, m)})
	}
	f.a.inState(f.ab, Idle)
	f.harmless()
	if f.a.e.Stats().InvalidValidator != 0 || f.a.e.Stats().Unverified != 4 {
		t.Errorf("%+v", f.a.e.Stats())
	}
	// The owner can still come.
	f.b.handle(Acquire{f.ba.Local, f.ba.Peer})
	f.n.run()
	f.a.inState(f.ab, Established)
}

// Nobody learns our tag by claiming a ULID in an I1, in no state. In the states in which R2 is
// the answer, it goes only to locators of the peer.
func TestThreatTagDisclosed(t *testing.T) {
	for s := Idle; s <= NoSupport; s++ {
		f := in(t, s)
		names := &wire.ULIDPair{Sender: f.ab.Peer, Receiver: f.ab.Local}
		for _, tag := range []wire.ContextTag{tagB, f.tagPeer()} {
			f.a.handle(Control{Source: evil, Destination: f.ab.Local, Message: encode(t, &wire.I1{InitiatorContextTag: tag, InitiatorNonce: 4, Options: wire.Options{names}})})
		}
		f.a.sends(wire.TypeR1, wire.TypeR1)
	}
}

// Replay (section 4.1.4): an I2 or I2bis that is older than another, or too old.
func TestThreatReplay(t *testing.T) {
	shows.IDs(t, "5533-5.15.1-02 5533-7.13-03 5533-7.13-04 5533-7.20-03 5533-7.20-04 5533-14-09 5533-7.14-04")
	for _, bis := range []bool{false, true} {
		f := in(t, Idle)
		var b []byte
		if bis {
			b = encode(t, f.i2bis())
		} else {
			b = encode(t, f.i2())
		}
		replay := func() { f.a.handle(Control{Source: f.ab.Peer, Destination: f.ab.Local, Message: b}) }
		// The I2 is as late as it may be.
		f.n.pass(ValidatorMinLifetime)
		replay()
		f.a.inState(f.ab, Established)
		tag := f.tagLocal()
		// The same I2 again only causes the R2 again.
		f.a.forget()
		replay()
		f.a.sends(wire.TypeR2)
		if f.tagLocal() != tag || len(f.a.changes) != 0 {
			t.Error("the replay has changed something")
		}
		// The peer has made the context again, with another tag.
		m := f.i2()
		m.InitiatorContextTag = tagB ^ 5
		m.Options.ResponderValidator().Validator = f.a.e.R1Validator(f.n.now, m.ResponderNonce, f.pair(), tagB^5, f.ab)
		f.fromB(m)
		f.a.forget()
		replay()
		f.a.sends()
		if f.tagPeer() != tagB^5 || f.a.e.Stats().Replayed != 1 {
			t.Errorf("CT(peer) is %v", f.tagPeer())
		}
		// After its time it makes no context.
		f.a.handle(Close{ULIDs: f.ab})
		f.n.pass(3 * s)
		replay()
		f.a.inState(f.ab, Idle)
	}
}

// The validator covers everything that the RFC lists, except the Initiator Nonce.
func TestValidator(t *testing.T) {
	shows.IDs(t, "5533-5.15.1-02 5533-7.10.1-01 5533-7.10.1-02 5533-7.10.1-03 5533-7.10.1-04 5533-7.10.1-05",
		"5533-7.17.1-01 5533-7.13-03 5533-7.20-03")
	f := in(t, Idle)
	// So that the nonce before this one is recent as well.
	f.n.pass(time.Second)
	names := &wire.ULIDPair{Sender: f.ab.Peer, Receiver: f.ab.Local}
	second := f.a.addr(1)
	for name, bend := range map[string]func(m *wire.I2, c *Control){
		"tag":          func(m *wire.I2, _ *Control) { m.InitiatorContextTag ^= 1 },
		"nonce":        func(m *wire.I2, _ *Control) { m.ResponderNonce-- },
		"future nonce": func(m *wire.I2, _ *Control) { m.ResponderNonce += 5 },
		"FII":          func(m *wire.I2, _ *Control) { m.Options = append(m.Options, &wire.ForkedInstanceIdentifier{FII: 1}) },
		"source":       func(m *wire.I2, c *Control) { c.Source = f.b.addr(1); m.Options = append(m.Options, names) },
		"destination":  func(m *wire.I2, c *Control) { c.Destination = second; m.Options = append(m.Options, names) },
		"peer ULID": func(m *wire.I2, _ *Control) {
			m.Options = append(m.Options, &wire.ULIDPair{Sender: f.b.addr(1), Receiver: f.ab.Local})
		},
		"local ULID": func(m *wire.I2, _ *Control) {
			m.Options = append(m.Options, &wire.ULIDPair{Sender: f.ab.Peer, Receiver: second})
		},
		"cut short": func(m *wire.I2, _ *Control) { v := m.Options.ResponderValidator(); v.Validator = v.Validator[:8] },
		"none":      func(m *wire.I2, _ *Control) { m.Options = m.Options[1:] },
		"R1bis's": func(m *wire.I2, _ *Control) {
			m.Options.ResponderValidator().Validator = f.a.e.R1bisValidator(f.n.now, m.ResponderNonce, f.pair(), tagB)
		},
		"of another": func(m *wire.I2, _ *Control) {
			m.Options.ResponderValidator().Validator = f.b.e.R1Validator(f.n.now, m.ResponderNonce, f.pair(), tagB, f.ab)
		},
	} {
		m := f.i2()
		c := Control{Source: f.ab.Peer, Destination: f.ab.Local}
		bend(m, &c)
		c.Message = encode(t, m)
		f.a.handle(c)
		if len(f.a.sent) != 0 || f.a.e.Size().Contexts != 0 {
			t.Errorf("%s: taken", name)
		}
	}
	for name, bend := range map[string]func(m *wire.I2bis, c *Control){
		"packet tag":  func(m *wire.I2bis, _ *Control) { m.PacketContextTag ^= 1 },
		"nonce":       func(m *wire.I2bis, _ *Control) { m.ResponderNonce-- },
		"source":      func(m *wire.I2bis, c *Control) { c.Source = f.b.addr(1); m.Options = append(m.Options, names) },
		"destination": func(m *wire.I2bis, c *Control) { c.Destination = second; m.Options = append(m.Options, names) },
	} {
		m := f.i2bis()
		c := Control{Source: f.ab.Peer, Destination: f.ab.Local}
		bend(m, &c)
		c.Message = encode(t, m)
		f.a.handle(c)
		if len(f.a.sent) != 0 || f.a.e.Size().Contexts != 0 {
			t.Errorf("I2bis, %s: taken", name)
		}
	}
	m := f.i2()
	m.InitiatorNonce++
	f.fromB(m)
	f.a.sends(wire.TypeR2)
}

// Black hole and flooding of third parties (sections 4.2 and 4.3): a locator that is
// proved, but not there, gets no payload, and no more than a Probe.
func TestThreatFlooding(t *testing.T) {
	shows.IDs(t, "5533-6.1-03 5533-7.2-04")
	n := newNetwork(t)
	a := n.host("A", Config{}, hbaSet(t, 1, 0xa1)...)
	// The attacker's own HBA set has a prefix of its victim's.
	b := n.host("B", Config{}, hbaSet(t, 2, 0xb1, 0xc1)...)
	victim := b.addr(1)
	ab := ULIDs{Local: a.addr(0), Peer: b.addr(0)}
	b.handle(Acquire{ab.Peer, ab.Local})
	n.run()
	if l := a.context(ab).PeerLocators[1]; l.Address != victim || !l.Verified || l.Probed {
		t.Fatalf("A has %+v", l)
	}
	s, _ := a.e.Session(ab)
	if s.SetPair(Pair{Local: ab.Local, Peer: victim}) {
		t.Error("payload goes to the victim")
	}
	// The attacker says that the locator in use is broken, and comes again.
	b.locate(broken(b.locals[0]), b.locals[1])
	n.run()
	b.handle(Close{ULIDs: reverse(ab)})
	b.handle(Acquire{ab.Peer, ab.Local})
	n.pass(time.Hour)
	for _, s := range a.sent {
		// The attacker may send from the victim's address, and cause an answer to it
		// that is no longer than the question.
		if s.Destination == victim && s.Type != wire.TypeUpdateAcknowledgement {
			t.Errorf("A sends a %v to the victim", s.Type)
		}
	}
	if k := a.kernel.Get(ab); k.Locator.Peer == victim {
		t.Error("payload goes to the victim")
	}
}

// gullible is an Explorer that probes a locator and uses it when there is a doubt, and uses
// every locator that is in the report of a Probe, if the Engine allows it.
type gullible struct {
	NoExplorer
	to     netip.Addr
	probed bool
}

func (g *gullible) Hint(s *Session, _ HintKind, _ string) {
	pair := Pair{Local: s.ULIDs().Local, Peer: g.to}
	g.probed = s.SendProbe(pair, &wire.Probe{State: wire.ProbeExploring, Sent: []wire.ProbeReport{{Source: pair.Local, Destination: g.to, Nonce: 7}}})
	s.SetPair(pair)
}

func (g *gullible) Probe(s *Session, _ Pair, m *wire.Probe) {
	for _, r := range m.Received {
		s.Answered(r.Destination)
		s.SetPair(Pair{Local: r.Source, Peer: r.Destination})
	}
}

// Third parties with help on the path (section 4.3.2): somebody there reads the Probe to the
// victim and answers it. A locator that is not proved is not even probed. A locator that is
// proved belongs to the peer, or to an owner who has signed for it: only there the answer is
// believed, as the RFC has it.
func TestThreatFloodingHelped(t *testing.T) {
	shows.IDs(t, "5533-7.2-04")
	for _, x := range []struct {
		name string
		// set is what B tells, with the victim as the last if it is proved; if not,
		// the victim is claimed by claim.
		set    []LocalLocator
		claim  wire.VerificationMethod
		proved bool
	}{
		{"a prefix of the HBA set", hbaSet(t, 2, 0xb1, 0xc1), 0, true},
		{"signed for", append(hbaSetWithKey(t, 2, enginetest.Key(), 0xb1, 0xb2), plain(0xc1, 1)), 0, true},
		{"not of the HBA set", hbaSet(t, 2, 0xb1, 0xb2), wire.MethodHBA, false},
		{"signed by nobody", hbaSetWithKey(t, 2, enginetest.Key(), 0xb1, 0xb2), wire.MethodCGA, false},
	} {
		n := newNetwork(t)
		g := &gullible{to: evil}
		a := n.host("A", Config{Explorer: g}, hbaSet(t, 1, 0xa1)...)
		b := n.host("B", Config{}, x.set...)
		ab := ULIDs{Local: a.addr(0), Peer: b.addr(0)}
		if x.proved {
			g.to = x.set[len(x.set)-1].Address
		}
		a.handle(Acquire{ab.Local, ab.Peer})
		n.run()
		a.inState(ab, Established)
		tag := a.context(ab).TagLocal
		if !x.proved {
			list := &wire.LocatorList{Generation: 1, Locators: []wire.Locator{b.e.List(reverse(ab)).Locators[0], {Address: g.to, Method: x.claim}}}
			a.handle(Control{Source: ab.Peer, Destination: ab.Local, Message: encode(t, &wire.UpdateRequest{ReceiverContextTag: tag, RequestNonce: 1, Options: wire.Options{
				list, &wire.CGAParameterDataStructure{PDS: b.e.PDS(reverse(ab))}, &wire.CGASignature{Signature: make([]byte, 128)},
			}})})
		}
		a.forget()
		a.handle(ICMP{Type: 1, ULIDs: ab})
		i := slices.IndexFunc(a.sent, func(s Send) bool { return s.Destination == g.to })
		if g.probed != x.proved || (i >= 0) != x.proved || a.kernel.Get(ab).Locator.Peer != ab.Peer {
			t.Errorf("%s: probed %v, sent %v; payload goes to %v", x.name, g.probed, a.types(), a.kernel.Get(ab).Locator.Peer)
		}
		// If there is no Probe to read, the helper has it from its sender.
		got := wire.ProbeReport{Source: ab.Local, Destination: g.to, Nonce: 7}
		if i >= 0 {
			got = decode[*wire.Probe](t, a.sent[i]).Sent[0]
		}
		a.forget()
		for _, from := range []netip.Addr{g.to, ab.Peer} {
			a.handle(Control{Source: from, Destination: ab.Local, Message: encode(t, &wire.Probe{ReceiverContextTag: tag, State: wire.ProbeInboundOk,
				Sent: []wire.ProbeReport{{Source: from, Destination: ab.Local, Nonce: 8}}, Received: []wire.ProbeReport{got}})})
		}
		if k := a.kernel.Get(ab); (k.Locator.Peer == g.to) != x.proved || slices.Contains(k.LocatorsPeer, g.to) != x.proved {
			t.Errorf("%s: after the answer payload goes to %v; the peer's locators are %v", x.name, k.Locator.Peer, k.LocatorsPeer)
		}
		if x.proved {
			a.sends()
		} else {
			// An unknown peer is asked who it is.
			a.sends(wire.TypeR1bis)
		}
	}
}

// Packets from unknown locators (section 4.4): with the right tag they are answered by R1bis,
// so that the sender must prove the locator.
func TestThreatUnknownLocator(t *testing.T) {
	f := in(t, Established)
	f.a.handle(Control{Source: evil, Destination: f.ab.Local, Message: encode(t, &wire.UpdateAcknowledgement{ReceiverContextTag: f.tagLocal(), RequestNonce: 1})})
	f.a.sends(wire.TypeR1bis)
	f.harmless()
}

// Privacy (section 4.5): an HBA-only host tells only the addresses of its set.
func TestThreatPrivacy(t *testing.T) {
	shows.IDs(t, "5533-2.2-02")
	n := newNetwork(t)
	other := hbaSet(t, 5, 0xa8, 0xa9)
	a := n.host("A", Config{}, append(append(hbaSet(t, 1, 0xa1, 0xa2), other...), plain(0xa7, 1))...)
	b := n.host("B", Config{}, hbaSet(t, 2, 0xb1)...)
	a.handle(Acquire{a.addr(0), b.addr(0)})
	a.handle(Acquire{other[0].Address, b.addr(0)})
	n.run()
	if got := listed(decode[*wire.I2](t, a.sent[2]).Options.LocatorList()); !slices.Equal(got, addrs(a.locals[:2])) {
		t.Errorf("A tells of %v", got)
	}
	if got := listed(decode[*wire.I2](t, a.sent[3]).Options.LocatorList()); !slices.Equal(got, addrs(other)) {
		t.Errorf("A tells of %v", got)
	}
}

// counting counts how often a proof is verified.
type counting struct{ n int }

func (v *counting) Verify(ulid netip.Addr, pds []byte, l *wire.LocatorList, s []byte) error {
	v.n++
	return CGAVerifier{}.Verify(ulid, pds, l, s)
}

// A host with a validator may cause the work of proofs, but not of many that fail. Only its own
// prefix suffers.
func TestThreatProofs(t *testing.T) {
	v := &counting{}
	f := in(t, Idle, Config{Verifier: v})
	list := &wire.LocatorList{Locators: []wire.Locator{{Address: evil, Method: wire.MethodHBA}}}
	m := f.i2(list, &wire.CGAParameterDataStructure{PDS: f.b.e.PDS(f.ba)})
	for range 1000 {
		f.fromB(m)
	}
	if v.n > 10 {
		t.Errorf("%d proofs", v.n)
	}
	c := addrIn(0xc1, 1)
	f.a.handle(Control{Source: c, Destination: f.ab.Local, Message: encode(t, &wire.I1{InitiatorContextTag: 1, InitiatorNonce: 2})})
	r1 := decode[*wire.R1](t, f.last())
	i2 := &wire.I2{InitiatorContextTag: 1, InitiatorNonce: 2, ResponderNonce: r1.ResponderNonce, Options: r1.Options}
	f.a.handle(Control{Source: c, Destination: f.ab.Local, Message: encode(t, i2)})
	f.a.inState(ULIDs{Local: f.ab.Local, Peer: c}, Established)
	f.n.now += s
	f.fromB(f.i2())
	f.a.inState(f.ab, Established)
}

// State or work on the first packet (section 7): I1 makes no state, and no proof is verified for
// a sender without a validator.
func TestThreatFirstPacket(t *testing.T) {
	shows.IDs(t, "5533-5.5-06 5533-7.10-01 5535-11-03")
	v := &counting{}
	f := in(t, Idle, Config{Verifier: v})
	for range 1000 {
		f.fromB(f.i1())
		m := f.i2()
		m.Options.ResponderValidator().Validator[0] ^= 1
		m.Options = append(m.Options, f.b.e.ListOptions(f.ba)...)
		f.fromB(m)
		bis := f.i2bis()
		bis.Options.ResponderValidator().Validator[0] ^= 1
		bis.Options = append(bis.Options, f.b.e.ListOptions(f.ba)...)
		f.fromB(bis)
		f.fromB(&wire.UpdateRequest{ReceiverContextTag: 5, Options: f.b.e.ListOptions(f.ba)})
		f.fromB(&wire.R2{ResponderContextTag: 5, Options: f.b.e.ListOptions(f.ba)})
	}
	if v.n != 0 {
		t.Errorf("something was proved %d times", v.n)
	}
	if s := f.a.e.Size(); s != (Size{}) {
		t.Errorf("the Engine holds %+v", s)
	}
}

// An attacker that has seen the tag of a peer makes a context with the same tag, and signs for
// the peer's locators, which a key can do for any address. The peer's context is not discarded
// and keeps all its locators. Those that the attacker only claims are not believed.
func TestThreatClaimedConfusion(t *testing.T) {
	n, a, b, ab, _ := establishedPair(t)
	before := a.kernel.Get(ab)
	set := append(hbaSetWithKey(t, 77, enginetest.Key(), 0xbad), plain(0, 0), plain(0, 0))
	set[1].Address, set[2].Address = b.addr(0), b.addr(1)
	x := n.host("X", Config{}, set[0])
	u := ULIDs{Local: x.addr(0), Peer: a.addr(0)}
	x.locate(set...)
	x.e.SetRandom(&same{[]uint64{uint64(before.TagPeer), 0x1234567890, 0x3334567890}})
	x.handle(Acquire{u.Local, u.Peer})
	n.run()
	c := a.context(reverse(u))
	if c.TagPeer != before.TagPeer || c.State != Established {
		t.Fatalf("the attacker's context is %+v", c)
	}
	a.inState(ab, Established)
	if after := a.kernel.Get(ab); !slices.Equal(after.LocatorsPeer, before.LocatorsPeer) {
		t.Errorf("the peer's locators are %v, and were %v", after.LocatorsPeer, before.LocatorsPeer)
	}
	if k := a.kernel.Get(reverse(u)); !slices.Equal(k.LocatorsPeer, []netip.Addr{x.addr(0)}) {
		t.Errorf("the attacker's locators are %v", k.LocatorsPeer)
	}
	if s := a.e.Stats(); s.Claimed != 2 || s.Confusions != 0 {
		t.Errorf("%d claims, %d confusions", s.Claimed, s.Confusions)
	}
}

// The attacker comes first, with a guessed tag. The locators that it only claims go to the peer
// that holds them, and neither context is discarded.
func TestThreatClaimedFirst(t *testing.T) {
	f := in(t, Idle)
	b1, b2 := f.b.addr(0), f.b.addr(1)
	set := append(hbaSetWithKey(t, 77, enginetest.Key(), 0xbad), LocalLocator{Address: b1}, LocalLocator{Address: b2})
	x := f.n.host("X", Config{}, set...)
	x.e.SetRandom(&same{[]uint64{uint64(tagB), 0x1234567890, 0x3334567890}})
	u := ULIDs{Local: x.addr(0), Peer: f.a.addr(0)}
	x.handle(Acquire{u.Local, u.Peer})
	f.n.run()
	if k := f.a.kernel.Get(reverse(u)); k == nil || k.TagPeer != tagB || len(k.LocatorsPeer) != 3 {
		t.Fatalf("the attacker's context is %+v", k)
	}
	f.fromB(f.i2())
	f.a.inState(f.ab, Established)
	f.a.inState(reverse(u), Established)
	if k := f.a.kernel.Get(reverse(u)); !slices.Equal(k.LocatorsPeer, []netip.Addr{x.addr(0), b2}) {
		t.Errorf("the attacker's locators are %v", k.LocatorsPeer)
	}
}
