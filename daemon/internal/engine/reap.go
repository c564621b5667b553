// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/wire"
)

// Explorer is REAP: failure detection and locator pair exploration (RFC 5534). It
// is called by the Engine, in the Engine's goroutine, and acts by the methods of
// the Session that it is given. What it keeps of a context it keeps by the
// context's names, and drops when Gone is called.
type Explorer interface {
	// Established: the context has become ESTABLISHED, or is adopted in that
	// state, or was made anew by the peer.
	Established(s *Session)
	// Reap: the kernel tells of liveness.
	Reap(s *Session, kind ReapKind)
	// Probe: a Probe has arrived, of a context that can be used, and between
	// locators of it.
	Probe(s *Session, source, destination netip.Addr, m *wire.Probe)
	// Hint: something makes it doubtful that the current pair works, or is the
	// one to have. Why says what, for people.
	Hint(s *Session, kind HintKind, why string)
	// Use: payload is to be sent by a pair, whose locators are those of the context.
	// Session.Done answers it, now or later, and before Gone returns in any case.
	Use(s *Session, id uint64, pair Pair)
	// Gone: there is no such context any more.
	Gone(s *Session)
	// Tick: the time that Next has told has come.
	Tick(e *Engine)
	// Next is when Tick is to be called; false if there is nothing to wait
	// for.
	Next() (time.Duration, bool)
}

// HintKind is what a hint is to be taken for.
type HintKind uint8

const (
	// HintChanged: there are other locators or preferences than before; nothing
	// is the matter with the current pair.
	HintChanged HintKind = iota + 1
	// HintICMP is an ICMPv6 error about a packet of the current pair. Anybody can
	// make one up (RFC 5534, section 3.3).
	HintICMP
	// HintULP is negative feedback of a ULP, such as TCP that retransmits for the
	// second time (RFC 5534, section 3.3).
	HintULP
	// HintPeer: the peer has dropped its locator of the current pair, or says
	// that it is broken.
	HintPeer
	// HintLocal: our locator of the current pair is gone, or broken.
	HintLocal
)

// hint is what the Explorer is yet to be told; none if kind is 0.
type hint struct {
	kind HintKind
	why  string
}

// doubt has the Explorer told of a hint, unless it will be of a graver one.
func (e *Engine) doubt(c *context, kind HintKind, why string) {
	if c.state.Sends() && kind > c.hint.kind {
		c.hint = hint{kind, why}
		e.touch(c)
	}
}

// InterfacePolicy says what is thought of an interface, and so of the addresses that
// it has: which to send from.
type InterfacePolicy uint8

const (
	// PolicyNormal is for those of which nothing is said.
	PolicyNormal InterfacePolicy = iota
	// PolicyPreferred goes before all others.
	PolicyPreferred
	// PolicyBackup goes behind normal ones, and PolicyMetered behind those.
	PolicyBackup
	PolicyMetered
	// PolicyNever is for those that no context is moved to.
	PolicyNever
)

var policyNames = [...]string{"normal", "preferred", "backup", "metered", "never"}

// String is the name that the configuration has for it.
func (p InterfacePolicy) String() string {
	if int(p) < len(policyNames) {
		return policyNames[p]
	}
	return fmt.Sprintf("InterfacePolicy(%d)", uint8(p))
}

// MarshalText returns what String does.
func (p InterfacePolicy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText takes what MarshalText returns.
func (p *InterfacePolicy) UnmarshalText(text []byte) error {
	i := slices.Index(policyNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("unknown policy %q of an interface: it is one of %q", text, policyNames)
	}
	*p = InterfacePolicy(i)
	return nil
}

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
func (s *Session) RTT() time.Duration { return s.c.stall.RTT }

// Stall is what TCP has said last of a connection that waits, if Reap is called for a
// ReapRetransmission.
func (s *Session) Stall() Stall { return s.c.stall }

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
		s.c.unsaved = true
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
		s.c.changed |= FieldLocator
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
		s.c.changed |= FieldInbound
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
	s.c.reap = state
	s.c.changed |= FieldReapState
	s.c.reapSet, s.c.reapSetOnce = s.e.now, true
	if timer != 0 {
		s.c.reapTimer = timer
		s.c.changed |= FieldReapTimer
	}
	s.e.touch(s.c)
}

