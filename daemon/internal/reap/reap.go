// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// The protocol constants of RFC 5534, sections 4.3 and 7.
const (
	InitialProbeTimeout   = 500 * time.Millisecond
	NumberOfInitialProbes = 4
	MaxProbeTimeout       = 60 * time.Second
)

const (
	// DefaultRate is how many Probes all contexts together send in a second, and DefaultBurst
	// how many at once.
	DefaultRate  = 4000
	DefaultBurst = 256
	// DefaultHoldDown is how long a context stays with a pair before it asks whether a better
	// one works again.
	DefaultHoldDown = time.Minute
	// MaxHoldDown is the most that the hold-down grows to, while the better pair does not
	// work, or not for long.
	MaxHoldDown = time.Hour
	// DefaultMaxPaths is how many locator pairs are remembered.
	DefaultMaxPaths = 1 << 16
)

const (
	// linger is how long a context that is Operational again is remembered, because of
	// messages that are late.
	linger = 10 * time.Second
	// stable is how long a context must have stayed with a pair that it has returned to. If
	// it leaves earlier, that is flapping.
	stable = 10 * time.Minute
	// answerPause is the time from an answer to the next Probe of the schedule. Usually the
	// peer's next Probe comes before, and the answer to it serves as well.
	answerPause = InitialProbeTimeout + 100*time.Millisecond
	// vain is for how long a pair that has not answered is not used to answer by.
	vain = 5 * time.Second
	// minPatience, or patientRTTs round-trip times if that is longer, is how long an answer
	// may take where the round-trip time is known: the path may have got slower.
	minPatience = 60 * time.Millisecond
	patientRTTs = 4
	// alone is how often a connection's timer has expired when it is known that the connection is
	// stuck by itself, if others get on: had the path failed, one of those would have said so.
	alone = 2
	// hintPause is the least time from one hint that is looked into to the next. It doubles
	// with each, up to maxHintPause: the first hint may have meant nothing, and the second be
	// about the failure. An ICMPv6 error may be from anyone, so that its pause is longer.
	hintPause        = time.Second
	maxHintPause     = 2 * time.Second
	maxICMPHintPause = 8 * time.Second
)

// Config is what an Explorer needs to know. A field that is zero has its default.
type Config struct {
	// Rate is how many Probes all contexts together begin in a second, on average, and Burst
	// how many at once. Answers count, but don't wait.
	Rate, Burst int
	// HoldDown is how long a context stays with a pair before it asks a better one.
	HoldDown time.Duration
	// Standby is how often an Operational context probes the pairs that it would come to
	// first; 0 is never. Each time costs up to three Probes and as many answers, and keeps
	// contexts alive that nobody uses. So it is for few contexts that must not lose half a
	// second. Those whose programs ask for it have standbyOfSockets.
	Standby time.Duration
	// MaxPaths is how many locator pairs are remembered.
	MaxPaths int
	// OnSwitch, unless it is nil, is told of each Switch. It is called in the Engine's
	// goroutine, and the Switch is its to keep.
	OnSwitch func(*Switch)
}

// Stats are counters. They only grow, and begin at 0 with each Explorer.
type Stats struct {
	// Probes are those sent. Answers are those among them that answer a Probe of the peer, or
	// its first payload.
	Probes, Answers uint64
	// Duplicates are Probes received for the second time, and ignored.
	Duplicates uint64
	// Unbelieved are Probes received whose reports are all about Probes that were not sent, or
	// too long ago.
	Unbelieved uint64
	// Passed are Probes received and passed over, because they came by a pair that the peer is
	// to leave (see payload.go).
	Passed uint64
	// Limited are answers not sent, because there were too many.
	Limited uint64
	// Switches are those of our direction.
	Switches uint64
}

// Named returns the counters by the names that they have for users, such as "probes".
func (c Stats) Named() map[string]uint64 {
	return map[string]uint64{
		"probes": c.Probes, "answers": c.Answers, "duplicates": c.Duplicates, "unbelieved": c.Unbelieved,
		"passed-over": c.Passed, "limited": c.Limited, "switches": c.Switches,
	}
}

// Explorer is an engine.Explorer that is REAP. It belongs to one Engine, and to its goroutine.
type Explorer struct {
	config Config
	by     map[engine.ULIDs]*exploration
	// queue are the contexts that wait for a time. starts are those that would begin to probe,
	// but must wait for the pace. A context that has begun goes before them, so that something
	// is found soon that the others can use.
	queue, starts queue
	pace          pace
	paths         paths
	stats         Stats
	links         links
	// uses are the commands that wait for an answer, the oldest first.
	uses []*use
	// reported are the last Probes of peers since their contexts last were Exploring. They
	// outlive what else is remembered of a context.
	reported map[engine.ULIDs]wire.ProbeReport
	// adopted is when a context was last taken up. At that time nothing is sent before the
	// next Tick.
	adopted time.Duration
}

