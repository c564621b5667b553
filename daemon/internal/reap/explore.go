// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// This file sends Probes: when, by which pair, and what is in them.

// soon sends the next Probe at once, unless others wait for a token of the pace, or the last
// Probe of this context was too short a time ago.
func (r *Explorer) soon(s *engine.Session, x *exploration) {
	now := s.Now()
	at := now
	if l := x.last(); l != nil {
		at = max(at, l.at+InitialProbeTimeout)
	} else if x.stall != nil && x.mode != modeDoubting && now-x.probedAt < InitialProbeTimeout {
		// TCP may complain again while pairs are probed because of its last complaint. Hints have
		// a limit of their own, and may be about another connection.
		at = x.probedAt + InitialProbeTimeout
	} else if !x.reply.limit.allow(now) {
		// Explorations begin again and again.
		at = now + InitialProbeTimeout
	}
	r.stop(x)
	x.other = nil
	switch {
	case at > now:
		r.at(x, at)
	case r.adopted != now && r.idleNow(now):
		r.step(s, x)
	default:
		r.put(x, &r.starts, now)
	}
}

// idleNow reports whether a Probe may be sent now, and no other context waits to send one.
func (r *Explorer) idleNow(now time.Duration) bool {
	return r.pace.ready(now) && !r.queue.waits(now) && r.starts.Len() == 0
}

// hurry starts the schedule of modeExploring again: there is something new to try.
func (r *Explorer) hurry(s *engine.Session, x *exploration) {
	x.schedule.probes = 0
	x.schedule.tried = slices.DeleteFunc(x.schedule.tried, func(p engine.Pair) bool { return !p.SamePath(s.Info().Current) })
	r.soon(s, x)
}

// step does what is due of a context, by its mode.
func (r *Explorer) step(s *engine.Session, x *exploration) {
	r.noteLoss(s, x)
	if x.reply.due {
		r.pay(s, x)
		return
	}
	if o := x.other; o != nil {
		x.other = nil
		if x.state != engine.ReapOperational && x.due == o.due {
			r.stepOther(s, x, o)
			return
		}
	}
	if x.state == engine.ReapOperational {
		if past := x.stall.past(); past != 0 && past <= s.Now() {
			x.stall = nil
		}
		if x.use != nil {
			r.want(s, x)
			return
		}
	}
	switch {
	case x.mode == modeIdle:
		r.stepIdle(s, x)
	case x.mode == modeExploring:
		r.stepExploring(s, x)
	case x.mode.asks():
		r.stepAsking(s, x)
	}
}

// noteLoss remembers of the pair of the last Probe that the Probe has had no answer in time, and
// of the pairs of those that were followed by another encapsulation. A peer that has no doubt
// answers by its current pair, so a doubt shows only whether both current pairs work.
func (r *Explorer) noteLoss(s *engine.Session, x *exploration) {
	for i := range x.sent {
		if x.mode == modeDoubting {
			if x.sent[i].pair == s.Info().Current {
				r.noteLossOf(s, x, &x.sent[i])
			}
			continue
		}
		if l := &x.sent[i]; l == x.last() || l.paired {
			r.noteLossOf(s, x, l)
		}
	}
}

func (r *Explorer) noteLossOf(s *engine.Session, x *exploration, l *sent) {
	now := s.Now()
	if l.answered || l.lost && l.paired || x.state == engine.ReapOperational || now-l.at < InitialProbeTimeout {
		return
	}
	l.lost = true
	if l.length == 0 {
		r.paths.unanswered(l.pair, l.at, now)
	} else if v := r.paths.get(l.pair); v != nil && v.tooLong > 0 {
		r.paths.loses(l.pair, v.tooLong, now)
	}
}

// stepExploring sends the next Probe of the schedule.
func (r *Explorer) stepExploring(s *engine.Session, x *exploration) {
	state := wire.ProbeExploring
	if x.state == engine.ReapInboundOK {
		state = wire.ProbeInboundOk
		if s.Now()-x.sendTimer >= s.SendTimeout() {
			// A Send Timer that had run since then would have expired. So payload has
			// stopped it, and it is started (RFC 5534, section 6.5).
			x.enter(s, engine.ReapInboundOK, engine.ReapTimerSend)
		}
	}
	r.scheduled(s, x, state)
}

// stepAsking asks the next pair of the question, or ends the mode if there is none.
func (r *Explorer) stepAsking(s *engine.Session, x *exploration) {
	if x.state == engine.ReapOperational {
		// The pair before has answered.
		x.enter(s, engine.ReapInboundOK, engine.ReapTimerSend)
	}
	if x.mode == modeDoubting {
		r.stepDoubting(s, x)
		return
	}
	if len(x.question.pairs) == 0 {
		switch {
		case x.mode == modeExamining:
			r.examined(s, x)
		case x.mode == modeStandby && !x.question.again:
			// Nothing was wrong, so that a single loss proves nothing.
			x.question.again = true
			r.transmit(s, x, s.Info().Current, wire.ProbeInboundOk, 0)
			r.wait(s, x, wire.ProbeInboundOk, s.Now()+InitialProbeTimeout)
		default:
			r.unanswered(s, x)
		}
		return
	}
	pair := x.question.pairs[0]
	x.question.pairs = x.question.pairs[1:]
	if x.mode == modeExamining {
		r.transmit(s, x, pair, wire.ProbeInboundOk, x.stall.long(s, pair))
		x.question.long++
		x.stall.next = s.Now() + backoff(x.question.long, s.Random())
		r.wait(s, x, wire.ProbeInboundOk, x.stall.next)
		return
	}
	// A pair that has lost long packets is asked by one as long as those.
	length := 0
	if v := r.paths.get(pair); v != nil && !pair.SamePath(s.Info().Current) {
		length = v.tooLong
	}
	r.transmit(s, x, pair, wire.ProbeInboundOk, length)
	r.wait(s, x, wire.ProbeInboundOk, s.Now()+r.patience(s, x, pair))
}

