// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"fmt"
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// This file is about pairs that carry Probes but not payload. There are two kinds of them. A
// path may lose long packets without any ICMPv6 error; Probes of that length show it. Or a
// firewall on the path lets Shim6's messages through and blocks the session, whose state it has
// lost; then only TCP notices, and the only way to find out is to try another pair.
//
// These steps follow each other while the timer of a connection expires again and again:
//
//	look    after two expiries the current pair is asked by a Probe, unless it has just
//	        answered one (modeSuspecting)
//	examine it is asked by Probes as long as TCP's packets, and then others are
//	        (modeExamining); the first that answers becomes the current pair
//	leave   if long Probes pass too, or by no pair: after two more expiries the pair is left,
//	        whatever Probes say (modeExploring, with departure.underway set)
//	giveUp  if no other pair has helped: the context goes to the best pair (modeReturning),
//	        and nothing is tried for a while

const (
	// stuck is the number of expiries of its timer, without any acknowledgement, after which a
	// connection is taken to be stuck. The first expiry may be due to a single loss.
	stuck = 2
	// leaveAfter is how many more expiries, and leaveTime how much time, must pass before a
	// pair is left by which Probes of all lengths are answered.
	leaveAfter = 2
	leaveTime  = 2 * time.Second
	// defaultLong is the length in octets to ask with if that of TCP's packets is not known:
	// every link carries it (RFC 8200, section 5).
	defaultLong = 1280
	// short is the length in octets up to which a packet of TCP is no longer than a Probe.
	short = 160
	// longProbes is how many long Probes are sent by the current pair before others are asked.
	longProbes = 2
	// examinePause is the least time from one examination of a pair to the next. It doubles
	// with each, up to maxExaminePause.
	examinePause    = 30 * time.Second
	maxExaminePause = 8 * time.Minute
	// avoidTime is for how long a pair that payload does not pass comes behind the others. It
	// is as long as a path's MTU is remembered (RFC 8201, section 5.3). For a pair that only
	// TCP complains of it doubles each time, up to maxAvoidTime.
	avoidTime    = 10 * time.Minute
	maxAvoidTime = 24 * time.Hour
	// truceTime is for how long nothing is tried after no pair has helped. It doubles each
	// time, up to maxTruceTime.
	truceTime    = 5 * time.Minute
	maxTruceTime = 4 * time.Hour
	// deafTime is how long the peer has to answer by another pair than the one that is left:
	// the time of the initial Probes, and of the last answer.
	deafTime = (NumberOfInitialProbes + 2) * InitialProbeTimeout
	// remember is for how long a stall is remembered after it mattered.
	remember = time.Hour
)

// stall is what is remembered of a context whose TCP gets no further. The methods that only
// ask accept nil, which is no stall.
type stall struct {
	complaint complaint
	// examinations are those of complaint.pair.
	examinations examinations
	// next is when the next long Probe is due.
	next time.Duration
	// departure is what is known of pairs that were left though Probes by them are answered.
	departure departure
	truce     truce
}

// complaint is what TCP has told of the current pair.
type complaint struct {
	// pair is the current pair when TCP told last, at a time.
	pair engine.Pair
	last time.Duration
	// since is when TCP first told of pair, or of the connection that waits.
	since time.Duration
	// length is that of the packets that TCP sends by pair, in octets.
	length int
	// count is how often the connection's timer has expired. base is how often it had when pair
	// came into use.
	count, base int
}

// examinations tells of those of the current pair.
type examinations struct {
	// times is their number, and at when the last one began.
	times uint8
	at    time.Duration
	// passes: the pair has answered a long Probe then.
	passes bool
}

// departure tells of pairs that were left because TCP got no answer by them.
type departure struct {
	// underway: an exploration is looking for another pair.
	underway bool
	// left are the pairs, and silent those by which the peer sent at the time. Both are avoided
	// until a time.
	left, silent []engine.Pair
	until        time.Duration
	// times counts how often pairs were left after until had passed. until grows with it.
	times uint8
	// tried are all pairs that were left, to be tried again only after all others.
	tried []engine.Pair
	// deafUntil is until when Probes that come by the silent pairs are passed over.
	deafUntil time.Duration
}

