// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"errors"
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// This file is about doubts. A host that doubts its current pair asks it, and the best other pair,
// and compares: if the other one alone is answered, or the peer doubts as well, the current pair
// has failed, and the exploration begins with the pair that is known to work. Where nothing is
// answered, the answers may have gone by a pair that has failed in the peer's direction, so the
// exploration begins with the other pair all the same. A stream that stops is often no failure: for
// that the other pair is asked later, and the current one twice if the peer is heard as always. An
// ICMPv6 error, which anyone can send, has the current pair asked alone.

const (
	// overslept is how late a Tick may be. If it is later, this host has been stopped, and what
	// has come meanwhile may still be handed over: that gets the time catchUp.
	overslept = 50 * time.Millisecond
	catchUp   = 20 * time.Millisecond
	// leastDelay is what an answer may take at least where TCP waits and another pair has answered,
	// however short the round-trip time is: the peer may have other work.
	leastDelay = 40 * time.Millisecond
)

var (
	errExplores = errors.New("the context looks for a working pair already")
	errLost     = errors.New("the context is not established: the peer has lost it, and it is being made again")
	errDoubted  = errors.New("the context was asked for its pair a moment ago")
)

// Doubt takes advice from outside: a program says that the current pair may not work. It is a hint
// like others, with the same limit: the current pair is asked, and soon the best other one, and only
// an answer moves the context. The answer to the command says only that the first Probe was sent.
func (r *Explorer) Doubt(s *engine.Session, id uint64) {
	s.Done(id, r.advice(s, "a program says that the pair may not work"))
}

// advice begins a doubt because a program has one, or says why it does not.
func (r *Explorer) advice(s *engine.Session, why string) error {
	if s.Info().State != engine.Established {
		return errLost
	}
	x := r.make(s, engine.ReapOperational)
	switch {
	case x.state != engine.ReapOperational || x.use != nil:
		return errExplores
	case !x.hintsOf(Advice).due(s.Now(), Advice):
		return errDoubted
	}
	r.doubt(s, x, Advice, why)
	return nil
}

// doubt is the transition to modeDoubting. Pairs of modeStandby that were not asked yet are asked after
// it, if nothing is wrong.
func (r *Explorer) doubt(s *engine.Session, x *exploration, t Trigger, why string) {
	h := x.hintsOf(t)
	*h = hints{count: min(h.count+1, 8), at: s.Now()}
	var left *interrupted
	if last := len(x.question.pairs) - 1; x.mode == modeStandby && last > 0 {
		left = &interrupted{x.cause.trigger, x.cause.why, x.question.pairs[:last]}
	}
	r.ask(s, x, modeDoubting, t, why, nil)
	x.question.left = left
}

// hasten makes of a doubt about a stream one about TCP, which has waited for longer than its round
// trips differ. So there is no need to wait for as long as a path may pause: a stream may just have
// ended, but TCP has something to send.
func (r *Explorer) hasten(s *engine.Session, x *exploration, why string) {
	now, q := s.Now(), &x.question
	x.hints = hints{count: min(x.hints.count+1, 8), at: now}
	x.cause.trigger, x.cause.why, x.cause.hastened = ULP, why, true
	q.spare = 0
	if q.asked == 0 {
		// The first Probe is due.
		return
	}
	if q.asked == 1 {
		r.await(s, x, now)
		return
	}
	until := q.since + r.patience(s, x, s.Info().Current)
	if slices.Contains(x.confirmed, q.first) {
		until = q.since + r.enough(s, x, nil)
	}
	if until < now {
		until = now + catchUp
	}
	r.await(s, x, max(now, min(q.until, until)))
}

// stepDoubting asks the next pair of a context that doubts, or begins to explore.
func (r *Explorer) stepDoubting(s *engine.Session, x *exploration) {
	now, q := s.Now(), &x.question
	if len(x.sent) > 0 && now-x.due > overslept && !q.caughtUp {
		q.caughtUp = true
		r.await(s, x, now+catchUp)
		return
	}
	current := s.Info().Current
	q.asked++
	if q.asked == 1 {
		q.pairs, q.since = nil, now
		r.transmit(s, x, current, wire.ProbeInboundOk, 0)
		if x.silenced() {
			patience := streamPatience
			if rtt, ok := r.rtt(current); ok {
				patience = min(max(patience, 2*rtt), maxStreamPause/2)
			}
			r.await(s, x, now+patience)
			return
		}
		q.asked = 2
	}
	if q.asked > 2 && q.spare > 0 {
		q.spare--
		if !q.again && q.first != (engine.Pair{}) {
			r.transmit(s, x, q.first, wire.ProbeInboundOk, 0)
		}
		r.askAgain(s, x, now)
		r.await(s, x, min(q.until, now+sparePatience))
		return
	}
	if q.asked > 2 {
		r.paths.unanswered(current, q.since, now)
		x.schedule.first = q.first
		// Where native messages have not passed lately, the question natively was one too many.
		if _, _, both := s.Encapsulations(q.first); both && current.Encapsulation == engine.UDP && !slices.Contains(x.confirmed, q.first) {
			x.schedule.first = q.first.By(engine.UDP)
		}
		r.unanswered(s, x)
		return
	}
	var others []engine.Pair
	// A TCP that is stuck though Probes pass learns nothing from another pair's.
	if x.cause.trigger != ICMP && (x.silenced() || s.Stall().Retransmits < stuck) {
		others = r.others(s, 1)
	}
	switch {
	case len(others) > 0:
		q.first = others[0]
		r.transmit(s, x, q.first, wire.ProbeInboundOk, 0)
	case x.silenced():
		r.transmit(s, x, current, wire.ProbeInboundOk, 0)
	}
	if x.silenced() {
		r.await(s, x, max(r.paused(s, x), now+bothSilent))
		return
	}
	r.await(s, x, now+r.patience(s, x, current))
	if len(others) == 0 {
		r.wait(s, x, wire.ProbeInboundOk, q.until)
	}
}

