// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// This file is about encapsulations. The same two addresses natively and in UDP are two pairs,
// and what is known of one says nothing of the other. But they fail together far more often than
// not, so exploration goes through addresses: each Probe that is not answered soon is followed by
// one with the other encapsulation. So a network that drops IP protocol 140 costs half a pause.

// otherTimeout is how long a Probe waits for its answer before another one goes by the same
// addresses with the other encapsulation. On a path that takes longer, that one is not needed
// and does no harm: the answer to the first comes first.
const otherTimeout = InitialProbeTimeout / 2

// other is a Probe that is due unless the one before it is answered: by the same addresses, with
// the other encapsulation.
type other struct {
	pair   engine.Pair
	state  wire.ProbeState
	length int
	// due is when it is due, unless the context has something else to do by then. then is when
	// the next step after it is.
	due, then time.Duration
}

// carrier is a pair with the encapsulation to use on it: the one that is known to pass, and
// otherwise the one that the context has there, or that is usual between its networks.
func (r *Explorer) carrier(s *engine.Session, x *exploration, c *engine.Info, pair engine.Pair) engine.Pair {
	first, _, both := s.Encapsulations(pair)
	if !both {
		return pair.By(first)
	}
	native, udp := pair.By(engine.Native), pair.By(engine.UDP)
	if fit := r.unfit(x, native, s.Now()) == 0; fit != (r.unfit(x, udp, s.Now()) == 0) {
		return oneOf(fit, native, udp)
	}
	n, u := r.paths.get(native).works(), r.paths.get(udp).works()
	switch {
	case n != u:
		return oneOf(n, native, udp)
	case pair.SamePath(c.Current):
		return c.Current
	case n:
		return native
	}
	return pair.By(first)
}

func oneOf(first bool, a, b engine.Pair) engine.Pair {
	if first {
		return a
	}
	return b
}

// otherDue is when the Probe with the other encapsulation follows a Probe, the last one. A doubt may have
// asked the same pair a moment ago, by this encapsulation alone, and that was the first.
func (r *Explorer) otherDue(s *engine.Session, x *exploration, p *sent) time.Duration {
	first := p.at
	for _, l := range slices.Backward(x.sent) {
		switch {
		case !l.pair.SamePath(p.pair):
		case l.pair != p.pair:
			return p.at + otherTimeout
		case !l.answered && p.at-l.at < InitialProbeTimeout:
			first = l.at
		}
	}
	return max(first+otherTimeout, s.Now())
}

// wait sets the time of the next step after a Probe. If the Probe is not answered soon, one with
// the other encapsulation goes before.
func (r *Explorer) wait(s *engine.Session, x *exploration, state wire.ProbeState, until time.Duration) {
	p := x.last()
	// An address or a route that is gone is missed by both encapsulations.
	if first, second, both := s.Encapsulations(p.pair); both && !p.unsent && until-s.Now() >= InitialProbeTimeout {
		if p.pair.Encapsulation == second {
			second = first
		}
		due := r.otherDue(s, x, p)
		x.other = &other{pair: p.pair.By(second), state: state, length: p.length, due: due, then: until}
		until = due
	}
	r.at(x, until)
}

// stepOther sends the Probe with the other encapsulation.
func (r *Explorer) stepOther(s *engine.Session, x *exploration, o *other) {
	x.last().paired = true
	r.transmit(s, x, o.pair, o.state, o.length)
	x.last().paired = true
	r.at(x, max(s.Now(), o.then))
}

// learn notes that a Probe was answered. If it went in UDP, and one that went natively before it
// by the same addresses was not answered, that one is lost.
func (r *Explorer) learn(s *engine.Session, x *exploration, p *sent) {
	if p.pair.Encapsulation == engine.Native {
		s.Learn(p.pair)
		return
	}
	native := p.pair.By(engine.Native)
	for i := range x.sent {
		if q := &x.sent[i]; q.pair == native && !q.answered && q.asks && q.at < p.at {
			r.paths.unanswered(native, q.at, s.Now())
			s.Learn(p.pair)
			return
		}
	}
}

// answeredBy is the best of the pairs by which the peer has got a Probe, among those with the
// addresses of another; false if there is none. The current pair is the best, and then like.
func answeredBy(believed []engine.Pair, like, current engine.Pair) (engine.Pair, bool) {
	for _, p := range []engine.Pair{current, like} {
		if p.SamePath(like) && slices.Contains(believed, p) {
			return p, true
		}
	}
	i := slices.IndexFunc(believed, like.SamePath)
	if i < 0 {
		return engine.Pair{}, false
	}
	return believed[i], true
}

// permitted reports whether this host may send by the encapsulation of a pair.
func permitted(s *engine.Session, p engine.Pair) bool {
	return p.Encapsulation == engine.Native || s.UseUDP() != engine.UDPNever
}