// truce tells of attempts that were given up.
type truce struct {
	// rounds counts how often no pair has helped. until is when the next pair may be left.
	rounds uint8
	until  time.Duration
}

// grown is a time that has doubled n-1 times, up to a most.
func grown(least time.Duration, n uint8, most time.Duration) time.Duration {
	return min(least<<min(n-1, 16), most)
}

// leaves reports whether the exploration is about payload that does not arrive.
func (t *stall) leaves() bool { return t != nil && t.departure.underway }

// long is the length in octets of a Probe by a pair that is to be like TCP's packets; 0 if the
// pair that is left has not answered a Probe of that length: perhaps the peer takes none.
func (t *stall) long(s *engine.Session, pair engine.Pair) int {
	if t.departure.underway && !t.examinations.passes {
		return 0
	}
	u := s.ULIDs()
	plain := engine.Pair{Local: u.Local, Peer: u.Peer}
	return t.complaint.length + max(0, overhead(pair, plain)-overhead(t.complaint.pair, plain))
}

// overhead is how many octets the headers of payload take on a pair. On the ULIDs, plain, there
// are usually none.
func overhead(pair, plain engine.Pair) int {
	switch {
	case pair.SamePath(plain):
		return 0
	case pair.Encapsulation == engine.UDP:
		return wire.PayloadHeaderLen + wire.UDPHeaderLen
	}
	return wire.PayloadHeaderLen
}

// avoids reports whether a pair was left though Probes by it are answered.
func (t *stall) avoids(pair engine.Pair, now time.Duration) bool {
	return t != nil && now < t.departure.until && slices.Contains(t.departure.left, pair)
}

// past is when the stall can be forgotten; 0 for never.
func (t *stall) past() time.Duration {
	if t == nil {
		return 0
	}
	return max(t.complaint.last, t.departure.until) + remember
}

// told notes what TCP tells, and returns how often the timer of the connection has expired
// since the context sends by pair.
func (t *stall) told(tcp engine.Stall, pair engine.Pair, now time.Duration) int {
	c := &t.complaint
	if c.pair != pair {
		c.pair, t.examinations.times, t.examinations.passes = pair, 0, false
		c.base, c.since = c.count, now
	}
	if tcp.Retransmits <= c.base || tcp.Retransmits == stuck {
		// Another connection than before, or the same one has got on meanwhile.
		c.base, c.since = 0, now
	}
	if tcp.Retransmits == stuck {
		t.truce = truce{}
	}
	c.last, c.count, c.length = now, tcp.Retransmits, tcp.Length
	if c.length == 0 {
		c.length = defaultLong
	}
	return c.count - c.base
}

// unfit is until when a pair is remembered not to carry payload, 0 if it is not. The lengths
// that a pair loses are a matter of its path, and so known for all contexts; a complaint of
// TCP counts only for its own context. x is nil if nothing is remembered of the context.
func (r *Explorer) unfit(x *exploration, pair engine.Pair, now time.Duration) time.Duration {
	var until time.Duration
	if x != nil && x.stall.avoids(pair, now) {
		until = x.stall.departure.until
	}
	if r.paths.long {
		if v := r.paths.get(pair); v != nil && v.tooLong > 0 && now < v.tooLongAt+avoidTime {
			until = max(until, v.tooLongAt+avoidTime)
		}
	}
	return until
}

