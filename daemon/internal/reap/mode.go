// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"fmt"
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// This file has what is remembered of one context, and every change of its mode. Two things
// are kept apart: the state of RFC 5534, which the kernel shares and Probes carry, and the
// mode, which says what this host is doing and why. docs/states.md draws both.

// mode is what the Explorer does about a context. The comment of each says what ends it, besides
// these two: a failure that becomes known here or at the peer leads from any mode to
// modeExploring, and an operator's command from modeIdle and the asking modes to modeUsing.
type mode uint8

const (
	// modeIdle: the context is Operational and no pair is asked. A hint ends it, a TCP that is
	// stuck, or the time to ask better pairs or pairs in reserve.
	modeIdle mode = iota
	// modeExploring: something is known to be wrong, here or at the peer. Probes go by all
	// pairs, by schedule (RFC 5534, section 4.3). The answer to one ends it, and modeIdle is
	// next, or modeDoubting (see delivers); nothing else does.
	modeExploring
	// The asking modes. An answer by the current pair ends them, and modeIdle is next, unless
	// it is said otherwise. If no pair answers, modeExploring is next.

	// modeDoubting: a hint says that the current pair may not work. It is asked, and so is the
	// best other one. See doubt.go.
	modeDoubting
	// modeSuspecting: TCP is stuck. The current pair is asked as in modeDoubting; if it
	// answers, modeExamining is next.
	modeSuspecting
	// modeExamining: the current pair, and then others, are asked by Probes as long as TCP's
	// packets. The first that answers becomes the current pair. Whatever answers, modeIdle is
	// next. See payload.go.
	modeExamining
	// modeReturning: pairs that are better than the current one are asked. If one answers,
	// it becomes the current pair.
	modeReturning
	// modeStandby: pairs that may be needed later are asked. The context stays where it is.
	modeStandby
	// modeUsing: the pair that an operator wants is asked. If it answers, it becomes the
	// current pair. See use.go.
	modeUsing
)

var modeNames = [...]string{"idle", "exploring", "doubting", "suspecting", "examining", "returning", "standby", "using"}

// String is the name that docs/states.md has for it.
func (m mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("mode(%d)", uint8(m))
}

// asks reports whether m is one of the asking modes: nothing is known to be wrong, and the
// pairs of a question are probed one after another. The Probes say InboundOk, so that the
// peer answers and does not explore.
func (m mode) asks() bool { return m >= modeDoubting }

// exploration is what is remembered of a context that explores, has done so lately, or is not
// where it should be. It belongs to one Explorer, and to its goroutine, as all below.
type exploration struct {
	ulids engine.ULIDs
	// slot is the place in a queue of the Explorer, which calls step when it is due.
	slot

	// state is that of RFC 5534, section 6. Only enter and the events of the kernel change
	// it. sendTimer is when the kernel's Send Timer was last started in InboundOK.
	state     engine.ReapState
	sendTimer time.Duration

	// mode is the one thing that the context is doing. Only to changes it.
	mode mode
	// cause is why modeIdle was left last.
	cause cause
	// schedule is modeExploring's.
	schedule schedule
	// question is that of the asking modes.
	question question
	// other is a Probe that is due before the next step; nil if none is.
	other *other

	// probedAt is when the last Probe was sent.
	probedAt time.Duration
	// sent are the last Probes sent, and received the reports of the peer's last ones: at
	// most wire.MaxProbeReports of each, the oldest first (RFC 5534, section 5.2).
	sent     []sent
	received []wire.ProbeReport
	// before are Probes by the current pair that were sent just before the peer said that it
	// explores. It may have got them since it began.
	before []sent
	// confirmed are the pairs that the peer has said to work since cause.began.
	confirmed []engine.Pair
	// reply is the answer to a Probe of the peer.
	reply reply

	// hints are those that were looked into; silences those about streams and answers, which the
	// kernel counts as well. Neither waits for the other: a connection that is stuck by its own
	// fault complains all the time.
	hints, silences, advices hints
	home                     home
	// standbyAt is when the next modeStandby begins; 0 for never.
	standbyAt time.Duration
	// resumed: a stream goes on that was doubted, and was the cause.
	resumed bool
	// pinned: an operator wants the current pair. use is a command that waits for an
	// answer, nil if there is none.
	pinned bool
	use    *use
	// stall is what TCP has told of payload that does not arrive; nil for nothing.
	stall *stall
}