// patience is how long the answer to a Probe of an asking mode may take. TCP has measured the
// round-trip time of the current pair, and its hint is based on that. Of other pairs nothing is
// known. The exploration that may follow is not made faster.
func (r *Explorer) patience(s *engine.Session, x *exploration, pair engine.Pair) time.Duration {
	if x.cause.trigger != ULP || pair != s.Info().Current || s.RTT() == 0 {
		return InitialProbeTimeout
	}
	return min(max(patientRTTs*s.RTT(), minPatience), InitialProbeTimeout)
}

// scheduled sends a Probe of the schedule.
func (r *Explorer) scheduled(s *engine.Session, x *exploration, state wire.ProbeState) {
	pair, length := r.pick(s, x), 0
	if x.schedule.probes < NumberOfInitialProbes && x.stall.leaves() {
		length = x.stall.long(s, pair)
	}
	r.transmit(s, x, pair, state, length)
	x.schedule.probes++
	r.wait(s, x, state, s.Now()+backoff(x.schedule.probes, s.Random()))
}

// pick takes the next pair to probe from the schedule (RFC 5534, section 4.3).
func (r *Explorer) pick(s *engine.Session, x *exploration) engine.Pair {
	c, plan := s.Info(), &x.schedule
	list := r.candidates(s, &c)
	if p := plan.first; p != (engine.Pair{}) {
		plan.first = engine.Pair{}
		plan.postpone(p)
		v := r.paths.get(p)
		if f := find(list, p); f != nil && permitted(s, p) && !f.broken && !(v.fails() && s.Now()-v.bad <= fresh) {
			return p
		}
	}
	p, ok := choose(list, plan.tried, &r.paths, x.cause.began, s.Now())
	if !ok {
		r.again(s, x)
		for !ok && len(plan.tried) > 0 {
			plan.tried = slices.Delete(plan.tried, 0, 1)
			p, ok = choose(list, plan.tried, &r.paths, x.cause.began, s.Now())
		}
		if !ok {
			p = c.Current
		}
	}
	plan.postpone(p)
	return p
}

// again prepares another round, after all pairs were tried. Pairs that have just worked for
// another context come first, then the one that was tried longest ago. Both hosts have the
// same order and began together, so one of them goes on from the middle of it: while all is
// dead, a pair that works again is then found in half the time.
func (r *Explorer) again(s *engine.Session, x *exploration) {
	plan := &x.schedule
	if c := s.Info(); !plan.secondRound && c.ULIDs.Peer.Less(c.ULIDs.Local) {
		plan.tried = fromMiddle(plan.tried)
	}
	plan.secondRound = true
	last := x.last()
	plan.tried = slices.DeleteFunc(plan.tried, func(p engine.Pair) bool {
		v := r.paths.get(p)
		if w := r.paths.get(p.Other()); w.works() && !v.works() {
			v = w
		}
		return v.works() && s.Now()-v.good <= fresh && (last == nil || !last.pair.SamePath(p))
	})
}

// backoff is the pause after so many Probes: a quarter longer each time, once the initial
// Probes are sent. RFC 5534, section 4.3, leaves the factor open. With the usual factor of
// two, an outage of a minute would be followed by a pause of another minute; with this one,
// by a pause of a quarter of a minute. A random part of up to an eighth is taken off, so that
// hosts do not fall into step (section 4.1).
func backoff(probes int, random uint64) time.Duration {
	if probes < NumberOfInitialProbes {
		return InitialProbeTimeout
	}
	d := InitialProbeTimeout
	for range probes - NumberOfInitialProbes + 1 {
		if d += d / 4; d >= MaxProbeTimeout {
			d = MaxProbeTimeout
			break
		}
	}
	return d - time.Duration(random%uint64(d/8))
}

// transmit sends a Probe, in a packet of a length in octets unless that is 0. A Probe that
// can't be sent is treated as one that was lost.
func (r *Explorer) transmit(s *engine.Session, x *exploration, pair engine.Pair, state wire.ProbeState, length int) {
	r.pace.take(s.Now())
	x.other = nil
	own := wire.ProbeReport{Source: pair.Local, Destination: pair.Peer, Nonce: uint32(s.Random() >> 32)}
	m := &wire.Probe{State: state, Sent: []wire.ProbeReport{own}, Received: slices.Clone(x.received)}
	for i := len(x.sent) - 1; i >= 0 && len(m.Sent) < wire.MaxProbeReports; i-- {
		if p := &x.sent[i]; !p.answered {
			m.Sent = append(m.Sent, wire.ProbeReport{Source: p.pair.Local, Destination: p.pair.Peer, Nonce: p.nonce})
		}
	}
	x.probedAt = s.Now()
	if len(x.sent) >= wire.MaxProbeReports {
		x.sent = slices.Delete(x.sent, 0, 1)
	}
	x.sent = append(x.sent, sent{pair: pair, nonce: own.Nonce, at: s.Now(), length: length, asks: state != wire.ProbeOperational})
	if s.SendLongProbe(pair, m, length) {
		r.stats.Probes++
		if state != wire.ProbeOperational {
			r.links.asked(s, own)
		}
	} else {
		x.last().unsent = true
	}
}
