// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"context"
	"crypto/rand"
	"net/netip"
	"testing"
	"time"

	"shim6/daemon/cga"
	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// has gives a host addresses, and a daemon that believes no locator without proof.
func (h *host) has(locals ...engine.LocalLocator) {
	h.engine.TrustedPrefixes = nil
	h.locals = locals
	for _, l := range locals {
		h.n.owner[l.Address] = h
	}
	h.boot()
}

// hba is an HBA set of two prefixes.
func hba(t *testing.T) (set []engine.LocalLocator) {
	t.Helper()
	prefixes := []cga.SubnetPrefix{cga.PrefixOf(address(2, 1)), cga.PrefixOf(address(2, 2))}
	list, err := cga.GenerateHBA(context.Background(), rand.Reader, prefixes, cga.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		set = append(set, engine.LocalLocator{Address: a.Addr, PDS: a.PDS})
	}
	return set
}

// Flooding of third parties with help on the path (RFC 4218, section 4.3.2). The peer says that its
// locator is broken, and names another, where the victim is. A helper on the way there reads Probes
// and answers them in the victim's name. A locator outside of the peer's HBA set is not even probed.
// For one inside of the set, a single answer is enough for payload to be sent there, as in the RFC.
// But the answer must know what was in the Probe, and only Probes are sent there before it comes.
func TestThreatHelper(t *testing.T) {
	shows.IDs(t, "5533-7.2-04 5534-8-03")
	outside := netip.MustParseAddr("3fff:bad::1")
	for _, inside := range []bool{true, false} {
		n := newNetwork(t)
		a, b := n.host("A", 1, Config{}), n.host("B", 0, Config{})
		a.has(engine.LocalLocator{Address: address(1, 1)})
		b.has(hba(t)...)
		ab := engine.ULIDs{Local: a.addr(0), Peer: b.addr(0)}
		home, victim := a.pair(0, b, 0), b.addr(1)
		if !inside {
			victim = outside
		}
		a.handle(engine.Acquire{Local: ab.Local, Peer: ab.Peer})
		n.pass(time.Minute)
		if a.e.State(ab) != engine.Established {
			t.Fatal("no context")
		}
		// From now on the test plays the peer.
		n.trace = nil
		n.dead = func(_, _ netip.Addr) bool { return true }
		says := func(from netip.Addr, m wire.Message) {
			text, err := wire.Append(nil, m)
			if err != nil {
				t.Fatal(err)
			}
			a.handle(engine.Control{Source: from, Destination: ab.Local, Message: text})
		}
		c, _ := a.e.Context(ab)
		generation := c.PeerGeneration
		if !inside {
			pds, err := b.locals[0].PDS.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			says(ab.Peer, &wire.UpdateRequest{ReceiverContextTag: c.TagLocal, RequestNonce: 1, Options: wire.Options{
				&wire.LocatorList{Generation: generation + 1, Locators: []wire.Locator{
					{Address: ab.Peer, Method: wire.MethodHBA}, {Address: victim, Method: wire.MethodHBA},
				}}, &wire.CGAParameterDataStructure{PDS: pds},
			}})
		}
		says(ab.Peer, &wire.UpdateRequest{ReceiverContextTag: c.TagLocal, RequestNonce: 2, Options: wire.Options{
			&wire.LocatorPreferences{Generation: generation, ElementLen: 1, Elements: []wire.Preference{{Flags: wire.FlagBroken}, {}}},
		}})
		n.pass(10 * time.Second)
		var probed []wire.ProbeReport
		for _, p := range n.trace {
			if p.from == "A" && p.destination == victim {
				probed = append(probed, p.m.Sent[0])
			}
		}
		if a.state(ab) != exploring || a.current(ab) != home || (len(probed) > 0) != inside {
			t.Errorf("inside %v: %v by %v: %+v", inside, a.state(ab), a.current(ab), n.trace)
		}
		if !inside {
			// There are only Probes to other addresses.
			probed = append(probed, n.trace[0].m.Sent[0])
		}
		// A helper that has not read the Probe guesses, and one that has read it knows.
		for i, guess := range []uint32{1, 0} {
			r := probed[0]
			r.Nonce += guess
			says(victim, &wire.Probe{ReceiverContextTag: c.TagLocal, State: wire.ProbeInboundOk, Received: []wire.ProbeReport{r},
				Sent: []wire.ProbeReport{{Source: victim, Destination: ab.Local, Nonce: uint32(i)}}})
			n.pass(time.Second)
			if moved := a.current(ab).Peer == victim; moved != (inside && guess == 0) {
				t.Errorf("inside %v, off by %d: %v by %v", inside, guess, a.state(ab), a.current(ab))
			}
		}
	}
}
