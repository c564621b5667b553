// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"fmt"
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// This file is about pairs that carry Probes and not payload. There are two kinds. A
// path may lose long packets and tell nobody, which Probes of that length show. Or a
// firewall on it lets Shim6's messages through, and has lost track of the session:
// then only TCP knows, and the way to find out is to try another pair.

const (
	// stuck is after how many expiries of its timer without any acknowledgement a
	// connection is taken to be stuck: the first may have been for a single loss.
	stuck = 2
	// leaveAfter is after how many more, and leaveTime after how long, a pair is
	// left by which Probes of all lengths are answered.
	leaveAfter = 2
	leaveTime  = 2 * time.Second
	// defaultLong is the length to ask with if TCP's is not known: what each link
	// carries (RFC 8200, section 5).
	defaultLong = 1280
	// short is the length up to which a packet of TCP is no longer than a Probe.
	short = 160
	// longProbes is how many Probes of full length are sent by the current pair
	// before others are asked.
	longProbes = 2
	// examinePause is the least time from one examination of a pair to the next.
	// It doubles with each, up to maxExaminePause.
	examinePause    = 30 * time.Second
	maxExaminePause = 8 * time.Minute
	// avoidTime is for how long a pair that payload does not pass comes behind the
	// others, as long as what is known of a path's MTU lasts (RFC 8201, section
	// 5.3). For one that only TCP complains of it doubles each time, up to
	// maxAvoidTime.
	avoidTime    = 10 * time.Minute
	maxAvoidTime = 24 * time.Hour
	// truceTime is how long nothing is tried any more after no pair has helped. It
	// doubles each time, up to maxTruceTime.
	truceTime    = 5 * time.Minute
	maxTruceTime = 4 * time.Hour
	// deafTime is how long the peer has to answer by another pair than the one
	// that is left: that of the initial Probes, and what the last answer takes.
	deafTime = (NumberOfInitialProbes + 2) * InitialProbeTimeout
	// remember is for how long all this is remembered after it mattered.
	remember = time.Hour
)

// stall is what is remembered of a context whose TCP gets no further. The methods that
// only ask take nil for nothing.
type stall struct {
	// pair is the current pair at last, when TCP told of it, since when, and how
	// long the packets are that it sends by it.
	pair        engine.Pair
	since, last time.Duration
	length      int
	// count is how often its timer has expired, and base how often it had when the
	// pair came into use.
	count, base int
	// looks counts the examinations of the pair, the last one at lookedAt; passes
	// is whether a long Probe was answered then.
	looks    uint8
	lookedAt time.Duration
	passes   bool
	// next is when the next long Probe is due.
	next time.Duration
	// left are pairs that were left though Probes were answered, and silent those
	// by which the peer sent then. Both are avoided until then. times counts how
	// often that was so.
	left, silent []engine.Pair
	until        time.Duration
	times        uint8
	// tried are all pairs that were left, to be tried again after all others.
	tried []engine.Pair
	// leaving: an exploration is about this; until deafUntil nothing is taken that
	// comes by the silent pairs.
	leaving   bool
	deafUntil time.Duration
	// rounds counts how often no pair has helped, and truce is until when none is
	// tried any more.
	rounds uint8
	truce  time.Duration
}

// grown is a time that has doubled n-1 times, up to a most.
func grown(least time.Duration, n uint8, most time.Duration) time.Duration {
	return min(least<<min(n-1, 16), most)
}

// leaves reports whether an exploration is about payload that does not arrive.
func (t *stall) leaves() bool { return t != nil && t.leaving }

// long is the length of a Probe that is to be like TCP's packets; 0 if the peer has
// answered none of these.
func (t *stall) long(s *engine.Session, pair engine.Pair) int {
	if t.leaving && !t.passes {
		return 0
	}
	u := s.ULIDs()
	plain := engine.Pair{Local: u.Local, Peer: u.Peer}
	if t.pair == plain && pair != plain {
		return t.length + wire.PayloadHeaderLen
	}
	return t.length
}

// avoids reports whether a pair was left though Probes are answered.
func (t *stall) avoids(pair engine.Pair, now time.Duration) bool {
	return t != nil && now < t.until && slices.Contains(t.left, pair)
}

// past is when nothing has to be remembered any more; 0 for never.
func (t *stall) past() time.Duration {
	if t == nil {
		return 0
	}
	return max(t.last, t.until) + remember
}

