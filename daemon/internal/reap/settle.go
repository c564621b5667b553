// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// believe returns the pairs of those reports that are of Probes that we have sent, by
// these pairs (RFC 5534, section 8): so the peer is at the other end.
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
		if !slices.Contains(x.answered, pair) {
			x.answered = append(x.answered, pair)
		}
	}
	return believed
}

// possible reports whether nothing is known to speak against the current pair.
func (r *Explorer) possible(s *engine.Session) bool {
	c := s.Info()
	list := r.candidates(s, &c)
	current := find(list, c.Current)
	return current != nil && (!current.broken || list[0].broken)
}

// settle chooses the current pair from those that the peer has got something by (RFC
// 5534, sections 6.8 and 6.9): the one that there is, if it can be, or the best. If the
// last one is left for its payload, it is the one by which the answer has come.
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
	case x.soft && x.better:
		if current != nil && best.compare(current) >= 0 {
			return
		}
	case x.soft, slices.Contains(believed, c.Current) && current != nil && !current.broken && current.unfit == 0:
		return
	}
	if !s.SetPair(best.Pair) {
		return
	}
	sw := Switch{Trigger: x.trigger, Why: x.why, From: c.Current, To: best.Pair}
	now := s.Now()
	if x.failed {
		sw.Outage = now - x.failing
	}
	r.record(s, x, sw)
	x.returnAt = 0
	if x.soft {
		x.returned, x.returnedAt, x.returns = true, now, 0
	} else if x.returned && now-x.returnedAt < stable {
		x.flaps = min(x.flaps+1, 8)
	} else {
		x.flaps = 0
	}
}

// inbound notes by which pair the peer sends. Operational comes by the pair that the
// peer has chosen; before that it is known only if the last one is out of question.
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
		trigger, why = x.trigger, x.why
	}
	r.record(s, x, Switch{Inbound: true, Trigger: trigger, Why: why, From: from, To: pair})
}

// finish is for a context that is Operational: it is remembered for a while, and what
// is left to do is.
func (r *Explorer) finish(s *engine.Session, x *exploration) {
	if x.owes {
		r.at(x, s.Now())
		return
	}
	if x.standby && len(x.check) > 1 {
		// More are to be asked.
		r.at(x, s.Now()+InitialProbeTimeout)
		return
	}
	if x.long > 0 && r.examining(s, x) {
		return
	}
	if x.better && !(x.returned && x.returnedAt == s.Now()) {
		x.returns = min(x.returns+1, 8)
	}
	r.asked(s, x)
	stuck := x.stuck
	x.clearCheck()
	x.probes, x.tried, x.first, x.failed = 0, nil, engine.Pair{}, false
	if stuck {
		r.examine(s, x)
		return
	}
	if x.stall.leaves() && r.hasLeft(s, x) {
		return
	}
	if r.config.Standby > 0 {
		x.standbyAt = s.Now() + r.config.Standby
	}
	r.consider(s, x)
}

// hold is how long to stay where one is, spread so that not all contexts look at
// once.
func (r *Explorer) hold(s *engine.Session, x *exploration) time.Duration {
	n := min(x.flaps+x.returns, 8)
	d := min(r.config.HoldDown<<n, MaxHoldDown)
	return d + time.Duration(s.Random()%uint64(d/4+1))
}

// better are the pairs that a context should rather have than the current one, the
// best first, but no more than three. now says that it should not wait for them, and
// later, unless it is 0, when there may be more.
func (r *Explorer) better(s *engine.Session) (pairs []engine.Pair, now bool, later time.Duration) {
	c := s.Info()
	if len(c.LocalLocators) < 2 && len(c.PeerLocators) < 2 {
		return nil, false, 0
	}
	list := r.candidates(s, &c)
	current := find(list, c.Current)
	if current != nil {
		// What others have found does not have a context leave that gets on.
		as := *current
		as.unfit = 0
		current = &as
	}
	for i := range list {
		p := list[i]
		if p.broken || len(pairs) == 3 {
			break
		}
		until := p.unfit
		p.unfit = 0
		switch {
		case p.Pair == c.Current || current != nil && p.compare(current) >= 0:
		case until == 0:
			pairs = append(pairs, p.Pair)
		case later == 0 || until < later:
			later = until
		}
	}
	l, ok := s.Local(c.Current.Local)
	return pairs, ok && (l.Preference.Flags&wire.FlagTransient != 0 || l.Policy == engine.PolicyNever), later
}

// consider sees whether an Operational context has the pair that it should have, and
// if not, when to look for it. x is nil if nothing is remembered.
func (r *Explorer) consider(s *engine.Session, x *exploration) {
	pairs, now, later := r.better(s)
	if x != nil && x.pinned {
		pairs, later = nil, 0
	}
	if x == nil {
		if len(pairs) == 0 && later == 0 && r.config.Standby == 0 {
			return
		}
		x = r.make(s, engine.ReapOperational)
		if r.config.Standby > 0 {
			x.standbyAt = s.Now() + r.config.Standby
		}
	}
	switch {
	case len(pairs) == 0 && later == 0:
		x.returnAt = 0
	case len(pairs) == 0:
		x.returnAt = max(later, s.Now()+r.hold(s, x))
	case x.returnAt == 0 && now && x.returns == 0 && x.flaps == 0:
		x.returnAt = s.Now()
	case x.returnAt == 0 || x.returnAt <= s.Now():
		x.returnAt = s.Now() + r.hold(s, x)
	}
	r.rest(s, x)
}

