// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"slices"
	"time"

	"shim6/daemon/internal/engine"
)

// This file is about pairs that payload takes at once, before the exploration that has begun has an
// answer. The peer has confirmed them: in the doubt that the exploration ends, or, if pairs are kept
// in reserve, within their interval. So nobody can have payload sent to an address that does not want
// it (RFC 5534, section 6.9: "until a new operational address pair has been confirmed"). The pair is
// probed first, and left again if it does not answer and another one does.

// standbyOfSockets is Config.Standby of contexts whose programs ask for a pair in reserve (RFC 6316,
// section 6.3), if the configuration has none that is shorter.
const standbyOfSockets = 20 * time.Second

// standby is how often the context probes the pairs that may be needed; 0 is never.
func (r *Explorer) standby(s *engine.Session) time.Duration {
	d := r.config.Standby
	if s.Standby() && (d == 0 || d > standbyOfSockets) {
		return standbyOfSockets
	}
	return d
}

// reserve is the pair that an exploration would come to first among those that were kept in reserve
// and have answered within the interval of standby; false if there is none.
func (r *Explorer) reserve(s *engine.Session) (engine.Pair, bool) {
	standby := r.standby(s)
	if standby == 0 {
		return engine.Pair{}, false
	}
	c := s.Info()
	list := r.candidates(s, &c)
	for _, p := range r.others(s, NumberOfInitialProbes-1) {
		v, f := r.paths.get(p), find(list, p)
		if v.works() && s.Now()-v.good <= standby+NumberOfInitialProbes*InitialProbeTimeout &&
			f != nil && !f.broken && f.unfit == 0 && permitted(s, p) {
			return p, true
		}
	}
	return engine.Pair{}, false
}

// takeOver makes a pair the current one if it is confirmed: the one with which the exploration is to
// begin, or one that was kept in reserve. A stream that has stopped may be about to go on, and is
// moved to a pair in reserve alone. If no more than a program has asked for a reserve, the context,
// which it shares with others, takes a pair without an answer only where addresses or links are gone.
func (r *Explorer) takeOver(s *engine.Session, x *exploration) {
	first, from := x.schedule.first, s.Info().Current
	if first == (engine.Pair{}) || x.cause.trigger == Silence || !slices.Contains(x.confirmed, first) {
		p, ok := r.reserve(s)
		if !ok || r.config.Standby == 0 && x.cause.trigger != Local && x.cause.trigger != PeerLocators {
			return
		}
		first = p
	}
	if first.SamePath(from) || !s.SetPair(first) {
		return
	}
	x.schedule.first = first
	r.record(s, x, Switch{Trigger: x.cause.trigger, Why: x.cause.why, From: from, To: first, Outage: s.Now() - x.cause.failing})
	r.moved(s, x, from)
}
