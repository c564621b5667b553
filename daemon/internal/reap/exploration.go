// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// exploration is what is remembered of a context that explores, has done so lately, or
// is not where it should be.
type exploration struct {
	ulids engine.ULIDs
	state engine.ReapState

	// due is when step is called, if place is not 0.
	due   time.Duration
	seq   uint64
	place int
	in    *queue
	// owes: an answer is due, which waits for others, to a Probe by a pair.
	owes bool
	owed engine.Pair

	// What it explores for, since when, and since when payload may be lost, which
	// means something if failed.
	trigger        Trigger
	why            string
	began, failing time.Duration
	failed         bool
	// probes counts those sent by the schedule; gap is the pause after the last.
	probes int
	// first is the pair to begin with, if not zero, and tried are those that
	// need not be probed before the others were, longest ago first. turned: there
	// was a second round.
	first  engine.Pair
	tried  []engine.Pair
	turned bool
	// soft: nothing is known to be wrong. The pairs of check are then probed, one
	// after another, and if none answers it is an exploration. better: the
	// context goes to one of them that is better than the current one.
	// standby: all are to be asked.
	soft, better, standby bool
	check                 []engine.Pair
	// stuck: once the current pair has answered, it is asked by longer packets.
	// long is how long these are, while pairs are examined.
	stuck bool
	long  int
	// stall is what TCP has told of payload that does not arrive; nil if nothing.
	stall *stall
	// probedAt is when the last Probe was sent. sent are the last ones, and received the reports of the peer's.
	sent     []sent
	probedAt time.Duration
	received []wire.ProbeReport
	answers  bucket
	answered []engine.Pair
	// sendTimer is when the kernel's Send Timer was last started in InboundOk.
	sendTimer time.Duration

	// hints counts those that were looked into lately, the last one at hintAt.
	hints  uint8
	hintAt time.Duration

	// pinned: the operator wants this pair. use is a command that waits for an answer.
	pinned bool
	use    *use
	// returnedAt is when the context went to a better pair, if returned; flaps
	// counts how often that was soon left, and returns how often none could be
	// reached since.
	returnedAt     time.Duration
	returned       bool
	flaps, returns uint8
	// returnAt and standbyAt are when it is due to look; 0 for never.
	returnAt, standbyAt time.Duration
}

// sent is a Probe that was sent.
type sent struct {
	pair     engine.Pair
	nonce    uint32
	at       time.Duration
	answered bool
	// length is that of the packet, if it was longer than the message.
	length int
}

// begin notes what an exploration is for.
func (x *exploration) begin(t Trigger, why string, now time.Duration) {
	x.trigger, x.why, x.began = t, why, now
	x.probes, x.tried, x.turned, x.answered, x.failed = 0, nil, false, nil, false
	x.first, x.owes = engine.Pair{}, false
	x.clearCheck()
}

func (x *exploration) clearCheck() {
	x.check, x.soft, x.better, x.standby = nil, false, false, false
	x.stuck, x.long = false, 0
}

// reset forgets the Probes of before (RFC 5534, section 5.2).
func (x *exploration) reset() { x.sent, x.received = nil, nil }

// suspect puts a pair behind the others.
func (x *exploration) suspect(p engine.Pair) {
	if !slices.Contains(x.tried, p) {
		x.tried = append(x.tried, p)
	}
}

// heard remembers a Probe of the peer, and reports whether it had come before.
func (x *exploration) heard(p wire.ProbeReport) bool {
	if slices.Contains(x.received, p) {
		return true
	}
	if len(x.received) >= wire.MaxProbeReports {
		x.received = slices.Delete(x.received, 0, 1)
	}
	x.received = append(x.received, p)
	return false
}

// unanswered reports whether a Probe by a pair has had no answer for as long as it is
// waited for.
func (x *exploration) unanswered(p engine.Pair, now time.Duration) bool {
	return slices.ContainsFunc(x.sent, func(q sent) bool { return q.pair == p && !q.answered && now-q.at >= InitialProbeTimeout })
}

// last is the Probe that was sent last, nil if there is none.
func (x *exploration) last() *sent {
	if len(x.sent) == 0 {
		return nil
	}
	return &x.sent[len(x.sent)-1]
}

// explore is to find out that there is a problem (RFC 5534, section 6.4). failing is
// since when, and first the pair to begin with, if not zero. What was sent before is
// not believed any more: it may have worked then.
func (r *Explorer) explore(s *engine.Session, x *exploration, t Trigger, why string, failing time.Duration, first engine.Pair) {
	if x.state == engine.ReapOperational || x.soft {
		x.begin(t, why, s.Now())
		x.failing, x.failed = failing, true
	}
	x.reset()
	delete(r.reported, x.ulids)
	x.pinned, x.first, x.owes = false, first, false
	x.clearCheck()
	if x.stall.leaves() {
		x.tried = slices.Clone(x.stall.tried)
	}
	if current := s.Info().Current; first != current {
		x.suspect(current)
	}
	x.state = engine.ReapExploring
	s.SetReap(engine.ReapExploring, engine.ReapTimerNone)
	r.soon(s, x)
}

