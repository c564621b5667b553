// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"net/netip"
	"time"

	"shim6/daemon/wire"
)

// Session is what an Explorer sees of one context, for the time of a call or
// until Gone.
type Session struct {
	e *Engine
	c *context
}

// alive reports whether the context is there and can send.
func (s *Session) alive() bool { return !s.c.gone && s.c.state.Sends() }

// RTT is the round-trip time of the current pair as TCP has last measured it; 0 if
// that is not known.
func (s *Session) RTT() time.Duration { return s.c.liveness.stall.RTT }

// Stall is what TCP has said last of a connection that waits, if Reap is called for a
// ReapRetransmission.
func (s *Session) Stall() Stall { return s.c.liveness.stall }

// ULIDs are the names of the context.
func (s *Session) ULIDs() ULIDs { return s.c.ulids }

// Now is the time of the event that is being dealt with.
func (s *Session) Now() time.Duration { return s.e.now }

// Random is a random number.
func (s *Session) Random() uint64 { return s.e.random.Uint64() }

// SendTimeout is ours of this context (RFC 5534, section 7).
func (s *Session) SendTimeout() time.Duration { return s.c.sendTimeout }

// Local is what is known of an address of this host; false if it is none any more.
func (s *Session) Local(a netip.Addr) (LocalLocator, bool) {
	if l := s.e.locals[a]; l != nil {
		return l.LocalLocator, true
	}
	return LocalLocator{}, false
}

// Info is the context as it is.
func (s *Session) Info() Info { return s.c.info() }

// SendProbe sends a Probe, whose Receiver Context Tag is put in. It refuses, and
// returns false, if the pair is not of locators that may be used: the peer's must
// be verified, and ours known to the peer.
func (s *Session) SendProbe(pair Pair, m *wire.Probe) bool { return s.SendLongProbe(pair, m, 0) }

// SendLongProbe is SendProbe in a packet of so many octets, as far as the pair is known
// to carry that many; 0 stands for those that the message takes.
func (s *Session) SendLongProbe(pair Pair, m *wire.Probe, length int) bool {
	if !s.alive() || !s.c.usable(pair) {
		return false
	}
	m.ReceiverContextTag = s.c.tagPeer
	s.e.sync(s.c)
	s.e.transmitLong(s.c.ulids, pair.Local, pair.Peer, m, length)
	return true
}

// Answered notes that a Probe sent to a locator of the peer was answered: the peer
// is there.
func (s *Session) Answered(locator netip.Addr) {
	if l := s.c.peerLocator(locator); s.alive() && l != nil && l.Verified && !l.Probed {
		l.Probed = true
		s.c.pending.unsaved = true
		s.e.touch(s.c)
	}
}

// SetPair makes a pair the current one, by which payload is sent. It refuses, and
// returns false, if SendProbe would, or if the peer's locator was not Answered.
func (s *Session) SetPair(pair Pair) bool {
	l := s.c.peerLocator(pair.Peer)
	if !s.alive() || !s.c.usable(pair) || !l.Probed {
		return false
	}
	if s.c.current != pair {
		s.c.current = pair
		s.c.kernel.changed |= FieldLocator
		s.e.dropUnused(s.c)
		s.e.touch(s.c)
	}
	return true
}

// Done answers a Use.
func (s *Session) Done(id uint64, err error) { s.e.done(id, s.c.ulids, err) }

// SetInbound notes the pair by which the peer sends.
func (s *Session) SetInbound(pair Pair) {
	if s.alive() && s.c.inbound != pair {
		s.c.inbound = pair
		s.c.kernel.changed |= FieldInbound
		s.e.touch(s.c)
	}
}

// SetReap tells the kernel the state of RFC 5534 and, if timer is not 0, which
// timer to start anew.
func (s *Session) SetReap(state ReapState, timer ReapTimer) {
	if !s.alive() {
		return
	}
	// The kernel may have come to another state meanwhile, and its event be on
	// the way.
	s.c.liveness.state = state
	s.c.kernel.changed |= FieldReapState
	s.c.liveness.setAt, s.c.liveness.set = s.e.now, true
	if timer != 0 {
		s.c.kernel.reapTimer = timer
		s.c.kernel.changed |= FieldReapTimer
	}
	s.e.touch(s.c)
}