// unfit is until when a pair is remembered not to carry payload, 0 if it is not. What is
// known of lengths is a matter of the path, and any context's; what TCP complained of is
// only that one's. x is nil if nothing is remembered of the context.
func (r *Explorer) unfit(x *exploration, pair engine.Pair, now time.Duration) time.Duration {
	var until time.Duration
	if x != nil && x.stall.avoids(pair, now) {
		until = x.stall.until
	}
	if r.paths.long {
		if v := r.paths.get(pair); v != nil && v.tooLong > 0 && now < v.tooLongAt+avoidTime {
			until = max(until, v.tooLongAt+avoidTime)
		}
	}
	return until
}

// stalled deals with TCP that retransmits, and reports whether there is nothing more to
// do about it. A connection that is stuck has the current pair examined. If that is found
// to carry long Probes as well, or no pair is, and none of the context's connections gets
// on, the pair is left after a while all the same: nothing is lost by it.
func (r *Explorer) stalled(s *engine.Session) bool {
	tcp, c, now := s.Stall(), s.Info(), s.Now()
	if tcp.Retransmits < stuck || c.State != engine.Established {
		return false
	}
	x := r.make(s, engine.ReapOperational)
	if x.state != engine.ReapOperational || x.long > 0 {
		return true
	}
	if x.stall == nil {
		x.stall = &stall{}
	}
	t := x.stall
	if t.pair != c.Current {
		t.pair, t.looks, t.passes = c.Current, 0, false
		t.base, t.since = t.count, now
	}
	if tcp.Retransmits <= t.base || tcp.Retransmits == stuck {
		// Another connection than before, or the same has got on meanwhile.
		t.base, t.since = 0, now
	}
	if tcp.Retransmits == stuck {
		t.rounds, t.truce = 0, 0
	}
	t.last, t.count, t.length = now, tcp.Retransmits, tcp.Length
	if t.length == 0 {
		t.length = defaultLong
	}
	vain := t.count - t.base
	if vain < stuck {
		return false
	}
	if t.looks == 0 || now-t.lookedAt >= grown(examinePause, t.looks, maxExaminePause) {
		t.looks, t.lookedAt = min(t.looks+1, 16), now
		if t.length > short {
			r.look(s, x)
			return true
		}
	}
	enough := stuck + leaveAfter
	if x.returned && now-x.returnedAt < time.Minute {
		// It worked by the pair before.
		enough--
	}
	if tcp.Progress || now < t.truce || now-t.since < leaveTime || vain < enough {
		return false
	}
	r.leave(s, x)
	return true
}

// look examines the current pair, once it is known to answer Probes as they are.
func (r *Explorer) look(s *engine.Session, x *exploration) {
	if v := r.paths.get(s.Info().Current); v.works() && s.Now()-v.good <= fresh {
		r.examine(s, x)
		return
	}
	r.ask(s, x, ULP, "TCP retransmits", nil)
	x.stuck = true
}

// examine asks the current pair, and then others, by Probes that are as long as TCP's
// packets, until one is answered.
func (r *Explorer) examine(s *engine.Session, x *exploration) {
	t, c := x.stall, s.Info()
	x.begin(Payload, fmt.Sprintf("packets of %d octets are lost, and shorter ones arrive", t.length), s.Now())
	x.failing, x.failed = t.since, true
	x.soft, x.long = true, t.length
	x.check = append(slices.Repeat([]engine.Pair{c.Current}, longProbes), r.others(s, NumberOfInitialProbes)...)
	x.state, x.sendTimer = engine.ReapInboundOK, s.Now()
	s.SetReap(engine.ReapInboundOK, engine.ReapTimerSend)
	r.soon(s, x)
}

// examining reports whether an examination goes on after a Probe of the peer. It ends
// with the first long Probe that was answered; if that was sent by another pair, payload
// goes by that one from now on, and what has not answered is remembered.
func (r *Explorer) examining(s *engine.Session, x *exploration) bool {
	c := s.Info()
	found := (*sent)(nil)
	for i := range x.sent {
		p := &x.sent[i]
		if p.length > 0 && p.at >= x.began && p.answered && (found == nil || p.pair == c.Current) {
			found = p
		}
	}
	switch {
	case found == nil:
		if x.place == 0 {
			r.at(x, max(s.Now(), x.stall.next))
		}
		return true
	case found.pair == c.Current:
		x.stall.passes = true
		return false
	}
	for i := range x.sent {
		p := &x.sent[i]
		if p.length > 0 && p.at >= x.began && !p.answered && s.Now()-p.at >= InitialProbeTimeout {
			r.paths.loses(p.pair, p.length, s.Now())
		}
	}
	if s.SetPair(found.pair) {
		x.pinned, x.returnAt = false, 0
		r.record(s, x, Switch{Trigger: x.trigger, Why: x.why, From: c.Current, To: found.pair, Outage: s.Now() - x.failing})
	}
	return false
}