// ask has pairs probed, and the current one after them, though there may be nothing
// wrong.
func (r *Explorer) ask(s *engine.Session, x *exploration, t Trigger, why string, pairs []engine.Pair) {
	x.begin(t, why, s.Now())
	r.keepReport(x)
	x.soft, x.check = true, append(pairs, s.Info().Current)
	x.state, x.sendTimer = engine.ReapInboundOK, s.Now()
	s.SetReap(engine.ReapInboundOK, engine.ReapTimerSend)
	r.soon(s, x)
}

// soon has the next Probe sent at once, unless others wait for it.
func (r *Explorer) soon(s *engine.Session, x *exploration) {
	now := s.Now()
	at := now
	if l := x.last(); l != nil {
		at = max(at, l.at+InitialProbeTimeout)
	} else if x.stall != nil && now-x.probedAt < InitialProbeTimeout {
		// What TCP says may come while pairs are probed for what it has said.
		at = x.probedAt + InitialProbeTimeout
	} else if !x.answers.allow(now) {
		// It begins again and again.
		at = now + InitialProbeTimeout
	}
	r.stop(x)
	switch {
	case at > now:
		r.at(x, at)
	case r.adopted != now && r.idleNow(now):
		r.step(s, x)
	default:
		r.enter(x, &r.starts, now)
	}
}

// idleNow reports whether a Probe may be sent now, and nobody waits for that.
func (r *Explorer) idleNow(now time.Duration) bool {
	return r.pace.ready(now) && !r.queue.waits(now) && r.starts.Len() == 0
}

// hurry begins the schedule anew: there is something new to try.
func (r *Explorer) hurry(s *engine.Session, x *exploration) {
	x.probes = 0
	x.tried = slices.DeleteFunc(x.tried, func(p engine.Pair) bool { return p != s.Info().Current })
	r.soon(s, x)
}

// step does what is due of a context.
func (r *Explorer) step(s *engine.Session, x *exploration) {
	now := s.Now()
	if l := x.last(); l != nil && !l.answered && x.state != engine.ReapOperational && now-l.at >= InitialProbeTimeout {
		if l.length == 0 {
			r.paths.unanswered(l.pair, l.at, now)
		} else if v := r.paths.get(l.pair); v != nil && v.tooLong > 0 {
			r.paths.loses(l.pair, v.tooLong, now)
		}
	}
	if x.owes {
		r.pay(s, x)
		return
	}
	switch x.state {
	case engine.ReapOperational:
		r.idle(s, x)
	case engine.ReapInboundOK:
		if x.soft {
			r.stepSoft(s, x)
			return
		}
		if now-x.sendTimer >= s.SendTimeout() {
			// If it had run since, it would have run out: so it was stopped,
			// and is started (RFC 5534, section 6.5).
			x.sendTimer = now
			s.SetReap(engine.ReapInboundOK, engine.ReapTimerSend)
		}
		r.scheduled(s, x, wire.ProbeInboundOk)
	case engine.ReapExploring:
		r.scheduled(s, x, wire.ProbeExploring)
	}
}

func (r *Explorer) stepSoft(s *engine.Session, x *exploration) {
	if len(x.check) > 0 {
		pair := x.check[0]
		x.check = x.check[1:]
		if x.long > 0 {
			r.transmit(s, x, pair, wire.ProbeInboundOk, x.stall.long(s, pair))
			x.probes++
			x.stall.next = s.Now() + backoff(x.probes, s.Random())
			r.at(x, x.stall.next)
			return
		}
		// A pair that has lost long packets is asked by one of these.
		length := 0
		if v := r.paths.get(pair); v != nil && pair != s.Info().Current {
			length = v.tooLong
		}
		r.transmit(s, x, pair, wire.ProbeInboundOk, length)
		r.at(x, s.Now()+r.patience(s, x, pair))
		return
	}
	if x.long > 0 {
		r.examined(s, x)
		return
	}
	// The current pair does not answer either: the peer has to help.
	if x.better {
		x.returns = min(x.returns+1, 8)
	}
	for i := range x.sent {
		x.suspect(x.sent[i].pair)
	}
	x.clearCheck()
	x.pinned, x.probes = false, len(x.sent)
	if x.trigger == ULP {
		x.probes = 0
	}
	x.failing, x.failed = x.began, true
	x.state, x.received = engine.ReapExploring, nil
	delete(r.reported, x.ulids)
	s.SetReap(engine.ReapExploring, engine.ReapTimerNone)
	r.scheduled(s, x, wire.ProbeExploring)
}

// patience is how long the answer to a Probe that was sent because of a doubt may
// take. TCP has measured the pair that is in use, and doubts by that; of others
// nothing is known. The exploration that may follow is not made faster.
func (r *Explorer) patience(s *engine.Session, x *exploration, pair engine.Pair) time.Duration {
	if rtt := s.RTT(); x.trigger == ULP && rtt != 0 && pair == s.Info().Current {
		return min(max(patientRTTs*rtt, minPatience), InitialProbeTimeout)
	}
	return InitialProbeTimeout
}