// cause is why a context left modeIdle. It is kept in modeIdle for Switches that come late.
type cause struct {
	trigger Trigger
	why     string
	// elsewhere: the peer has begun to send by another pair. A stream that goes on says nothing of
	// the current one. resumedAt is when one went on; 0 for never.
	elsewhere bool
	resumedAt time.Duration
	// began is when modeIdle was left.
	began time.Duration
	// failing is since when payload may be lost. It has a meaning only if failed.
	failing time.Duration
	failed  bool
	// returned: the context has explored, and doubts again.
	returned bool
	// hastened: a stream had stopped, and TCP has waited as well.
	hastened bool
}

// schedule is the way of modeExploring through all pairs. An answer in InboundOK also takes
// its pair from here if the obvious one does not work.
type schedule struct {
	// probes counts those sent. The pause after the last depends on it.
	probes int
	// first is the pair to begin with, if not zero.
	first engine.Pair
	// tried are the pairs to probe only after all others, the one tried longest ago first.
	tried []engine.Pair
	// secondRound: all pairs were tried once.
	secondRound bool
}

// postpone puts a pair behind the others, whatever its encapsulation.
func (c *schedule) postpone(p engine.Pair) {
	if !slices.ContainsFunc(c.tried, p.SamePath) {
		c.tried = append(c.tried, p)
	}
}

// question is what an asking mode wants to know.
type question struct {
	// pairs are those yet to be asked, the next one first. The current pair is the last,
	// except in modeExamining, where it is the first.
	pairs []engine.Pair
	// native: modeReturning asks the current pair without UDP, and no better one.
	native bool
	// long counts the Probes of modeExamining.
	long int
	// The rest is modeDoubting's. asked counts its steps; since is when the first was, and until
	// when the next is. first is the pair to begin with if the current one has failed. told is the
	// last pair by which the peer was answered. again: the current pair was asked twice, which
	// modeStandby does as well. spare is how often more it is. caughtUp: a step has been put off.
	asked           int
	since, until    time.Duration
	first, told     engine.Pair
	again, caughtUp bool
	spare           int
	// left is asked after the doubt, if nothing is wrong; nil for nothing.
	left *interrupted
}

// interrupted is what is left of a modeStandby in which a doubt has begun.
type interrupted struct {
	trigger Trigger
	why     string
	pairs   []engine.Pair
}

// reply is the answer that a Probe of the peer, or its first payload in Exploring, asks for.
type reply struct {
	// due: the answer is not sent yet, because others wait for a token of the pace.
	due bool
	// to is the pair by which the Probe came; zero if it was payload.
	to engine.Pair
	// limit bounds the answers of this context.
	limit bucket
}

// hints counts the hints that were looked into lately, the last one at a time.
type hints struct {
	count uint8
	at    time.Duration
}

// hintsOf are those that a hint of a kind is counted with.
func (x *exploration) hintsOf(t Trigger) *hints {
	switch t {
	case Silence:
		return &x.silences
	case Advice:
		// Any program can give it, and must not use up what TCP can say.
		return &x.advices
	}
	return &x.hints
}

// due reports whether another hint may be looked into.
func (h *hints) due(now time.Duration, t Trigger) bool {
	most := maxHintPause
	if t == ICMP {
		most = maxICMPHintPause
	}
	return h.count == 0 || now-h.at >= min(hintPause<<(h.count-1), most)
}

// home is how a context comes to pairs that are better than the current one.
type home struct {
	// lookAt is when modeReturning begins; 0 for never.
	lookAt time.Duration
	// returned: the context has returned to a better pair, at returnedAt.
	returned   bool
	returnedAt time.Duration
	// flaps counts how often that pair was soon left again. failures counts how often no
	// better pair has answered since the last return.
	flaps, failures uint8
	// nativeAt is when a context in UDP asks natively; 0 for never. natives counts how often that
	// had no answer.
	nativeAt time.Duration
	natives  uint8
}

