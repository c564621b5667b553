// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"slices"
	"testing"

	. "shim6/daemon/internal/engine"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// critical makes a message with an unknown critical option.
func critical(t testing.TB, m wire.Message) []byte {
	t.Helper()
	b := encode(t, m)
	b = append(b, 0xff, 0xff, 0, 0, 0, 0, 0, 0)
	b[1]++
	resum(b)
	return b
}

func TestCriticalOption(t *testing.T) {
	shows.IDs(t, "5533-5.15-18 5533-5.15-19 5533-12.3-06 5533-5.14-05 5534-5.1-06")
	f := in(t, Idle)
	f.a.handle(Control{Source: f.ab.Peer, Destination: f.ab.Local, Message: critical(t, f.i2())})
	f.a.sends(wire.TypeError)
	f.a.inState(f.ab, Idle)
	m := decode[*wire.ErrorMessage](t, f.last())
	if m.Code != wire.CodeCriticalOption || int(m.Pointer) != 40+len(encode(t, f.i2())) {
		t.Errorf("code %v at %d", m.Code, m.Pointer)
	}
	if s := f.last(); s.Source != f.ab.Local || s.Destination != f.ab.Peer {
		t.Errorf("it goes from %v to %v", s.Source, s.Destination)
	}
	// A known option where it doesn't belong is like an unknown one.
	f.a.forget()
	b := encode(t, &wire.Keepalive{ReceiverContextTag: 4})
	b = append(b, 0, byte(wire.OptionForkedInstanceIdentifier)*2+1, 0, 4, 0, 0, 0, 1)
	b[1]++
	resum(b)
	f.a.handle(Control{Source: f.ab.Peer, Destination: f.ab.Local, Message: b})
	f.a.sends(wire.TypeError)
	// Without the C bit the message is processed.
	f.a.forget()
	b[17]--
	resum(b)
	f.a.handle(Control{Source: f.ab.Peer, Destination: f.ab.Local, Message: b})
	f.a.sends(wire.TypeR1bis)
}

func TestDebugErrors(t *testing.T) {
	shows.IDs(t, "5533-5.14-12")
	for _, on := range []bool{false, true} {
		f := in(t, Idle, Config{DebugErrors: on})
		b := encode(t, f.i1())
		b[5] ^= 1
		f.a.handle(Control{Source: f.ab.Peer, Destination: f.ab.Local, Message: b})
		if !on {
			f.a.sends()
			continue
		}
		f.a.sends(wire.TypeError)
		if m := decode[*wire.ErrorMessage](t, f.last()); m.Code != wire.CodeDebugChecksum {
			t.Errorf("code %v", m.Code)
		}
	}
}

// errorAbout is an Error message of B's about a message of A's.
func errorAbout(t testing.TB, s Send, code wire.ErrorCode) Control {
	t.Helper()
	m, ok := wire.NewErrorMessage(&wire.ProtocolError{Code: code, Type: s.Type, Pointer: 16}, s.Source, s.Destination, s.Message)
	if !ok {
		t.Fatal("no Error message is due")
	}
	return Control{Source: s.Destination, Destination: s.Source, Message: encode(t, m)}
}

// A peer that has another generation of our list is told the whole list, once.
func TestErrorMessage(t *testing.T) {
	shows.IDs(t, "5533-12.4-10 boeing-1.4-06")
	n, a, b, ab, ba := establishedPair(t)
	set := a.locals
	b.e.Find(ba).MissGeneration()
	b.lax = true
	a.locate(set[0], broken(set[1]))
	n.run()
	a.sends(wire.TypeUpdateRequest, wire.TypeUpdateRequest)
	b.sends(wire.TypeError, wire.TypeUpdateAcknowledgement)
	if a.context(ab).Updating {
		t.Error("A is still updating")
	}
	if len(a.notes) != 1 {
		t.Errorf("notes %v", a.notes)
	}
	// Further Error messages cause nothing.
	n.drop = func(Send) bool { return true }
	a.forget()
	a.locate(set...)
	for range 20 {
		a.handle(errorAbout(t, a.sent[len(a.sent)-1], wire.CodeGeneration))
	}
	if len(a.sent) != 2 {
		t.Errorf("A has sent %v", a.types())
	}
}

// Error messages that are not about the last request have no effect, and no Error message ends
// anything.
func TestErrorMessageAboutNothing(t *testing.T) {
	shows.IDs(t, "5533-12.4-10 5533-12.4-12 5533-5.14-15")
	for _, s := range []State{I1Sent, I2Sent, Established, I2bisSent} {
		f := in(t, s)
		quoted := Send{Source: f.ab.Local, Destination: f.ab.Peer, Type: wire.TypeI1,
			Message: encode(t, &wire.I1{InitiatorContextTag: f.tagLocal(), InitiatorNonce: f.nonce() ^ 1})}
		f.a.handle(errorAbout(t, quoted, wire.CodeUnknownType))
		quoted.Message = encode(t, &wire.UpdateRequest{ReceiverContextTag: f.tagPeer(), RequestNonce: 9})
		f.a.handle(errorAbout(t, quoted, wire.CodeGeneration))
		f.a.sends()
		f.a.inState(f.ab, s)
	}
	// One about the I1 that was sent is noted, and the I1 repeated.
	n, a, _, ab, _ := pairOf(t)
	n.drop = func(Send) bool { return true }
	a.handle(Acquire{ab.Local, ab.Peer})
	a.handle(errorAbout(t, a.sent[0], wire.CodeUnknownType))
	a.handle(errorAbout(t, a.sent[0], wire.CodeUnknownType))
	a.inState(ab, I1Sent)
	if len(a.notes) != 1 {
		t.Errorf("notes %v", a.notes)
	}
	// From elsewhere it would not be the answer to what was sent.
	ev := errorAbout(t, a.sent[0], wire.CodeUnknownType)
	ev.Source = addrIn(0xbad, 1)
	before := a.e.Stats().Unmatched
	a.handle(ev)
	if a.e.Stats().Unmatched != before+1 {
		t.Error("an Error message from elsewhere was taken")
	}
}