var _ engine.Explorer = (*Explorer)(nil)

// New returns an Explorer that knows of no contexts.
func New(c Config) *Explorer {
	if c.Rate <= 0 {
		c.Rate = DefaultRate
	}
	if c.Burst <= 0 {
		c.Burst = DefaultBurst
	}
	if c.HoldDown <= 0 {
		c.HoldDown = DefaultHoldDown
	}
	if c.MaxPaths <= 0 {
		c.MaxPaths = DefaultMaxPaths
	}
	return &Explorer{
		config: c, by: make(map[engine.ULIDs]*exploration),
		pace: newPace(c.Rate, c.Burst), paths: newPaths(c.MaxPaths),
		reported: make(map[engine.ULIDs]wire.ProbeReport),
	}
}

// Stats returns the counters.
func (r *Explorer) Stats() Stats { return r.stats }

// Size is the number of contexts of which something is remembered.
func (r *Explorer) Size() int { return len(r.by) }

// Established takes a context up as it is. One that is adopted may be exploring. Nothing is
// sent now.
func (r *Explorer) Established(s *engine.Session) {
	r.adopted = s.Now()
	if x := r.by[s.ULIDs()]; x != nil {
		if x.state == engine.ReapOperational {
			r.consider(s, x)
		}
		return
	}
	switch c := s.Info(); c.Reap {
	case engine.ReapExploring, engine.ReapInboundOK:
		r.adopt(s, c.Reap)
	default:
		if !r.possible(s) {
			x := r.make(s, engine.ReapOperational)
			r.explore(s, x, Local, "our locator in use is gone or broken", s.Now(), engine.Pair{})
			return
		}
		r.consider(s, nil)
	}
}

// Reap deals with what the kernel tells of liveness (RFC 5534, sections 6.1, 6.4 and 6.6).
func (r *Explorer) Reap(s *engine.Session, kind engine.ReapKind) {
	if !s.Info().State.Sends() {
		// There is nothing to explore with before there is a context, and others could
		// have hosts flooded by it (RFC 5534, section 8).
		return
	}
	switch kind {
	case engine.ReapSendTimeout:
		// The current pair is asked first: it may work by now, or only the other direction
		// may be broken.
		x := r.make(s, engine.ReapOperational)
		r.explore(s, x, SendTimeout, "nothing was heard for the Send Timeout", s.Now()-s.SendTimeout(), s.Info().Current)
	case engine.ReapRetransmission:
		tcp := s.Stall()
		if !r.stalled(s) && !(tcp.Progress && tcp.Retransmits >= alone) {
			r.Hint(s, engine.HintULP, "TCP retransmits")
		}
	case engine.ReapSilence:
		r.Hint(s, engine.HintSilence, "what came steadily has stopped")
	case engine.ReapUnanswered:
		r.Hint(s, engine.HintSilence, "what was answered until now is not")
		if x := r.by[s.ULIDs()]; x != nil && x.silenced() && x.question.asked < 2 {
			x.question.spare = answerSpare
		}
	case engine.ReapFeedback:
		// Whether there is a doubt now does not matter to the program, which gets no answer.
		_ = r.advice(s, "a program is not satisfied with the pair")
		// Any program can say so, and a path that has paused is not to be left for it.
		if x := r.by[s.ULIDs()]; x != nil && x.silenced() && x.question.asked < 2 {
			x.question.spare = answerSpare
		}
	case engine.ReapResumption:
		r.resumed(s)
	case engine.ReapInbound:
		x := r.make(s, engine.ReapExploring)
		if x.state != engine.ReapExploring {
			return
		}
		// The kernel is in InboundOK already, and has started its Send Timer.
		x.state, x.sendTimer, x.schedule.probes = engine.ReapInboundOK, s.Now(), 0
		r.answer(s, x, engine.Pair{})
	}
}

// Hint deals with doubts. None of them alone changes the current pair.
func (r *Explorer) Hint(s *engine.Session, kind engine.HintKind, why string) {
	x := r.by[s.ULIDs()]
	switch kind {
	case engine.HintLocal, engine.HintPeer:
		trigger := Local
		if kind == engine.HintPeer {
			trigger = PeerLocators
		}
		x = r.make(s, engine.ReapOperational)
		if x.well() {
			r.explore(s, x, trigger, why, s.Now(), engine.Pair{})
			return
		}
		x.schedule.postpone(s.Info().Current)
		r.hurry(s, x)
	case engine.HintICMP, engine.HintULP, engine.HintSilence:
		if s.Info().State != engine.Established {
			// The peer has lost the context, and so can't answer: that is what is wrong.
			// The message that says so has come by a pair that works.
			return
		}
		trigger := ICMP
		switch kind {
		case engine.HintULP:
			trigger = ULP
		case engine.HintSilence:
			trigger = Silence
		}
		x = r.make(s, engine.ReapOperational)
		if trigger == ULP && x.silenced() {
			if x.hints.due(s.Now(), ULP) {
				r.hasten(s, x, why)
			}
			return
		}
		if x.state != engine.ReapOperational || !x.hintsOf(trigger).due(s.Now(), trigger) {
			return
		}
		r.doubt(s, x, trigger, why)
	case engine.HintReserve:
		if x == nil || x.state == engine.ReapOperational {
			r.consider(s, x)
		}
	case engine.HintChanged:
		if x != nil && x.stall != nil {
			x.stall.truce.until = 0
		}
		switch {
		case x == nil || x.state == engine.ReapOperational:
			r.consider(s, x)
		case x.mode == modeExploring:
			r.hurry(s, x)
		}
	}
}

