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

// throughTranslator are two hosts, of which a router changes the first address of A.
func throughTranslator(t *testing.T) (n *network, a, b *host, ab, ba ULIDs) {
	t.Helper()
	n, a, b, ab, ba = pairOf(t)
	ba.Peer = addrIn(0xc1, 1)
	n.drop = n.translator(ab.Local, ba.Peer)
	return n, a, b, ab, ba
}

// translator changes an address on the way.
func (n *network) translator(inside, outside netip.Addr) func(Send) bool {
	return func(s Send) bool {
		switch {
		case s.Source == inside:
			s.Source = outside
		case s.Destination == outside:
			s.Destination = inside
		default:
			return false
		}
		n.deliver(s)
		return true
	}
}

// probe sends a Probe of a host by a pair.
func (n *network) probe(h *host, u ULIDs, p Pair) {
	n.carry(Send{Source: p.Local, Destination: p.Peer, Type: wire.TypeProbe, Message: encode(n.t, &wire.Probe{ReceiverContextTag: h.context(u).TagPeer,
		State: wire.ProbeExploring, Sent: []wire.ProbeReport{{Source: p.Local, Destination: p.Peer, Nonce: 1}}})})
	n.run()
}

// obstacles are how often a host has told of an obstacle.
func (h *host) obstacles(o Obstacle) (n int) {
	for _, x := range h.notes {
		if x.Text == o.String() {
			n++
		}
	}
	return n
}

// Whichever host begins, there is no context, both know why, and each has said it once.
func TestObstacles(t *testing.T) {
	for _, begins := range []string{"A", "B", "both"} {
		n, a, b, ab, ba := throughTranslator(t)
		for range 8 {
			if begins != "B" {
				a.handle(Acquire{Local: ab.Local, Peer: ab.Peer})
			}
			if begins != "A" {
				b.handle(Acquire{Local: ba.Local, Peer: ba.Peer})
			}
			n.pass(5 * time.Minute)
			// A does not learn that B has dropped its R2.
			if b.e.State(ba).Sends() || begins == "A" && a.e.State(ab).Sends() {
				t.Errorf("%s begins: A is in %v, B in %v", begins, a.e.State(ab), b.e.State(ba))
			}
		}
		if o := b.e.Obstacle(ba); o != PeerTranslated {
			t.Errorf("%s begins: B knows that %v", begins, o)
		}
		if o := a.e.Obstacle(ab); o != ProofIgnored {
			t.Errorf("%s begins: A knows that %v", begins, o)
		}
		if x, y := a.obstacles(ProofIgnored), b.obstacles(PeerTranslated); x != 1 || y != 1 {
			t.Errorf("%s begins: A has said it %d times, B %d times", begins, x, y)
		}
		n.pass(2 * time.Hour)
		b.handle(Tick{})
		if o := b.e.Obstacle(ba); o != NoObstacle {
			t.Errorf("%s begins: hours later B knows that %v", begins, o)
		}
	}
}

// Until A knows, it must not think that another pair works: what it sends there would have other ULIDs.
func TestTranslatedDoesNotAnswer(t *testing.T) {
	n, a, b, ab, ba := throughTranslator(t)
	b.handle(Acquire{Local: ba.Local, Peer: ba.Peer})
	n.pass(time.Second)
	a.inState(ab, Established)
	b.forget()
	n.probe(a, ab, Pair{Local: a.addr(1), Peer: b.addr(1)})
	if got := b.types(); slices.Contains(got, wire.TypeProbe) || slices.Contains(got, wire.TypeR1bis) {
		t.Errorf("B answers by %v", got)
	}
}