// await sets the time of the next step of a doubt. An answer that is due goes before, and then comes
// back to that time.
func (r *Explorer) await(s *engine.Session, x *exploration, until time.Duration) {
	x.question.until = until
	if x.reply.due {
		until = s.Now()
	}
	r.at(x, until)
}

// rtt is the round-trip time that the last answered Probe by a pair had; false if there was none.
func (r *Explorer) rtt(p engine.Pair) (time.Duration, bool) {
	v := r.paths.get(p)
	if v == nil || !v.hasGood {
		return 0, false
	}
	return v.rtt, true
}

// enough is how long the Probe by the current pair must have waited for its answer, if there is an
// answer by another pair, or the peer doubts as well.
func (r *Explorer) enough(s *engine.Session, x *exploration, answered []engine.Pair) time.Duration {
	current := s.Info().Current
	rtt, known := r.rtt(current)
	if x.silenced() {
		return min(max(bothSilent, rtt+rtt/2), maxStreamPause)
	}
	patience := r.patience(s, x, current)
	switch {
	case x.cause.trigger == ICMP:
		return patience
	case x.cause.trigger == ULP && s.RTT() != 0:
		// TCP's round-trip time may be that of the pair before this one.
		rtt = max(rtt, s.RTT())
		return min(patience, max(leastDelay, rtt+max(rtt, s.RTTDeviation())/2))
	}
	if !known && len(answered) > 0 {
		rtt, known = r.rtt(answered[0])
	}
	if !known {
		return patience
	}
	return min(patience, max(minPatience, patientRTTs*rtt))
}

// askAgain asks the current pair for the last time before an exploration, which begins no earlier
// than at a time.
func (r *Explorer) askAgain(s *engine.Session, x *exploration, earliest time.Duration) {
	q := &x.question
	q.again, q.asked = true, 2
	patience := streamPatience
	if rtt, ok := r.rtt(q.first); ok {
		patience = max(patience, 2*rtt)
	}
	r.transmit(s, x, s.Info().Current, wire.ProbeInboundOk, 0)
	r.await(s, x, max(s.Now()+patience, earliest))
}

// weigh deals with a Probe of the peer that shows a context which doubts that the peer is there, and
// does not show that the current pair works. It reports whether that was all: the doubt goes on, or
// has led to an exploration.
func (r *Explorer) weigh(s *engine.Session, x *exploration, believed []engine.Pair, inbound engine.Pair, m *wire.Probe) bool {
	c, q := s.Info(), &x.question
	asks := m.State == wire.ProbeInboundOk
	if x.mode != modeDoubting || m.State == wire.ProbeExploring || slices.Contains(x.confirmed, c.Current) {
		return false
	}
	elsewhere := inbound != c.Inbound && inbound != c.Current
	// A peer that doubts has asked its usual pair before. One that only looks at other pairs has not.
	doubts := asks && slices.ContainsFunc(m.Sent, func(p wire.ProbeReport) bool {
		return p.Source == c.Inbound.Peer && p.Destination == c.Inbound.Local
	})
	switch {
	case len(believed) > 0:
		q.first = believed[len(believed)-1]
	case doubts && elsewhere:
		q.first = inbound
	default:
		return false
	}
	if asks && q.told != inbound {
		// If both hosts doubt, each answer asks for another.
		q.told = inbound
		r.answer(s, x, inbound)
	}
	if q.asked == 0 {
		return true
	}
	enough := r.enough(s, x, believed)
	if x.silenced() && !doubts && (asks || !elsewhere) {
		// The peer is heard as always, or has no doubt.
		if !q.again {
			r.askAgain(s, x, r.paused(s, x))
		}
		return true
	}
	q.asked, q.spare = 2, 0
	until := q.since + enough
	if until < s.Now() {
		// This host may have been stopped, and the next answer may be there already.
		until = s.Now() + catchUp
	}
	if until < q.until || q.until == 0 {
		r.await(s, x, until)
	}
	return true
}