// stalled deals with TCP that retransmits, and reports whether nothing more has to be done
// about it. If a connection is stuck, the current pair is examined. If long Probes pass too, or
// by no pair, and no connection of the context gets on, the pair is left after a while all the
// same: nothing is lost by it.
func (r *Explorer) stalled(s *engine.Session) bool {
	tcp, c, now := s.Stall(), s.Info(), s.Now()
	if tcp.Retransmits < stuck || c.State != engine.Established {
		return false
	}
	x := r.make(s, engine.ReapOperational)
	if x.state != engine.ReapOperational || x.mode == modeExamining {
		return true
	}
	if x.stall == nil {
		x.stall = &stall{}
	}
	t := x.stall
	expired := t.told(tcp, c.Current, now)
	if expired < stuck {
		return false
	}
	if e := &t.examinations; e.times == 0 || now-e.at >= grown(examinePause, e.times, maxExaminePause) {
		e.times, e.at = min(e.times+1, 16), now
		if t.complaint.length > short {
			r.look(s, x)
			return true
		}
	}
	enough := stuck + leaveAfter
	if x.home.returned && now-x.home.returnedAt < time.Minute {
		// Payload passed by the pair before.
		enough--
	}
	if tcp.Progress || now < t.truce.until || now-t.complaint.since < leaveTime || expired < enough {
		return false
	}
	r.leave(s, x)
	return true
}

// look examines the current pair, once that is known to answer short Probes.
func (r *Explorer) look(s *engine.Session, x *exploration) {
	if v := r.paths.get(s.Info().Current); v.works() && s.Now()-v.good <= fresh {
		r.examine(s, x)
		return
	}
	r.ask(s, x, modeSuspecting, ULP, "TCP retransmits", nil)
}

// examine is the transition from modeIdle, or from an asking mode between two questions, to
// modeExamining: the current pair, and then others, are asked by Probes as long as TCP's
// packets, until one is answered.
func (r *Explorer) examine(s *engine.Session, x *exploration) {
	t, c := &x.stall.complaint, s.Info()
	x.begin(Payload, fmt.Sprintf("packets of %d octets are lost, and shorter ones arrive", t.length), s.Now())
	x.fail(t.since)
	x.to(modeExamining, append(slices.Repeat([]engine.Pair{c.Current}, longProbes), r.others(s, NumberOfInitialProbes)...)...)
	x.enter(s, engine.ReapInboundOK, engine.ReapTimerSend)
	r.soon(s, x)
}

// examining reports whether an examination goes on after a Probe of the peer. It ends with the
// first long Probe that was answered. If that was sent by another pair, payload goes by that
// pair from now on, and the lengths that other pairs lose are remembered.
func (r *Explorer) examining(s *engine.Session, x *exploration) bool {
	c := s.Info()
	found := (*sent)(nil)
	for i := range x.sent {
		p := &x.sent[i]
		if p.length > 0 && p.at >= x.cause.began && p.answered && (found == nil || p.pair == c.Current) {
			found = p
		}
	}
	switch {
	case found == nil:
		if at := max(s.Now(), x.stall.next); x.place == 0 || x.due < at {
			r.at(x, at)
		}
		return true
	case found.pair == c.Current:
		x.stall.examinations.passes = true
		return false
	}
	for i := range x.sent {
		p := &x.sent[i]
		if p.length > 0 && p.at >= x.cause.began && !p.answered && s.Now()-p.at >= InitialProbeTimeout {
			r.paths.loses(p.pair, p.length, s.Now())
		}
	}
	if s.SetPair(found.pair) {
		x.pinned, x.home.lookAt, x.home.nativeAt = false, 0, 0
		r.record(s, x, Switch{Trigger: x.cause.trigger, Why: x.cause.why, From: c.Current, To: found.pair, Outage: s.Now() - x.cause.failing})
	}
	return false
}

// examined is the transition from modeExamining to modeIdle, if no long Probe was answered: all
// paths lose them, or the peer does not take them. So nothing is known by it.
func (r *Explorer) examined(s *engine.Session, x *exploration) {
	x.stall.examinations.passes = false
	x.to(modeIdle)
	x.enter(s, engine.ReapOperational, engine.ReapTimerSend)
	r.finish(s, x)
}

