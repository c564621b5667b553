// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"net/netip"
	"testing"
	"time"

	. "shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

var lab = Config{TrustedPrefixes: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}}

// unproved is A, in a laboratory, with two addresses that nothing proves, and B.
func unproved(t *testing.T, b Config, locals ...LocalLocator) (n *network, x, y *host, ab, ba ULIDs) {
	n = newNetwork(t)
	x = n.host("A", lab, plain(0xa1, 1), plain(0xa2, 1))
	y = n.host("B", b, locals...)
	ab = ULIDs{Local: x.addr(0), Peer: y.addr(0)}
	return n, x, y, ab, reverse(ab)
}

// knows checks how many locators of A there are: told by A, and known to B.
func knows(t *testing.T, a, b *host, ab ULIDs, want int) {
	t.Helper()
	a.inState(ab, Established)
	b.inState(reverse(ab), Established)
	told, known := len(a.context(ab).LocalLocators), len(b.context(reverse(ab)).PeerLocators)
	if told != want || known != want {
		t.Errorf("A has told %d locators and B knows %d, wanted %d", told, known, want)
	}
}

// A peer that trusts nobody ignores a list that nothing proves. Still there is a context, of the
// ULIDs alone, whoever begins and whether or not the peer says why. A does not tell more. A
// accepts what B proves.
func TestPeerWithoutTrust(t *testing.T) {
	own := hbaSet(t, 1, 0xb1, 0xb2)
	for _, x := range []struct {
		name           string
		begins         string
		silent, proved bool
		within         time.Duration
	}{
		{"A begins", "A", false, false, 0},
		{"A begins, and B says nothing", "A", true, false, 16 * time.Second},
		{"B begins", "B", false, false, 0},
		{"B begins, and says nothing", "B", true, false, 16 * time.Second},
		{"both begin", "AB", false, false, 16 * time.Second},
		{"both begin, and B says nothing", "AB", true, false, 40 * time.Second},
		{"A begins, and B has proofs", "A", true, true, 16 * time.Second},
		{"B begins, and has proofs", "B", true, true, 16 * time.Second},
	} {
		t.Run(x.name, func(t *testing.T) {
			locals := []LocalLocator{plain(0xb1, 1), plain(0xb2, 1)}
			if x.proved {
				locals = own
			}
			n, a, b, ab, ba := unproved(t, Config{}, locals...)
			n.drop = func(s Send) bool { return x.silent && s.Type == wire.TypeError }
			for _, who := range x.begins {
				if who == 'A' {
					a.handle(Acquire{ab.Local, ab.Peer})
				} else {
					b.handle(Acquire{ba.Local, ba.Peer})
				}
			}
			n.run()
			n.pass(x.within)
			knows(t, a, b, ab, 1)
			if c := a.context(ab); len(c.PeerLocators) != len(locals) && x.proved {
				t.Errorf("A knows %d locators of B", len(c.PeerLocators))
			}
			// That is all, also after a restart and for new addresses.
			a.forget()
			n.pass(10 * time.Minute)
			a.locals = append(a.locals, plain(0xa3, 1))
			a.handle(Locators{Local: a.locals})
			n.pass(10 * time.Minute)
			a.restart(t, true, true)
			n.pass(10 * time.Minute)
			knows(t, a, b, ab, 1)
			for _, s := range a.sent {
				if s.Type == wire.TypeUpdateRequest || s.Type == wire.TypeI1 {
					t.Errorf("A sends %v", s.Type)
				}
			}
		})
	}
}

// A peer that trusts us gets the list, whatever is lost on the way.
func TestPeerWithTrustAndLoss(t *testing.T) {
	for _, x := range []struct {
		name   string
		begins string
		lost   map[wire.Type]int
	}{
		{"nothing is lost", "A", nil},
		{"an I2", "A", map[wire.Type]int{wire.TypeI2: 1}},
		{"two I2s", "A", map[wire.Type]int{wire.TypeI2: 2}},
		{"an R2", "A", map[wire.Type]int{wire.TypeR2: 1}},
		{"two R2s", "A", map[wire.Type]int{wire.TypeR2: 2}},
		{"B begins, an I2", "B", map[wire.Type]int{wire.TypeI2: 1}},
		{"B begins, an R2", "B", map[wire.Type]int{wire.TypeR2: 1}},
		{"B begins, two R2s", "B", map[wire.Type]int{wire.TypeR2: 2}},
		{"both begin, an R2", "AB", map[wire.Type]int{wire.TypeR2: 1}},
		{"an R2 and an Update Request", "A", map[wire.Type]int{wire.TypeR2: 1, wire.TypeUpdateRequest: 1}},
	} {
		t.Run(x.name, func(t *testing.T) {
			n, a, b, ab, ba := unproved(t, lab, plain(0xb1, 1), plain(0xb2, 1))
			n.drop = func(s Send) bool {
				if x.lost[s.Type] > 0 {
					x.lost[s.Type]--
					return true
				}
				return false
			}
			for _, who := range x.begins {
				if who == 'A' {
					a.handle(Acquire{ab.Local, ab.Peer})
				} else {
					b.handle(Acquire{ba.Local, ba.Peer})
				}
			}
			n.pass(2 * time.Minute)
			knows(t, a, b, ab, 2)
			knows(t, b, a, ba, 2)
		})
	}
}