// settled reports whether the last return was long enough ago not to be called flapping.
func (h *home) settled(now time.Duration) bool { return !h.returned || now-h.returnedAt >= stable }

// sent is a Probe that was sent.
type sent struct {
	pair     engine.Pair
	nonce    uint32
	at       time.Duration
	answered bool
	// unsent: the address or the route is gone.
	unsent bool
	// length is that of the packet in octets, 0 if it was no longer than the message.
	length int
	// asks: it is to be answered. paired: there is another one that differs in the
	// encapsulation alone. lost: it was noted that there was no answer in time.
	asks, paired, lost bool
}

// make returns what is remembered of a context. If nothing was, it is from now on, with that
// state.
func (r *Explorer) make(s *engine.Session, state engine.ReapState) *exploration {
	x := r.by[s.ULIDs()]
	if x == nil {
		x = &exploration{ulids: s.ULIDs(), state: state}
		r.by[x.ulids] = x
		if state == engine.ReapOperational {
			r.at(x, s.Now()+linger)
		} else {
			x.to(modeExploring)
		}
	}
	return x
}

func (r *Explorer) drop(x *exploration) {
	r.stop(x)
	delete(r.by, x.ulids)
}

// to changes the mode. pairs are those to ask, in an asking mode.
func (x *exploration) to(m mode, pairs ...engine.Pair) {
	x.mode, x.question, x.other = m, question{pairs: pairs}, nil
	if m != modeIdle && m != modeStandby {
		x.home.nativeAt = 0
	}
}

// enter changes the state of RFC 5534, here and in the kernel, and starts one of the kernel's
// timers.
func (x *exploration) enter(s *engine.Session, state engine.ReapState, timer engine.ReapTimer) {
	x.state = state
	if state == engine.ReapInboundOK {
		x.sendTimer = s.Now()
	}
	s.SetReap(state, timer)
}

// well reports whether nothing is known to be wrong.
func (x *exploration) well() bool { return x.state == engine.ReapOperational || x.mode.asks() }

// begin notes why modeIdle is left.
func (x *exploration) begin(t Trigger, why string, now time.Duration) {
	x.cause = cause{trigger: t, why: why, began: now}
	x.schedule, x.confirmed = schedule{}, nil
	x.reply.due, x.resumed = false, false
}

// fail notes since when payload may be lost.
func (x *exploration) fail(since time.Duration) { x.cause.failing, x.cause.failed = since, true }

// The transitions. Each comment says from which modes to which, and why.

// explore is the transition from any mode to modeExploring, because this host has found a
// problem (RFC 5534, section 6.4). failing is since when there is one. first is the pair to
// begin with, if not zero. Reports about Probes sent before are no longer believed: the pair
// may have worked then.
func (r *Explorer) explore(s *engine.Session, x *exploration, t Trigger, why string, failing time.Duration, first engine.Pair) {
	if x.well() {
		x.begin(t, why, s.Now())
		x.fail(failing)
	}
	x.reset()
	delete(r.reported, x.ulids)
	x.pinned, x.schedule.first, x.reply.due = false, first, false
	x.to(modeExploring)
	if x.stall.leaves() {
		x.schedule.tried = slices.Clone(x.stall.departure.tried)
	}
	if current := s.Info().Current; !first.SamePath(current) {
		x.schedule.postpone(current)
	}
	if t == Local || t == PeerLocators {
		r.takeOver(s, x)
	}
	x.enter(s, engine.ReapExploring, engine.ReapTimerNone)
	r.soon(s, x)
}

// peerExplores is the transition from any mode to modeExploring, because a Probe of the peer
// says that the peer hears nothing (RFC 5534, section 6.7). The state becomes InboundOK: this
// host hears the peer.
func (r *Explorer) peerExplores(s *engine.Session, x *exploration, probe wire.ProbeReport) {
	if x.well() {
		x.begin(Peer, "the peer explores", s.Now())
		x.fail(s.Now())
		current := s.Info().Current
		before := slices.DeleteFunc(x.sent, func(p sent) bool { return p.pair != current || s.Now()-p.at > lately })
		x.reset()
		x.before = before
		x.heard(probe)
		x.to(modeExploring)
		r.at(x, s.Now()+answerPause)
	}
	if x.state == engine.ReapExploring {
		// The peer is there, and is helped from this Probe on (RFC 5534, section 4.2):
		// the pauses begin again. The pairs that were tried stay tried.
		x.schedule.probes = 0
		r.at(x, s.Now()+answerPause)
	}
	x.enter(s, engine.ReapInboundOK, engine.ReapTimerSend)
}