// leave explores for another pair than the current one, which answers Probes. The peer has to
// help, for the packets that it sends may get lost in the same way. So this host says that it
// hears nothing, and passes over Probes that come by the peer's present pair for a while: then
// the peer finds another pair, too.
func (r *Explorer) leave(s *engine.Session, x *exploration) {
	d, c := &x.stall.departure, s.Info()
	if s.Now() >= d.until {
		d.left, d.silent = nil, nil
	}
	if len(d.left) == 0 {
		d.times = min(d.times+1, 16)
	}
	d.until = s.Now() + grown(avoidTime, d.times, maxAvoidTime)
	d.left = append(d.left, c.Current)
	if !slices.Contains(d.tried, c.Current) {
		d.tried = append(d.tried, c.Current)
	}
	list := r.candidates(s, &c)
	if len(d.left) > NumberOfInitialProbes || !slices.ContainsFunc(list, func(p candidate) bool { return p.unfit == 0 && !p.broken }) {
		r.giveUp(s, x)
		return
	}
	if !slices.ContainsFunc(list, func(p candidate) bool { return !slices.Contains(d.tried, p.Pair) }) {
		d.tried = []engine.Pair{c.Current}
	}
	if !slices.Contains(d.silent, c.Inbound) {
		d.silent = append(d.silent, c.Inbound)
	}
	d.underway, d.deafUntil = true, s.Now()+deafTime
	r.explore(s, x, Payload, "TCP gets no answer, and Probes do", x.stall.complaint.since, engine.Pair{})
}

// hasLeft ends the exploration that leave began, and reports whether another mode was begun. If
// only the peer has moved, that may be all that was needed.
func (r *Explorer) hasLeft(s *engine.Session, x *exploration) bool {
	d, c := &x.stall.departure, s.Info()
	d.underway = false
	moved := !slices.Contains(d.silent, c.Inbound)
	d.silent = slices.DeleteFunc(d.silent, func(p engine.Pair) bool { return p == c.Inbound })
	return !moved && slices.Contains(d.left, c.Current) && r.giveUp(s, x)
}

// giveUp ends the attempts for a TCP that no pair has helped: the fault is somewhere else, or
// everywhere. The context returns to the best pair, and stays there for a while. It reports
// whether there is another pair to return to.
func (r *Explorer) giveUp(s *engine.Session, x *exploration) bool {
	t := x.stall
	t.departure.left, t.departure.silent = nil, nil
	t.truce.rounds = min(t.truce.rounds+1, 16)
	t.truce.until = s.Now() + grown(truceTime, t.truce.rounds, maxTruceTime)
	pairs, _, _ := r.better(s)
	if len(pairs) == 0 {
		return false
	}
	r.ask(s, x, modeReturning, Payload, "no other pair has helped TCP", pairs)
	return true
}

// deaf reports whether a Probe of the peer is passed over. While this host leaves, that is one
// by a pair that the peer is to leave, too. Afterwards it is one by which the peer wants to go
// back to another pair than the one that it has found; but a peer that explores has lost that
// one, and is heard.
//
// While this host leaves, both directions are to go by the same pair. With one pair each, hosts
// that know only that something is lost could try all combinations except the two that work.
func (r *Explorer) deaf(s *engine.Session, x *exploration, inbound engine.Pair, m *wire.Probe) bool {
	if x.stall == nil || len(x.stall.departure.silent) == 0 {
		return false
	}
	d := &x.stall.departure
	if !d.underway {
		return x.state == engine.ReapOperational && m.State != wire.ProbeExploring && s.Now() < d.until && inbound != s.Info().Inbound
	}
	if u := s.ULIDs(); m.State == wire.ProbeExploring && u.Peer.Less(u.Local) {
		// Both leave at the same time, each with other pairs in mind. This one follows.
		d.deafUntil = s.Now()
	}
	switch {
	case s.Now() >= d.deafUntil:
		return false
	case slices.Contains(d.silent, inbound):
		return true
	case m.State == wire.ProbeExploring:
		// The answer goes by the same pair.
		return false
	}
	return !slices.ContainsFunc(m.Received, func(p wire.ProbeReport) bool {
		return p.Source == inbound.Local && p.Destination == inbound.Peer
	})
}