// scheduled sends the next Probe of an exploration.
func (r *Explorer) scheduled(s *engine.Session, x *exploration, state wire.ProbeState) {
	pair, length := r.pick(s, x), 0
	if x.probes < NumberOfInitialProbes && x.stall.leaves() {
		length = x.stall.long(s, pair)
	}
	r.transmit(s, x, pair, state, length)
	x.probes++
	r.at(x, s.Now()+backoff(x.probes, s.Random()))
}

// pick is the next pair to probe (RFC 5534, section 4.3).
func (r *Explorer) pick(s *engine.Session, x *exploration) engine.Pair {
	c := s.Info()
	list := r.candidates(s, &c)
	if p := x.first; p != (engine.Pair{}) {
		x.first = engine.Pair{}
		v := r.paths.get(p)
		if f := find(list, p); f != nil && !f.broken && !(v.fails() && s.Now()-v.bad <= fresh) {
			x.suspect(p)
			return p
		}
		x.suspect(p)
	}
	p, ok := choose(list, x.tried, &r.paths, x.began, s.Now())
	if !ok {
		r.again(s, x)
		for !ok && len(x.tried) > 0 {
			x.tried = slices.Delete(x.tried, 0, 1)
			p, ok = choose(list, x.tried, &r.paths, x.began, s.Now())
		}
		if !ok {
			p = c.Current
		}
	}
	x.suspect(p)
	return p
}

// again prepares another round, after all pairs were tried: the one that was tried
// longest ago comes next, but first what has just worked for another context. Both
// hosts have the same order and began together, so one goes on from its middle: while
// all is dead, a pair that is back is then found in half the time.
func (r *Explorer) again(s *engine.Session, x *exploration) {
	if c := s.Info(); !x.turned && c.ULIDs.Peer.Less(c.ULIDs.Local) {
		x.tried = fromMiddle(x.tried)
	}
	x.turned = true
	last := x.last()
	x.tried = slices.DeleteFunc(x.tried, func(p engine.Pair) bool {
		v := r.paths.get(p)
		return v.works() && s.Now()-v.good <= fresh && (last == nil || last.pair != p)
	})
}

// backoff is how long to wait after so many Probes: a quarter longer each time, once
// the first are sent. RFC 5534, section 4.3, leaves the factor open. With two, which is
// usual, an outage of a minute would be followed by a pause of another; with this one
// by a quarter of that. That a pause is not quite a whole one keeps hosts from falling
// into step (section 4.1).
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

// transmit sends a Probe, in a packet of a length unless that is 0. One that can't be
// sent is like one that was lost.
func (r *Explorer) transmit(s *engine.Session, x *exploration, pair engine.Pair, state wire.ProbeState, length int) {
	r.pace.take(s.Now())
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
	x.sent = append(x.sent, sent{pair: pair, nonce: own.Nonce, at: s.Now(), length: length})
	if s.SendLongProbe(pair, m, length) {
		r.stats.Probes++
	}
}

// answer sends the Probe that one of the peer's, or the first payload, asks for. The
// next one of the schedule waits a little.
func (r *Explorer) answer(s *engine.Session, x *exploration, inbound engine.Pair) {
	if !x.answers.allow(s.Now()) {
		r.stats.Limited++
		if x.place == 0 {
			r.at(x, s.Now()+answerPause)
		}
		return
	}
	x.owes, x.owed = true, inbound
	r.stop(x)
	if r.idleNow(s.Now()) {
		r.pay(s, x)
		return
	}
	r.at(x, s.Now())
}

// pay sends the answer that is due, by the state that there is now.
func (r *Explorer) pay(s *engine.Session, x *exploration) {
	x.owes = false
	r.stats.Answers++
	if x.state == engine.ReapOperational {
		r.transmit(s, x, r.answerPair(s, x, wire.ProbeOperational, x.owed), wire.ProbeOperational, 0)
		r.finish(s, x)
		return
	}
	r.transmit(s, x, r.answerPair(s, x, wire.ProbeInboundOk, x.owed), wire.ProbeInboundOk, 0)
	r.at(x, s.Now()+answerPause)
}

// answerPair is by which pair to answer: that of the peer's Probe, the other way
// round, unless that has been tried in vain.
func (r *Explorer) answerPair(s *engine.Session, x *exploration, state wire.ProbeState, inbound engine.Pair) engine.Pair {
	c := s.Info()
	list := r.candidates(s, &c)
	asked := func(p engine.Pair) bool {
		return slices.ContainsFunc(x.sent, func(q sent) bool {
			age := s.Now() - q.at
			return q.pair == p && !q.answered && age >= InitialProbeTimeout*3/4 && age < vain
		})
	}
	possible := find(list, inbound) != nil
	if state == wire.ProbeOperational {
		if possible && asked(c.Current) && !asked(inbound) || find(list, c.Current) == nil && possible {
			return inbound
		}
		return c.Current
	}
	if possible && !asked(inbound) {
		x.suspect(inbound)
		return inbound
	}
	return r.pick(s, x)
}