// adopt is the transition from nothing to modeExploring: the kernel has a context that
// explored when shim6d came.
func (r *Explorer) adopt(s *engine.Session, state engine.ReapState) {
	x := r.make(s, state)
	x.begin(Restart, "shim6d was restarted", s.Now())
	x.fail(s.Now())
	x.sendTimer = s.Now()
	r.at(x, s.Now())
}

// ask is the transition from modeIdle, or from an asking mode between two questions, to
// another asking mode. The pairs are probed, and the current one after them.
func (r *Explorer) ask(s *engine.Session, x *exploration, m mode, t Trigger, why string, pairs []engine.Pair) {
	x.begin(t, why, s.Now())
	r.keepReport(x)
	x.to(m, append(pairs, s.Info().Current)...)
	x.enter(s, engine.ReapInboundOK, engine.ReapTimerSend)
	r.soon(s, x)
}

// askInstead is the transition from an asking mode to modeUsing: the operator's pair is asked
// in place of the others, when the next of them would have been.
func (r *Explorer) askInstead(s *engine.Session, x *exploration, pairs []engine.Pair) {
	x.cause.trigger, x.cause.why = Operator, whyUse
	if o := x.other; o != nil {
		r.at(x, o.then)
	}
	x.to(modeUsing, append(pairs, s.Info().Current)...)
}

// unanswered is the transition from an asking mode to modeExploring: the current pair has not
// answered either, so the peer has to help. Probes sent by now may still be answered.
func (r *Explorer) unanswered(s *engine.Session, x *exploration) {
	if x.mode == modeReturning && !x.question.native {
		x.home.failures = min(x.home.failures+1, 8)
	}
	for i := range x.sent {
		x.schedule.postpone(x.sent[i].pair)
	}
	doubted := x.mode == modeDoubting
	x.to(modeExploring)
	x.pinned, x.schedule.probes = false, min(x.tries(), NumberOfInitialProbes)
	if x.cause.trigger == ULP || x.cause.trigger == Silence || x.cause.trigger == Advice {
		// The wait was shorter than the schedule's: that begins in full.
		x.schedule.probes = 0
	}
	x.fail(x.cause.began)
	if doubted {
		r.takeOver(s, x)
	}
	x.received = nil
	delete(r.reported, x.ulids)
	x.enter(s, engine.ReapExploring, engine.ReapTimerNone)
	r.scheduled(s, x, wire.ProbeExploring)
}

// finish is the transition from any mode to modeIdle, of a context that has become
// Operational. It is put off while an answer is due, and while there are more pairs to ask in
// modeStandby and modeExamining. modeIdle is left again at once for modeExamining if that was
// the purpose, for modeStandby if a doubt has interrupted that, or for modeReturning if no pair
// has helped TCP.
func (r *Explorer) finish(s *engine.Session, x *exploration) {
	switch {
	case x.reply.due:
		r.at(x, s.Now())
		return
	case x.mode == modeStandby && len(x.question.pairs) > 1:
		r.at(x, s.Now()+InitialProbeTimeout)
		return
	case x.mode == modeExamining && r.examining(s, x):
		return
	case x.mode == modeReturning && !x.question.native && !(x.home.returned && x.home.returnedAt == s.Now()):
		x.home.failures = min(x.home.failures+1, 8)
	case x.mode == modeUsing:
		r.asked(s, x)
	}
	from, left := x.mode, x.question.left
	x.to(modeIdle)
	x.schedule, x.cause.failed = schedule{}, false
	if left != nil {
		r.ask(s, x, modeStandby, left.trigger, left.why, left.pairs)
		return
	}
	if from == modeSuspecting {
		r.examine(s, x)
		return
	}
	if x.stall.leaves() && r.hasLeft(s, x) {
		return
	}
	r.consider(s, x)
}