// rest waits for what there is to do of an Operational context.
func (r *Explorer) rest(s *engine.Session, x *exploration) {
	if x.use != nil {
		r.at(x, s.Now()+InitialProbeTimeout)
		return
	}
	at := s.Now() + linger
	if len(x.sent) == 0 && len(x.received) == 0 && x.hints == 0 {
		at = 0
	}
	if x.returned && s.Now()-x.returnedAt < stable && at == 0 {
		at = x.returnedAt + stable
	}
	for _, t := range []time.Duration{x.returnAt, x.standbyAt, x.stall.past()} {
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

// idle is step of an Operational context.
func (r *Explorer) idle(s *engine.Session, x *exploration) {
	now := s.Now()
	if past := x.stall.past(); past != 0 && past <= now {
		x.stall = nil
	}
	switch {
	case x.use != nil:
		r.want(s, x)
	case x.standby && len(x.check) > 1, x.long > 0:
		x.soft, x.state, x.sendTimer = true, engine.ReapInboundOK, now
		s.SetReap(engine.ReapInboundOK, engine.ReapTimerSend)
		r.stepSoft(s, x)
	case x.returnAt != 0 && x.returnAt <= now:
		pairs, soon, _ := r.better(s)
		if len(pairs) == 0 || x.pinned {
			r.consider(s, x)
			return
		}
		t, why := Return, "a better pair may work again"
		if soon {
			t, why = Deprecated, "our locator in use is deprecated, or its interface not to be used"
		}
		r.ask(s, x, t, why, pairs)
		x.better = true
	case x.standbyAt != 0 && x.standbyAt <= now:
		x.standbyAt = now + r.config.Standby
		if pairs := r.others(s, NumberOfInitialProbes-1); len(pairs) > 0 {
			r.ask(s, x, Return, "pairs that may be needed are asked", pairs)
			x.standby = true
			return
		}
		r.rest(s, x)
	default:
		if l := x.last(); l == nil || now-l.at >= linger {
			r.noteReport(x)
			x.reset()
			x.answered, x.hints = nil, 0
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

// PathState is what is known of a locator pair.
type PathState string

// The states of a Path.
const (
	Unknown PathState = "unknown"
	Working PathState = "working"
	Failed  PathState = "failed"
	Probing PathState = "probing"
	// NoPayload: Probes pass, and payload does not.
	NoPayload PathState = "no-payload"
)

// Path is a locator pair of a context, by which it might send.
type Path struct {
	engine.Pair
	State            PathState
	Current, Inbound bool
	// LastGood is when the peer last said that a Probe had come by this pair, of
	// whichever context, if HasLastGood.
	LastGood    time.Duration
	HasLastGood bool
	// RTT is how long the answer took, 0 if it is not known.
	RTT time.Duration
	// Local is ours and Peer the peer's locator.
	Local engine.LocalLocator
	Peer  engine.PeerLocator
}

// Paths are the locator pairs of a context, the best first, and then those that can't
// be used.
func (r *Explorer) Paths(s *engine.Session) []Path {
	c := s.Info()
	list := r.candidates(s, &c)
	x := r.by[c.ULIDs]
	var out []Path
	add := func(pair engine.Pair) {
		p := Path{Pair: pair, State: Unknown, Current: pair == c.Current, Inbound: pair == c.Inbound}
		p.Local, _ = s.Local(pair.Local)
		if i := slices.IndexFunc(c.PeerLocators, func(l engine.PeerLocator) bool { return l.Address == pair.Peer }); i >= 0 {
			p.Peer = c.PeerLocators[i]
		}
		v := r.paths.get(pair)
		if v != nil {
			p.LastGood, p.HasLastGood, p.RTT = v.good, v.hasGood, v.rtt
		}
		switch {
		case x != nil && x.state != engine.ReapOperational && x.last() != nil && x.last().pair == pair && !x.last().answered:
			p.State = Probing
		case v.fails():
			p.State = Failed
		case r.unfit(x, pair, s.Now()) != 0:
			p.State = NoPayload
		case v.works() || p.Current && (x == nil || x.state == engine.ReapOperational):
			p.State = Working
		}
		if p.Local.Preference.Flags&wire.FlagBroken != 0 || !p.Local.Address.IsValid() {
			p.State = Failed
		}
		out = append(out, p)
	}
	for i := range list {
		add(list[i].Pair)
	}
	for _, a := range c.LocalLocators {
		for i := range c.PeerLocators {
			if pair := (engine.Pair{Local: a, Peer: c.PeerLocators[i].Address}); find(list, pair) == nil {
				add(pair)
			}
		}
	}
	return out
}
