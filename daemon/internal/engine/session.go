// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"net/netip"
	"time"

	"shim6/daemon/wire"
)

// Session is what an Explorer sees of one context. It is valid until Explorer.Gone has
// returned.
type Session struct {
	e *Engine
	c *context
}

// alive reports whether the context is there and can send.
func (s *Session) alive() bool { return !s.c.gone && s.c.state.Sends() }

// RTT is the last round-trip time that TCP has measured on the current pair; 0 if there is
// none.
func (s *Session) RTT() time.Duration { return s.c.liveness.stall.RTT }

// RTTDeviation is four times the mean deviation of RTT, as TCP's own timer adds it to the
// round-trip time (RFC 6298).
func (s *Session) RTTDeviation() time.Duration { return s.c.liveness.stall.Deviation }

// Stall is what TCP has said last about a connection that waits, for Explorer.Reap with
// ReapRetransmission.
func (s *Session) Stall() Stall { return s.c.liveness.stall }

// ULIDs are the names of the context.
func (s *Session) ULIDs() ULIDs { return s.c.ulids }

// Now is the time of the present event.
func (s *Session) Now() time.Duration { return s.e.now }

// Random is a random number.
func (s *Session) Random() uint64 { return s.e.random.Uint64() }

// SendTimeout is our Send Timeout in this context (RFC 5534, section 7).
func (s *Session) SendTimeout() time.Duration { return s.c.sendTimeout }

// Standby reports whether a program asks that another pair be kept in reserve (RFC 6316, section 6.3).
func (s *Session) Standby() bool { return s.c.standby }

// Local is an address of this host; false if the host does not have it any more.
func (s *Session) Local(a netip.Addr) (LocalLocator, bool) {
	if l := s.e.locals[a]; l != nil {
		return l.LocalLocator, true
	}
	return LocalLocator{}, false
}

// Encapsulations and Learn are those of the Engine.
func (s *Session) Encapsulations(p Pair) (first, second Encapsulation, both bool) {
	return s.e.Encapsulations(p)
}

// Learn is that of the Engine.
func (s *Session) Learn(p Pair) { s.e.Learn(p) }

// UseUDP is that of the Engine.
func (s *Session) UseUDP() UseUDP { return s.e.config.UDP }

// Ignored reports whether the peer seems to accept no R2 of this context.
func (s *Session) Ignored() bool { return s.c.accepted.ignored }

// Info is a copy of the context.
func (s *Session) Info() Info { return s.c.info() }

// may reports whether a pair may be used: the peer's locator must be verified, and the peer must
// know ours. None may if the peer accepts no R2: it has no context, and would have to make one of what
// we think the ULIDs are.
func (s *Session) may(pair Pair) bool {
	return s.alive() && s.c.usable(pair) && !s.c.accepted.ignored
}

// SendProbe sends a Probe, and sets its Receiver Context Tag. It sends nothing and returns
// false if the pair may not be used.
func (s *Session) SendProbe(pair Pair, m *wire.Probe) bool { return s.SendLongProbe(pair, m, 0) }

// SendLongProbe is SendProbe in a packet of length octets from the IPv6 header on, or less if
// the pair is known to carry less; 0 stands for as many as the message needs.
func (s *Session) SendLongProbe(pair Pair, m *wire.Probe, length int) bool {
	if !s.may(pair) {
		return false
	}
	m.ReceiverContextTag = s.c.tagPeer
	s.e.sync(s.c)
	s.e.transmitLong(s.c.ulids, pair, m, length)
	return true
}

// Answered notes that a Probe to a locator of the peer was answered. So the peer is there.
func (s *Session) Answered(locator netip.Addr) {
	if l := s.c.peerLocator(locator); s.alive() && l != nil && l.Verified && !l.Probed {
		l.Probed = true
		s.c.pending.unsaved = true
		s.e.touch(s.c)
	}
}

// SetPair makes a pair the current one, by which payload is sent. It changes nothing and
// returns false if SendProbe would, or if the peer's locator was not Answered.
func (s *Session) SetPair(pair Pair) bool {
	l := s.c.peerLocator(pair.Peer)
	if !s.may(pair) || !l.Probed {
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

// Done answers a Use, a ProbeAll or a Doubt.
func (s *Session) Done(id uint64, err error) { s.e.done(id, s.c.ulids, err) }

// SetInbound notes the pair by which the peer sends.
func (s *Session) SetInbound(pair Pair) {
	if s.alive() && s.c.inbound != pair {
		s.c.inbound = pair
		s.c.kernel.changed |= FieldInbound
		s.e.touch(s.c)
	}
}

// SetReap tells the kernel the state of RFC 5534 and, if timer is not 0, which timer to start
// again.
func (s *Session) SetReap(state ReapState, timer ReapTimer) {
	if !s.alive() {
		return
	}
	// FieldReapState is set even if the state is the same: the kernel may have changed to
	// another one meanwhile, and its event be on the way.
	s.c.liveness.state = state
	s.c.kernel.changed |= FieldReapState
	s.c.liveness.setAt, s.c.liveness.set = s.e.now, true
	if timer != 0 {
		s.c.kernel.reapTimer = timer
		s.c.kernel.changed |= FieldReapTimer
	}
	s.e.touch(s.c)
}
