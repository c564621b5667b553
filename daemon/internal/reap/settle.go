// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"slices"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// This file is about what an answer of the peer means: which pairs work, which of them
// becomes the current pair, and by which pair the peer sends.

// believe returns the pairs of those reports that are about Probes that we have sent, by these
// pairs (RFC 5534, section 8): so the peer is at the other end.
func (r *Explorer) believe(s *engine.Session, x *exploration, reports []wire.ProbeReport) []engine.Pair {
	var believed []engine.Pair
	for i := range reports {
		q := &reports[i]
		// A report does not say how the Probe was carried; its nonce does.
		p := x.find(q.Nonce, engine.Pair{Local: q.Source, Peer: q.Destination})
		if p == nil {
			continue
		}
		pair := p.pair
		if !p.answered {
			p.answered = true
			r.paths.answered(pair, p.at, s.Now(), p.length)
			r.learn(s, x, p)
			s.Answered(pair.Peer)
		}
		if !slices.Contains(believed, pair) {
			believed = append(believed, pair)
		}
		if !slices.Contains(x.confirmed, pair) {
			x.confirmed = append(x.confirmed, pair)
		}
	}
	return believed
}

// find is the Probe with a nonce that was sent by the addresses of a pair, nil if there is none.
func (x *exploration) find(nonce uint32, pair engine.Pair) *sent {
	for _, list := range [][]sent{x.sent, x.before} {
		if i := slices.IndexFunc(list, func(p sent) bool { return p.nonce == nonce && p.pair.SamePath(pair) }); i >= 0 {
			return &list[i]
		}
	}
	return nil
}

// possible reports whether nothing is known that speaks against the current pair.
func (r *Explorer) possible(s *engine.Session) bool {
	c := s.Info()
	list := r.candidates(s, &c)
	current := find(list, c.Current)
	return current != nil && permitted(s, c.Current) && (!current.broken || list[0].broken)
}

// settle chooses the current pair among those by which the peer has got a Probe (RFC 5534,
// sections 6.8 and 6.9): the present one if it is among them and fit, otherwise the best. If
// the present one is left because payload does not pass, the pair by which the answer has come
// is taken.
func (r *Explorer) settle(s *engine.Session, x *exploration, believed []engine.Pair, inbound engine.Pair) {
	if len(believed) == 0 {
		return
	}
	x.other = nil
	if r.obey(s, x, believed) {
		return
	}
	if x.stall.leaves() && slices.Contains(believed, inbound) {
		believed = []engine.Pair{inbound}
	}
	c := s.Info()
	list := r.candidates(s, &c)
	current := find(list, c.Current)
	var best *candidate
	var pair engine.Pair
	for i := range list {
		if p, ok := answeredBy(believed, list[i].Pair, c.Current); ok && permitted(s, p) {
			best, pair = &list[i], p
			break
		}
	}
	switch {
	case best == nil || pair == c.Current:
		return
	case x.state == engine.ReapOperational:
		// Nothing was wrong: the answer is a late one.
		return
	case x.mode.asks() && pair.SamePath(c.Current) && x.silent(c.Current, s.Now(), otherTimeout, anyAge) && !slices.Contains(x.confirmed, c.Current):
		// The same addresses carry messages by the other encapsulation alone.
	case x.mode == modeReturning:
		natively := pair.SamePath(c.Current) && pair.Encapsulation == engine.Native
		if current != nil && best.compare(current) >= 0 && !natively {
			return
		}
	case x.mode.asks():
		return
	case current != nil && !current.broken && x.stays(c.Current, s.Now()):
		return
	case slices.Contains(believed, c.Current) && current != nil && !current.broken && current.unfit == 0:
		return
	}
	if !s.SetPair(pair) {
		return
	}
	sw := Switch{Trigger: x.cause.trigger, Why: x.cause.why, From: c.Current, To: pair}
	now := s.Now()
	if x.cause.failed {
		sw.Outage = now - x.cause.failing
	}
	r.record(s, x, sw)
	r.moved(s, x, c.Current)
}

// moved notes that a context has left a pair, for how long it is to stay with the new one.
func (r *Explorer) moved(s *engine.Session, x *exploration, from engine.Pair) {
	h := &x.home
	h.lookAt = 0
	switch {
	case x.question.native:
		// It is where it was.
	case x.mode == modeReturning && !s.Info().Current.SamePath(from):
		h.returned, h.returnedAt, h.failures = true, s.Now(), 0
	case !h.settled(s.Now()):
		h.flaps = min(h.flaps+1, 8)
	default:
		h.flaps = 0
	}
}

// inbound notes by which pair the peer sends. A Probe that says Operational comes by the pair
// that the peer has chosen. Before that, the pair of a Probe counts only if the peer has sent
// none by the pair noted so far, which the Probe itself may tell.
func (r *Explorer) inbound(s *engine.Session, x *exploration, pair engine.Pair, m *wire.Probe, explored bool) {
	from := s.Info().Inbound
	if from == pair {
		return
	}
	same := func(p wire.ProbeReport) bool { return p.Source == from.Peer && p.Destination == from.Local }
	// A peer whose Probes by a pair were lost, which this host has left, lists them as well.
	stays := s.Info().Current.SamePath(from)
	if m.State != wire.ProbeOperational && (slices.ContainsFunc(x.received, same) || stays && slices.ContainsFunc(m.Sent, same)) {
		return
	}
	s.SetInbound(pair)
	trigger, why := Peer, "the peer has moved"
	if explored {
		trigger, why = x.cause.trigger, x.cause.why
	}
	r.record(s, x, Switch{Inbound: true, Trigger: trigger, Why: why, From: from, To: pair})
}