func TestICMPHints(t *testing.T) {
	r := &recorder{}
	f := in(t, Established, Config{Explorer: r})
	for _, x := range []struct {
		typ, code uint8
		hint      bool
	}{{1, 0, true}, {1, 3, true}, {1, 4, false}, {2, 0, false}, {3, 0, true}, {4, 0, true}} {
		r.hints = nil
		f.a.handle(ICMP{Type: x.typ, Code: x.code, Source: f.ab.Local, Destination: f.ab.Peer, ULIDs: f.ab})
		if got := len(r.hints) == 1; got != x.hint {
			t.Errorf("type %d, code %d: hints %v", x.typ, x.code, r.hints)
		}
	}
	// About a control message of the current pair.
	r.hints = nil
	k := encode(t, &wire.Keepalive{ReceiverContextTag: f.tagPeer()})
	f.a.handle(ICMP{Type: 1, Code: 3, Source: f.ab.Local, Destination: f.ab.Peer, Message: k})
	f.a.handle(ICMP{Type: 1, Code: 3, Source: f.a.addr(1), Destination: f.ab.Peer, Message: k})
	if len(r.hints) != 1 {
		t.Errorf("hints %v", r.hints)
	}
	f.a.inState(f.ab, Established)
}

// An Explorer is told what happens, and may only do what the RFC allows.
func TestExplorer(t *testing.T) {
	r := &recorder{}
	f := in(t, Established, Config{Explorer: r})
	if r.established != 1 {
		t.Errorf("told %d times that it is ESTABLISHED", r.established)
	}
	probe := &wire.Probe{ReceiverContextTag: f.tagLocal(), Sent: []wire.ProbeReport{{Source: f.ab.Peer, Destination: f.ab.Local}}}
	f.fromB(probe)
	f.a.handle(Reap{ULIDs: f.ab, Tag: f.tagLocal(), Kind: ReapSendTimeout})
	f.a.handle(Reap{ULIDs: f.ab, Tag: f.tagLocal() ^ 1, Kind: ReapInbound})
	if r.probes != 1 || !slices.Equal(r.reaps, []ReapKind{ReapSendTimeout}) {
		t.Errorf("probes %d, reaps %v", r.probes, r.reaps)
	}
	s, _ := f.a.e.Session(f.ab)
	sent := func() *wire.Probe {
		return &wire.Probe{Sent: []wire.ProbeReport{{Source: f.ab.Local, Destination: f.ab.Peer}}}
	}
	if !s.SendProbe(Pair{Local: f.a.addr(1), Peer: f.b.addr(1)}, sent()) {
		t.Error("a proved locator can't be probed")
	}
	if s.SendProbe(Pair{Local: f.a.addr(1), Peer: addrIn(0xbad, 1)}, sent()) || s.SendProbe(Pair{Local: addrIn(0xa7, 1), Peer: f.b.addr(1)}, sent()) {
		t.Error("Probes go from and to what is no locator")
	}
	if s.SetPair(Pair{Local: f.a.addr(1), Peer: f.b.addr(1)}) {
		t.Error("payload may go to where nobody has answered from")
	}
	s.Answered(f.b.addr(1))
	s.Answered(addrIn(0xbad, 1))
	if !s.SetPair(Pair{Local: f.a.addr(1), Peer: f.b.addr(1)}) || s.SetPair(Pair{Local: f.a.addr(1), Peer: addrIn(0xbad, 1)}) {
		t.Error("SetPair")
	}
	s.SetInbound(Pair{Local: f.a.addr(1), Peer: f.b.addr(0)})
	s.SetReap(ReapOperational, ReapTimerSend)
	f.a.handle(Tick{})
	k := f.a.kernel.Get(f.ab)
	if k.Locator != (Pair{Local: f.a.addr(1), Peer: f.b.addr(1)}) || k.Inbound != (Pair{Local: f.a.addr(1), Peer: f.b.addr(0)}) {
		t.Errorf("the kernel has %+v", k)
	}
	f.a.handle(Close{ULIDs: f.ab})
	if r.gone != 1 {
		t.Errorf("told %d times that it is gone", r.gone)
	}
	if s.SendProbe(Pair{Local: f.a.addr(1), Peer: f.b.addr(1)}, sent()) {
		t.Error("a Probe of a context that is gone")
	}
}