// Probe deals with a Probe of the peer (RFC 5534, sections 6.7 to 6.9).
func (r *Explorer) Probe(s *engine.Session, inbound engine.Pair, m *wire.Probe) {
	x := r.make(s, engine.ReapOperational)
	if r.deaf(s, x, inbound, m) {
		r.stats.Passed++
		return
	}
	if x.heard(m.Sent[0]) {
		r.stats.Duplicates++
		return
	}
	r.leaves(s, x, inbound, m)
	r.links.reported(s.Now(), m.Received)
	believed := r.believe(s, x, m.Received)
	late := len(m.Received) > 0 && len(believed) == 0
	if late {
		r.stats.Unbelieved++
	}
	if r.weigh(s, x, believed, inbound, m) {
		return
	}
	if late && x.mode.asks() && m.State == wire.ProbeInboundOk {
		// The peer asks as well, and reports what it has heard before. It gets its answer,
		// and the question of this host goes on.
		r.answer(s, x, inbound)
		return
	}
	if len(m.Received) == 0 && x.state != engine.ReapOperational && r.useless(s, x) {
		// The peer hears something, but not by the current pair: that is known to be of no
		// use, or the peer would have got the Probe sent by it, and report it. So the
		// context can't stay there.
		late = true
	}
	state := m.State
	if late && x.state != engine.ReapOperational && state != wire.ProbeExploring {
		// It shows that the peer is there, and no more: as one that says Exploring.
		if x.state == engine.ReapInboundOK && state == wire.ProbeOperational {
			return
		}
		state = wire.ProbeExploring
	}
	if state == wire.ProbeExploring {
		r.peerExplores(s, x, m.Sent[0])
		r.answer(s, x, inbound)
		return
	}
	timer := engine.ReapTimerKeepalive
	if state == wire.ProbeInboundOk {
		timer = engine.ReapTimerSend
	}
	if r.delivers(s, x, believed, inbound, m) {
		return
	}
	explored := x.state != engine.ReapOperational
	r.settle(s, x, believed, inbound)
	x.enter(s, engine.ReapOperational, timer)
	r.inbound(s, x, inbound, m, explored)
	r.finish(s, x)
	if r.misled(s, x) {
		return
	}
	if state == wire.ProbeInboundOk {
		r.answer(s, x, inbound)
	}
}

// useless reports whether the current pair of a context that explores has had its time: it can't be
// used, or a Probe by it has waited for an answer as long as a Probe, or this doubt, may wait.
func (r *Explorer) useless(s *engine.Session, x *exploration) bool {
	current := s.Info().Current
	v := r.paths.get(current)
	return !r.possible(s) || x.silent(current, s.Now(), InitialProbeTimeout, anyAge) ||
		x.mode == modeExploring && v.fails() && v.bad >= x.cause.began
}

// Gone forgets a context.
func (r *Explorer) Gone(s *engine.Session) {
	delete(r.reported, s.ULIDs())
	if x := r.by[s.ULIDs()]; x != nil {
		r.endUse(s, x, errGone)
		r.drop(x)
	}
}

// Tick does what is due, as far as Config.Rate lets it.
func (r *Explorer) Tick(e *engine.Engine) {
	now := e.Now()
	r.expireUses(e)
	for r.pace.ready(now) {
		x := r.starts.first()
		if r.queue.waits(now) {
			x = r.queue.first()
		}
		if x == nil {
			return
		}
		s, ok := e.Session(x.ulids)
		if !ok {
			r.drop(x)
			continue
		}
		r.stop(x)
		r.step(s, x)
	}
}

// Next is when Tick has something to do; false if there is nothing.
func (r *Explorer) Next() (time.Duration, bool) {
	x := r.starts.first()
	if y := r.queue.first(); x == nil || y != nil && y.due < x.due {
		x = y
	}
	at, ok := r.nextUse()
	if x == nil {
		return at, ok
	}
	if due := max(x.due, r.pace.next()); !ok || due < at {
		at = due
	}
	return at, true
}
