// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// This file is about modeIdle: whether there is a better pair than the current one, when to
// ask it, and when the context is forgotten.

// hold is how long to stay with the current pair before a better one is asked. A random part
// is added, so that not all contexts ask at once.
func (r *Explorer) hold(s *engine.Session, x *exploration) time.Duration {
	return r.holdAfter(s, min(x.home.flaps+x.home.failures, 8))
}

// holdAfter is hold after so many attempts that have failed, at most 8.
func (r *Explorer) holdAfter(s *engine.Session, n uint8) time.Duration {
	d := min(r.config.HoldDown<<n, MaxHoldDown)
	return d + time.Duration(s.Random()%uint64(d/4+1))
}

// better returns the pairs that a context should rather have than the current one, the best
// first, but no more than three. If now, the context should not wait for them. later is when
// there may be more, 0 for never.
func (r *Explorer) better(s *engine.Session) (pairs []engine.Pair, now bool, later time.Duration) {
	c := s.Info()
	if len(c.LocalLocators) < 2 && len(c.PeerLocators) < 2 {
		return nil, false, 0
	}
	x := r.by[c.ULIDs]
	list := r.candidates(s, &c)
	current := find(list, c.Current)
	if current != nil {
		// A context whose payload passes does not leave because of what others have found.
		as := *current
		as.unfit = 0
		current = &as
	}
	for i := range list {
		p := list[i]
		if p.broken || len(pairs) == 3 {
			break
		}
		// If payload is lost in one encapsulation, it mostly is in the other one, too.
		until := max(p.unfit, r.unfit(x, p.Other(), s.Now()))
		p.unfit = 0
		switch {
		case p.SamePath(c.Current) || current != nil && p.compare(current) >= 0:
		case until == 0:
			pairs = append(pairs, p.Pair)
		case later == 0 || until < later:
			later = until
		}
	}
	l, ok := s.Local(c.Current.Local)
	return pairs, ok && (l.Preference.Flags&wire.FlagTransient != 0 || l.Policy == engine.PolicyNever), later
}

// consider sees whether an Operational context has the pair that it should have, and if not,
// sets the time to look for it. x is nil if nothing is remembered of the context.
func (r *Explorer) consider(s *engine.Session, x *exploration) {
	pairs, now, later := r.better(s)
	if x != nil && x.pinned {
		pairs, later = nil, 0
	}
	if x == nil {
		if _, udp := r.natively(s); len(pairs) == 0 && later == 0 && r.standby(s) == 0 && !udp {
			return
		}
		x = r.make(s, engine.ReapOperational)
	}
	switch standby := r.standby(s); {
	case standby == 0:
		x.standbyAt = 0
	case x.standbyAt == 0 || x.standbyAt > s.Now()+standby:
		x.standbyAt = s.Now() + standby
	}
	h := &x.home
	switch {
	case len(pairs) == 0 && later == 0:
		h.lookAt = 0
	case len(pairs) == 0:
		h.lookAt = max(later, s.Now()+r.hold(s, x))
	case h.lookAt == 0 && now && h.failures == 0 && h.flaps == 0:
		h.lookAt = s.Now()
	case h.lookAt == 0 || h.lookAt <= s.Now():
		h.lookAt = s.Now() + r.hold(s, x)
	}
	r.considerNative(s, x)
	r.rest(s, x)
}

// rest waits for what there is to do of an Operational context, and forgets a context of which
// nothing has to be remembered.
func (r *Explorer) rest(s *engine.Session, x *exploration) {
	if x.use != nil {
		r.at(x, s.Now()+InitialProbeTimeout)
		return
	}
	at := s.Now() + linger
	if len(x.sent) == 0 && len(x.received) == 0 && x.hints.count == 0 && x.silences.count == 0 && x.advices.count == 0 {
		at = 0
	}
	if at == 0 && !x.home.settled(s.Now()) {
		at = x.home.returnedAt + stable
	}
	for _, t := range []time.Duration{x.home.lookAt, x.home.nativeAt, x.standbyAt, x.stall.past()} {
		if t != 0 && (at == 0 || t < at) {
			at = t
		}
	}
	switch {
	case at != 0:
		r.at(x, at)
	case x.pinned:
		r.stop(x)
	default:
		r.drop(x)
	}
}

// stepIdle is step in modeIdle: it begins modeReturning or modeStandby if that is due.
func (r *Explorer) stepIdle(s *engine.Session, x *exploration) {
	now := s.Now()
	switch {
	case x.home.lookAt != 0 && x.home.lookAt <= now:
		pairs, soon, _ := r.better(s)
		if len(pairs) == 0 || x.pinned {
			r.consider(s, x)
			return
		}
		t, why := Return, "a better pair may work again"
		if soon {
			t, why = Deprecated, "our locator in use is deprecated, or its interface not to be used"
		}
		r.ask(s, x, modeReturning, t, why, pairs)
	case x.home.nativeAt != 0 && x.home.nativeAt <= now:
		r.askNatively(s, x)
	case x.standbyAt != 0 && x.standbyAt <= now:
		x.standbyAt = now + r.standby(s)
		if pairs := r.others(s, NumberOfInitialProbes-1); len(pairs) > 0 {
			r.ask(s, x, modeStandby, Return, "pairs that may be needed are asked", pairs)
			return
		}
		r.rest(s, x)
	default:
		if l := x.last(); l == nil || now-l.at >= linger {
			r.noteReport(x)
			x.reset()
			x.confirmed, x.hints.count, x.silences.count, x.advices.count = nil, 0, 0, 0
		}
		r.rest(s, x)
	}
}

// others are the first n pairs that an exploration would try besides the current one.
func (r *Explorer) others(s *engine.Session, n int) []engine.Pair {
	c := s.Info()
	list := r.candidates(s, &c)
	tried := []engine.Pair{c.Current}
	for len(tried) <= n {
		p, ok := choose(list, tried, &r.paths, s.Now(), s.Now())
		if !ok {
			break
		}
		tried = append(tried, p)
	}
	return tried[1:]
}
