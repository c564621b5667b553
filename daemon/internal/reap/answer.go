// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"math"
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// This file has the Probes sent and received of a context, and the answers to the peer's.

// reset forgets the Probes of before (RFC 5534, section 5.2).
func (x *exploration) reset() { x.sent, x.before, x.received = nil, nil, nil }

// lately is how long before the peer said that it explores a Probe may have been sent that it has
// got since it began.
const lately = time.Second

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

// last is the Probe that was sent last, nil if there is none.
func (x *exploration) last() *sent {
	if len(x.sent) == 0 {
		return nil
	}
	return &x.sent[len(x.sent)-1]
}

// tries is how many Probes were sent, those with the other encapsulation not counted.
func (x *exploration) tries() int {
	n, paired := len(x.sent), 0
	for i := range x.sent {
		if x.sent[i].paired {
			paired++
		}
	}
	return n - paired/2
}

// anyAge is more than the age of any Probe.
const anyAge = time.Duration(math.MaxInt64)

// silent reports whether a Probe by a pair has no answer and is at least so old, but not as
// old as most: an old silence says little.
func (x *exploration) silent(p engine.Pair, now, least, most time.Duration) bool {
	return slices.ContainsFunc(x.sent, func(q sent) bool {
		age := now - q.at
		return q.pair == p && !q.answered && age >= least && age < most
	})
}

// noteReport keeps the last Probe of the peer for as long as the context does not explore: a
// Probe that asks for an answer must report one (RFC 5534, section 5.2).
func (r *Explorer) noteReport(x *exploration) {
	if n := len(x.received); n > 0 {
		r.reported[x.ulids] = x.received[n-1]
	}
}

// keepReport forgets all Probes of before except the last of the peer's. Older ones may tell
// the peer of pairs that it has left since.
func (r *Explorer) keepReport(x *exploration) {
	r.noteReport(x)
	x.reset()
	if p, ok := r.reported[x.ulids]; ok {
		x.received = []wire.ProbeReport{p}
	}
}

// answer sends the Probe that one of the peer's by a pair, or its first payload, asks for.
// pair is zero for payload. The next Probe of the schedule waits a little.
func (r *Explorer) answer(s *engine.Session, x *exploration, pair engine.Pair) {
	if !x.reply.limit.allow(s.Now()) {
		r.stats.Limited++
		if x.place == 0 {
			r.at(x, s.Now()+answerPause)
		}
		return
	}
	x.reply.due, x.reply.to = true, pair
	r.stop(x)
	if r.idleNow(s.Now()) {
		r.pay(s, x)
		return
	}
	r.at(x, s.Now())
}

// pay sends the answer that is due. It says the state that the context has now.
func (r *Explorer) pay(s *engine.Session, x *exploration) {
	x.reply.due = false
	r.stats.Answers++
	if x.state == engine.ReapOperational {
		r.transmit(s, x, r.answerPair(s, x, wire.ProbeOperational), wire.ProbeOperational, 0)
		r.finish(s, x)
		return
	}
	r.transmit(s, x, r.answerPair(s, x, wire.ProbeInboundOk), wire.ProbeInboundOk, 0)
	if x.mode == modeDoubting {
		r.at(x, max(s.Now(), x.question.until))
		return
	}
	r.at(x, s.Now()+answerPause)
}

// answerPair is the pair by which to answer. Operational goes by the current pair, InboundOk
// by the pair of the peer's Probe, in reverse; but not by one that has been silent lately, if
// there is another.
func (r *Explorer) answerPair(s *engine.Session, x *exploration, state wire.ProbeState) engine.Pair {
	c, back := s.Info(), x.reply.to
	list := r.candidates(s, &c)
	silent := func(p engine.Pair) bool {
		return x.silent(p, s.Now(), InitialProbeTimeout*3/4, vain)
	}
	possible := find(list, back) != nil
	if state == wire.ProbeOperational {
		if possible && silent(c.Current) && !silent(back) || find(list, c.Current) == nil && possible {
			return back
		}
		return c.Current
	}
	if possible && !silent(back) {
		x.schedule.postpone(back)
		return back
	}
	return r.pick(s, x)
}
