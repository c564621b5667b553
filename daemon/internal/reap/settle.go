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
		pair := engine.Pair{Local: q.Source, Peer: q.Destination}
		j := slices.IndexFunc(x.sent, func(p sent) bool { return p.nonce == q.Nonce && p.pair == pair })
		if j < 0 {
			continue
		}
		if p := &x.sent[j]; !p.answered {
			p.answered = true
			r.paths.answered(pair, p.at, s.Now(), p.length)
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

// possible reports whether nothing is known that speaks against the current pair.
func (r *Explorer) possible(s *engine.Session) bool {
	c := s.Info()
	list := r.candidates(s, &c)
	current := find(list, c.Current)
	return current != nil && (!current.broken || list[0].broken)
}

// settle chooses the current pair among those by which the peer has got a Probe (RFC 5534,
// sections 6.8 and 6.9): the present one if it is among them and fit, otherwise the best. If
// the present one is left because payload does not pass, the pair by which the answer has come
// is taken.
func (r *Explorer) settle(s *engine.Session, x *exploration, believed []engine.Pair, inbound engine.Pair) {
	if len(believed) == 0 || r.obey(s, x, believed) {
		return
	}
	if x.stall.leaves() && slices.Contains(believed, inbound) {
		believed = []engine.Pair{inbound}
	}
	c := s.Info()
	list := r.candidates(s, &c)
	current := find(list, c.Current)
	var best *candidate
	for i := range list {
		if slices.Contains(believed, list[i].Pair) {
			best = &list[i]
			break
		}
	}
	switch {
	case best == nil || best.Pair == c.Current:
		return
	case x.state == engine.ReapOperational:
		// Nothing was wrong: the answer is a late one.
		return
	case x.mode == modeReturning:
		if current != nil && best.compare(current) >= 0 {
			return
		}
	case x.mode.asks():
		return
	case slices.Contains(believed, c.Current) && current != nil && !current.broken && current.unfit == 0:
		return
	}
	if !s.SetPair(best.Pair) {
		return
	}
	sw := Switch{Trigger: x.cause.trigger, Why: x.cause.why, From: c.Current, To: best.Pair}
	now := s.Now()
	if x.cause.failed {
		sw.Outage = now - x.cause.failing
	}
	r.record(s, x, sw)
	h := &x.home
	h.lookAt = 0
	switch {
	case x.mode == modeReturning:
		h.returned, h.returnedAt, h.failures = true, now, 0
	case !h.settled(now):
		h.flaps = min(h.flaps+1, 8)
	default:
		h.flaps = 0
	}
}

// inbound notes by which pair the peer sends. A Probe that says Operational comes by the pair
// that the peer has chosen. Before that, the pair of a Probe counts only if the peer has sent
// none by the pair noted so far.
func (r *Explorer) inbound(s *engine.Session, x *exploration, pair engine.Pair, state wire.ProbeState, explored bool) {
	from := s.Info().Inbound
	if from == pair {
		return
	}
	if state != wire.ProbeOperational && slices.ContainsFunc(x.received, func(p wire.ProbeReport) bool {
		return p.Source == from.Peer && p.Destination == from.Local
	}) {
		return
	}
	s.SetInbound(pair)
	trigger, why := Peer, "the peer has moved"
	if explored {
		trigger, why = x.cause.trigger, x.cause.why
	}
	r.record(s, x, Switch{Inbound: true, Trigger: trigger, Why: why, From: from, To: pair})
}