// examined ends an examination in which no long Probe was answered: all paths lose them,
// or the peer does not take them. So nothing is known by it.
func (r *Explorer) examined(s *engine.Session, x *exploration) {
	x.stall.passes = false
	x.clearCheck()
	x.state = engine.ReapOperational
	s.SetReap(engine.ReapOperational, engine.ReapTimerSend)
	r.finish(s, x)
}

// leave explores for another pair than the current one, which answers Probes. The peer
// has to help, for what it sends may get lost in the same way: it is told that nothing is
// heard, and Probes that come by its present pair are passed over for a while, so that
// it finds another, too.
func (r *Explorer) leave(s *engine.Session, x *exploration) {
	t, c := x.stall, s.Info()
	if s.Now() >= t.until {
		t.left, t.silent = nil, nil
	}
	if len(t.left) == 0 {
		t.times = min(t.times+1, 16)
	}
	t.until = s.Now() + grown(avoidTime, t.times, maxAvoidTime)
	t.left = append(t.left, c.Current)
	if !slices.Contains(t.tried, c.Current) {
		t.tried = append(t.tried, c.Current)
	}
	list := r.candidates(s, &c)
	if len(t.left) > NumberOfInitialProbes || !slices.ContainsFunc(list, func(p candidate) bool { return p.unfit == 0 && !p.broken }) {
		r.giveUp(s, x)
		return
	}
	if !slices.ContainsFunc(list, func(p candidate) bool { return !slices.Contains(t.tried, p.Pair) }) {
		t.tried = []engine.Pair{c.Current}
	}
	if !slices.Contains(t.silent, c.Inbound) {
		t.silent = append(t.silent, c.Inbound)
	}
	t.leaving, t.deafUntil = true, s.Now()+deafTime
	r.explore(s, x, Payload, "TCP gets no answer, and Probes do", t.since, engine.Pair{})
}

// hasLeft sees what has come of leave, and reports whether something else was begun. If
// only the peer has moved, that may have been what was needed.
func (r *Explorer) hasLeft(s *engine.Session, x *exploration) bool {
	t, c := x.stall, s.Info()
	t.leaving = false
	moved := !slices.Contains(t.silent, c.Inbound)
	t.silent = slices.DeleteFunc(t.silent, func(p engine.Pair) bool { return p == c.Inbound })
	return !moved && slices.Contains(t.left, c.Current) && r.giveUp(s, x)
}

// giveUp is for TCP that no pair has helped. So the fault is somewhere else, or
// everywhere; the context returns to the best pair, and stays there for a while. It
// reports whether there is another to return to.
func (r *Explorer) giveUp(s *engine.Session, x *exploration) bool {
	t := x.stall
	t.left, t.silent = nil, nil
	t.rounds = min(t.rounds+1, 16)
	t.truce = s.Now() + grown(truceTime, t.rounds, maxTruceTime)
	pairs, _, _ := r.better(s)
	if len(pairs) == 0 {
		return false
	}
	r.ask(s, x, Payload, "no other pair has helped TCP", pairs)
	x.better = true
	return true
}

// deaf reports whether a Probe of the peer is passed over: because it has come by a pair
// that the peer is to leave, or, later, because the peer wants to go back by another pair
// than the one that it has found. A peer that explores has lost that one, and is heard.
//
// While it leaves, both directions are to go by the same pair: with one each, hosts that
// know only that something is lost could try all others and never the two that work.
func (r *Explorer) deaf(s *engine.Session, x *exploration, inbound engine.Pair, m *wire.Probe) bool {
	t := x.stall
	if t == nil || len(t.silent) == 0 {
		return false
	}
	if !t.leaving {
		return x.state == engine.ReapOperational && m.State != wire.ProbeExploring && s.Now() < t.until && inbound != s.Info().Inbound
	}
	if u := s.ULIDs(); m.State == wire.ProbeExploring && u.Peer.Less(u.Local) {
		// Both leave at the same time, each with pairs of its own in mind: one follows.
		t.deafUntil = s.Now()
	}
	switch {
	case s.Now() >= t.deafUntil:
		return false
	case slices.Contains(t.silent, inbound):
		return true
	case m.State == wire.ProbeExploring:
		// The answer goes by the same pair.
		return false
	}
	return !slices.ContainsFunc(m.Received, func(p wire.ProbeReport) bool {
		return p.Source == inbound.Local && p.Destination == inbound.Peer
	})
}