// A Probe by a path on which a router changes addresses has the peer send an R1bis, and no I2bis is
// answered there. The context then goes on as before, by the pair that it had.
func TestTranslatedElsewhere(t *testing.T) {
	n, a, b, ab, ba := establishedPair(t)
	before := b.context(ba)
	n.drop = n.translator(a.addr(1), addrIn(0xc1, 1))
	n.probe(a, ab, Pair{Local: a.addr(1), Peer: b.addr(0)})
	a.inState(ab, I2bisSent)
	n.pass(time.Minute)
	a.inState(ab, Established)
	b.inState(ba, Established)
	if after := b.context(ba); after.TagLocal != before.TagLocal || after.TagPeer != before.TagPeer || a.e.Obstacle(ab) != NoObstacle {
		t.Errorf("B had %+v and has %+v", before, after)
	}
}

// A peer whose R2s were lost at first has no obstacle once it is heard.
func TestR2sLost(t *testing.T) {
	n, a, b, ab, ba := pairOf(t)
	lost := 0
	n.drop = func(s Send) bool {
		if s.Type == wire.TypeR2 && lost < 2 {
			lost++
			return true
		}
		return false
	}
	a.handle(Acquire{Local: ab.Local, Peer: ab.Peer})
	n.pass(time.Minute)
	a.inState(ab, Established)
	b.inState(ba, Established)
	if o := b.e.Obstacle(ba); o != NoObstacle {
		t.Errorf("B knows that %v", o)
	}
}

// Somebody who has seen the tags repeats I1s while the pair is down. A peer that was heard before is not
// taken for one that accepts no proof, so the hosts may go on by another pair.
func TestForgedI1s(t *testing.T) {
	n, a, b, ab, ba := establishedPair(t)
	a.handle(Refresh{ULIDs: ab})
	b.handle(Refresh{ULIDs: ba})
	n.run()
	n.pass(time.Hour)
	tags := map[*host]wire.ContextTag{a: b.context(ba).TagLocal, b: a.context(ab).TagLocal}
	n.drop = func(s Send) bool {
		return s.Source == ab.Local && s.Destination == ab.Peer || s.Source == ab.Peer && s.Destination == ab.Local
	}
	for range 10 {
		for h, u := range map[*host]ULIDs{a: ab, b: ba} {
			h.handle(Control{Source: u.Peer, Destination: u.Local, Message: encode(t, &wire.I1{InitiatorContextTag: tags[h], InitiatorNonce: 1})})
		}
		n.pass(4 * time.Second)
	}
	for h, u := range map[*host]ULIDs{a: ab, b: ba} {
		if s, _ := h.e.Session(u); s.Ignored() || h.e.Obstacle(u) != NoObstacle {
			t.Errorf("%s takes the peer for one that ignores it", h.name)
		}
	}
}

// A good proof ends what a bad one from the same address has told.
func TestGoodProofAfterBad(t *testing.T) {
	n, a, b, ab, ba := pairOf(t)
	from := func(m wire.Message) {
		b.handle(Control{Source: ab.Local, Destination: ab.Peer, Message: encode(t, m)})
		n.run()
	}
	var r1 *wire.R1
	n.drop = func(s Send) bool {
		if s.Type == wire.TypeR1 && r1 == nil {
			r1 = decode[*wire.R1](t, s)
		}
		return false
	}
	from(&wire.I1{InitiatorContextTag: 0x1234, InitiatorNonce: 5})
	pds, _ := b.locals[0].PDS.MarshalBinary()
	from(&wire.I2{InitiatorContextTag: 0x1234, InitiatorNonce: 5, ResponderNonce: r1.ResponderNonce,
		Options: wire.Options{r1.Options.ResponderValidator(), &wire.CGAParameterDataStructure{PDS: pds}}})
	if o := b.e.Obstacle(ba); o != PeerTranslated {
		t.Fatalf("B knows that %v", o)
	}
	a.handle(Acquire{Local: ab.Local, Peer: ab.Peer})
	n.run()
	b.inState(ba, Established)
	if o := b.e.Obstacle(ba); o != NoObstacle {
		t.Errorf("B knows that %v", o)
	}
}