// eventAge is how old a Reap event can be when it comes; the least Send Timeout is
// ten times that.
const eventAge = time.Second

// noExplorer is an Explorer that never leaves a pair.
type noExplorer struct{}

func (noExplorer) Established(*Session)                                {}
func (noExplorer) Reap(*Session, ReapKind)                             {}
func (noExplorer) Probe(*Session, netip.Addr, netip.Addr, *wire.Probe) {}
func (noExplorer) Hint(*Session, HintKind, string)                     {}
func (noExplorer) Use(s *Session, id uint64, _ Pair)                   { s.Done(id, errNoExplorer) }
func (noExplorer) Gone(*Session)                                       {}
func (noExplorer) Tick(*Engine)                                        {}
func (noExplorer) Next() (time.Duration, bool)                         { return 0, false }

// Now is the time of the event that is being dealt with, or was last.
func (e *Engine) Now() time.Duration { return e.now }

// Session is the context of a name, for an Explorer that was called by Tick.
func (e *Engine) Session(u ULIDs) (*Session, bool) {
	c := e.byULIDs[u]
	if c == nil {
		return nil, false
	}
	return &Session{e, c}, true
}

// receivedKeepalive deals with a Keepalive that the kernel has not: one with
// options, or of a context that it doesn't know like that. The kernel has counted
// it as heard if it was.
func (e *Engine) receivedKeepalive(p packet, m *wire.Keepalive) {
	c := e.receivedTagged(p, m.ReceiverContextTag)
	if c != nil && c.state == Established && len(m.Options) == 0 {
		e.resync()
	}
}

func (e *Engine) receivedProbe(p packet, m *wire.Probe) {
	if c := e.receivedTagged(p, m.ReceiverContextTag); c != nil && c.state.Sends() {
		e.explorer.Probe(&Session{e, c}, p.source, p.destination, m)
	}
}

// use hands the command to the Explorer, unless the pair can never be the context's.
func (e *Engine) use(ev Use) {
	c := e.byULIDs[ev.ULIDs]
	var err error
	switch {
	case c == nil:
		err = errNoContext
	case !c.state.Sends():
		err = stateError(c.state)
	case !slices.Contains(c.local.addresses, ev.Pair.Local):
		err = pairError(ev.Pair.Local, "is no locator of this host that the peer of this context knows")
	case !c.usable(ev.Pair):
		err = pairError(ev.Pair.Peer, "is no locator that the peer has and has proved")
	default:
		e.explorer.Use(&Session{e, c}, ev.ID, ev.Pair)
		return
	}
	e.done(ev.ID, ev.ULIDs, err)
}

// sameReap tells the kernel again which state c is in: it has just told of another
// one, and if it is still in that, it would stay there.
func (e *Engine) sameReap(c *context) {
	c.changed |= FieldReapState
	e.touch(c)
}

// reapEvent deals with what the kernel tells of liveness.
func (e *Engine) reapEvent(ev Reap) {
	c := e.byULIDs[ev.ULIDs]
	if c == nil || c.tagLocal != ev.Tag {
		return
	}
	switch ev.Kind {
	case ReapPayload:
		// The peer is ESTABLISHED: its R2 was probably lost.
		e.resend(c)
	case ReapSendTimeout:
		// The kernel's timer has run for longer than that since it was set: so
		// the event is from before, and superseded.
		if c.reapSetOnce && e.now-c.reapSet < eventAge {
			e.sameReap(c)
			return
		}
		c.reap = ReapExploring
		e.explorer.Reap(&Session{e, c}, ev.Kind)
	case ReapInbound:
		if c.reap != ReapExploring {
			e.sameReap(c)
			return
		}
		c.reap = ReapInboundOK
		e.explorer.Reap(&Session{e, c}, ev.Kind)
	case ReapRetransmission:
		c.stall = ev.Stall
		e.explorer.Reap(&Session{e, c}, ev.Kind)
	}
}
