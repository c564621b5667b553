// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"testing"
	"time"

	"shim6/daemon/internal/engine/enginetest"

	. "shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// hybrid is A, whose locators are those of an HBA set and a signed one, and B, which has an HBA set.
func hybrid(t *testing.T, locals ...LocalLocator) (n *network, x, y *host, ab, ba ULIDs) {
	n = newNetwork(t)
	x = n.host("A", Config{}, append(hbaSetWithKey(t, 1, enginetest.Key(), 0xa1, 0xa2), plain(0xa3, 1))...)
	y = n.host("B", Config{}, locals...)
	ab = ULIDs{Local: x.addr(0), Peer: y.addr(0)}
	return n, x, y, ab, reverse(ab)
}

// signedList reports whether a message has a list with a signature, or an option that LinShim6
// does not know.
func signedList(t *testing.T, s Send) bool {
	switch m := decode[wire.Message](t, s).(type) {
	case *wire.I2:
		return m.Options.CGASignature() != nil || m.Options.LocatorPreferences() != nil
	case *wire.I2bis:
		return m.Options.CGASignature() != nil || m.Options.LocatorPreferences() != nil
	}
	return false
}

// A peer that drops messages with signed locators gets those of the HBA set in the next exchange, and
// nothing else later. A keeps that over a restart.
func TestPlainer(t *testing.T) {
	n, a, b, ab, _ := hybrid(t, hbaSet(t, 2, 0xb1, 0xb2)...)
	n.drop = func(s Send) bool { return signedList(t, s) }
	a.handle(Acquire{ab.Local, ab.Peer})
	n.pass(time.Minute)
	knows(t, a, b, ab, 2)
	a.restart(t, true, true)
	n.pass(time.Minute)
	knows(t, a, b, ab, 2)
	if !a.e.Find(ab).ToldPlain() {
		t.Error("A has forgotten it")
	}
}

// A peer that answers late, and signs locators itself, is told of all.
func TestPlainerByLoss(t *testing.T) {
	n, a, b, ab, _ := hybrid(t, append(hbaSetWithKey(t, 2, enginetest.Key(), 0xb1, 0xb2), plain(0xb3, 1))...)
	lost := 0
	n.drop = func(s Send) bool {
		if s.Type == wire.TypeI2 && lost < I2RetriesMax+1 {
			lost++
			return true
		}
		return false
	}
	a.handle(Acquire{ab.Local, ab.Peer})
	n.pass(time.Minute)
	if lost != I2RetriesMax+1 {
		t.Fatalf("%d I2s were lost", lost)
	}
	knows(t, a, b, ab, 3)
	if a.e.Find(ab).ToldPlain() {
		t.Error("A still thinks that B knows no signatures")
	}
}

// A peer that refuses a signed locator in an Update Request is told what needs no signature.
func TestPlainerUpdate(t *testing.T) {
	n, a, b, ab, ba := hybrid(t, hbaSet(t, 2, 0xb1, 0xb2)...)
	all := a.locals
	a.locate(all[0])
	a.handle(Acquire{ab.Local, ab.Peer})
	n.pass(time.Second)
	knows(t, a, b, ab, 1)
	refuse := true
	n.drop = func(s Send) bool {
		if s.Type != wire.TypeUpdateRequest || !refuse {
			return false
		}
		u := decode[*wire.UpdateRequest](t, s)
		if u.Options.CGASignature() == nil {
			return false
		}
		refuse = false
		m, due := wire.NewErrorMessage(wire.VerificationFailed(u, 2), ab.Local, ab.Peer, s.Message)
		if !due {
			t.Fatal("no Error message is due")
		}
		a.handle(Control{Source: ab.Peer, Destination: ab.Local, Message: encode(t, m)})
		return true
	}
	a.locate(all...)
	n.pass(10 * time.Second)
	if refuse {
		t.Fatal("no Update Request had a signature")
	}
	knows(t, a, b, ab, 2)
	b.inState(ba, Established)
}