// A peer with one address shows no trust. One loss does no harm.
func TestPeerWithOneAddress(t *testing.T) {
	for _, begins := range []string{"A", "B"} {
		for _, lost := range []wire.Type{wire.TypeI2, wire.TypeR2} {
			t.Run(begins+" begins, and loses an "+lost.String(), func(t *testing.T) {
				n, a, b, ab, ba := unproved(t, lab, plain(0xb1, 1))
				done := false
				n.drop = func(s Send) bool {
					drop := s.Type == lost && !done
					done = done || drop
					return drop
				}
				if begins == "A" {
					a.handle(Acquire{ab.Local, ab.Peer})
				} else {
					b.handle(Acquire{ba.Local, ba.Peer})
				}
				n.pass(time.Minute)
				knows(t, a, b, ab, 2)
			})
		}
	}
}

// A peer with one address shows no trust. If an exchange with it has more losses, it is told the
// ULID alone, until a command tells it more. If it does not accept that, the context stays as it
// was.
func TestTellAgain(t *testing.T) {
	for _, trusts := range []bool{true, false} {
		config, want := lab, 2
		if !trusts {
			config, want = Config{}, 1
		}
		n, a, b, ab, _ := unproved(t, config, plain(0xb1, 1))
		lost := 0
		n.drop = func(s Send) bool {
			if s.Type == wire.TypeI2 && lost <= Losses {
				lost++
				return true
			}
			return false
		}
		a.handle(Acquire{ab.Local, ab.Peer})
		n.pass(20 * time.Second)
		knows(t, a, b, ab, 1)
		a.handle(Refresh{ID: 4, ULIDs: ab})
		n.pass(time.Minute)
		knows(t, a, b, ab, want)
		if a.done[0].Err != nil {
			t.Error(a.done[0].Err)
		}
		a.forget()
		n.pass(time.Hour)
		if len(a.sent) != 0 {
			t.Errorf("trusts %v: A sends %v", trusts, a.types())
		}
	}
}

// A peer that has trusted us, and no longer does after a restart of its host, gets its context
// back.
func TestTrustIsGone(t *testing.T) {
	for _, locals := range [][]LocalLocator{{plain(0xb1, 1)}, {plain(0xb1, 1), plain(0xb2, 1)}} {
		n, a, b, ab, ba := unproved(t, lab, locals...)
		a.handle(Acquire{ab.Local, ab.Peer})
		n.run()
		knows(t, a, b, ab, 2)
		n.hosts = n.hosts[:1]
		b = n.host("B", Config{}, locals...)
		n.drop = func(s Send) bool { return s.Type == wire.TypeError }
		b.handle(NoContext{Source: ab.Local, Destination: ab.Peer, Tag: a.context(ab).TagPeer})
		n.pass(20 * time.Second)
		b.inState(ba, Established)
		knows(t, a, b, ab, 1)
	}
}

// An Error message about nothing that we have sent changes nothing.
func TestForgedRefusal(t *testing.T) {
	n, a, b, ab, _ := unproved(t, lab, plain(0xb1, 1))
	n.drop = func(s Send) bool { return s.Type == wire.TypeI2 }
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	i2 := decode[*wire.I2](t, a.sent[len(a.sent)-1])
	i2.InitiatorNonce++
	raw := encode(t, i2)
	m, due := wire.NewErrorMessage(wire.VerificationFailed(i2, 1), ab.Local, ab.Peer, raw)
	if !due {
		t.Fatal("no Error message is due")
	}
	a.handle(Control{Source: ab.Peer, Destination: ab.Local, Message: encode(t, m)})
	if got := a.e.Find(ab); got.TrustRefused() || got.State() != I2Sent {
		t.Errorf("%v, refused %v", got.State(), got.TrustRefused())
	}
	_ = b
}
