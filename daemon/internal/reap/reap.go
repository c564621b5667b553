// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"container/heap"
	"net/netip"
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
	// DefaultRate and DefaultBurst are how many Probes are sent a second, by all
	// contexts together, and at once.
	DefaultRate  = 4000
	DefaultBurst = 256
	// DefaultHoldDown is how long a context stays with a pair before it looks
	// whether a better one works again.
	DefaultHoldDown = time.Minute
	// MaxHoldDown is the most that it grows to while the better one does not, or
	// not for long.
	MaxHoldDown = time.Hour
	// DefaultMaxPaths is how many locator pairs are remembered.
	DefaultMaxPaths = 1 << 16
)

const (
	// linger is how long a context that is Operational again is remembered, for
	// what is late.
	linger = 10 * time.Second
	// stable is for how long a context must have stayed with a pair that it has
	// returned to, for that not to be called flapping.
	stable = 10 * time.Minute
	// answerPause is how long after an answer the next Probe of the schedule is
	// sent, if the peer's next one, whose answer serves as well, does not come.
	answerPause = InitialProbeTimeout + 100*time.Millisecond
	// vain is for how long a pair that has had no answer is not taken for one.
	vain = 5 * time.Second
	// minPatience and patientRTTs are how long an answer may take where the
	// round-trip time is known: the path may have got slower.
	minPatience = 60 * time.Millisecond
	patientRTTs = 4
	// hintPause is the least time from one hint that is looked into to another. It
	// doubles with each, up to maxHintPause: the first may have been for nothing,
	// and the second be the failure.
	hintPause    = time.Second
	maxHintPause = 8 * time.Second
)

// Config is what an Explorer needs to know. What is zero has its default.
type Config struct {
	// Rate is how many Probes a second all contexts begin, on average, and Burst
	// how many at once. Answers count, but don't wait.
	Rate, Burst int
	// HoldDown is how long a context stays before it looks for a better pair.
	HoldDown time.Duration
	// Standby is how often an Operational context probes the pairs that it
	// would come to first; 0 is never. Each time that costs up to three Probes
	// and as many answers, and it keeps contexts alive that nobody uses: so it
	// is for few contexts that must not lose half a second.
	Standby time.Duration
	// MaxPaths is how many locator pairs are remembered.
	MaxPaths int
	// OnSwitch, unless it is nil, is told of each Switch.
	OnSwitch func(*Switch)
}

// Stats are counters.
type Stats struct {
	// Probes were sent, Answers among them for Probes of the peer.
	Probes, Answers uint64
	// Duplicates came for the second time.
	Duplicates uint64
	// Unbelieved messages had reports of none but Probes that were not sent.
	Unbelieved uint64
	// Passed over were those by a pair that the peer is to leave.
	Passed uint64
	// Limited answers were not sent, for there were too many.
	Limited uint64
	// Switches are those of our direction.
	Switches uint64
}

// Explorer is an engine.Explorer that is REAP. It belongs to one Engine, and its goroutine.
type Explorer struct {
	config Config
	by     map[engine.ULIDs]*exploration
	// queue are those that wait for a time, and starts those that would begin, but
	// must wait for others: who has begun goes on first, so that something is
	// found soon that the others can use.
	queue, starts queue
	pace          pace
	paths         paths
	stats         Stats
	// uses are the commands that wait for an answer, the oldest first.
	uses []*use
	// reported are the last Probes of peers since their contexts last were Exploring,
	// where no more is remembered.
	reported map[engine.ULIDs]wire.ProbeReport
	// adopted is when a context was last taken up: nothing is sent then, but by
	// the next Tick.
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

// Size is of how many contexts something is remembered.
func (r *Explorer) Size() int { return len(r.by) }

// Established takes a context up where it is: one that is adopted may explore. It
// sends nothing.
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
		x := r.make(s, c.Reap)
		x.begin(Restart, "shim6d was started anew", s.Now())
		x.failing, x.failed, x.sendTimer = s.Now(), true, s.Now()
		r.at(x, s.Now())
	default:
		if !r.possible(s) {
			x := r.make(s, engine.ReapOperational)
			r.explore(s, x, Local, "our locator in use is gone or broken", s.Now(), engine.Pair{})
			return
		}
		r.consider(s, nil)
	}
}

// Reap deals with what the kernel tells (RFC 5534, sections 6.1, 6.4 and 6.6).
func (r *Explorer) Reap(s *engine.Session, kind engine.ReapKind) {
	if !s.Info().State.Sends() {
		// There is nothing to explore with before there is a context, and it
		// would be of use to others (RFC 5534, section 8).
		return
	}
	switch kind {
	case engine.ReapSendTimeout:
		// The current pair is the first to be asked: it may work by now, or
		// only the other direction be broken.
		x := r.make(s, engine.ReapOperational)
		r.explore(s, x, SendTimeout, "nothing was heard for the Send Timeout", s.Now()-s.SendTimeout(), s.Info().Current)
	case engine.ReapRetransmission:
		if !r.stalled(s) {
			r.Hint(s, engine.HintULP, "TCP retransmits")
		}
	case engine.ReapInbound:
		x := r.make(s, engine.ReapExploring)
		if x.state != engine.ReapExploring {
			return
		}
		x.state, x.sendTimer, x.probes = engine.ReapInboundOK, s.Now(), 0
		r.answer(s, x, engine.Pair{})
	}
}

// Hint deals with doubts. None of them switches anything.
func (r *Explorer) Hint(s *engine.Session, kind engine.HintKind, why string) {
	x := r.by[s.ULIDs()]
	switch kind {
	case engine.HintLocal, engine.HintPeer:
		trigger := Local
		if kind == engine.HintPeer {
			trigger = PeerLocators
		}
		x = r.make(s, engine.ReapOperational)
		if x.state == engine.ReapOperational || x.soft {
			r.explore(s, x, trigger, why, s.Now(), engine.Pair{})
			return
		}
		x.suspect(s.Info().Current)
		r.hurry(s, x)
	case engine.HintICMP, engine.HintULP:
		if s.Info().State != engine.Established {
			// The peer has lost the context, and so can't answer: that is what
			// is wrong, and it has come by a pair that works.
			return
		}
		trigger := ICMP
		if kind == engine.HintULP {
			trigger = ULP
		}
		x = r.make(s, engine.ReapOperational)
		if x.state != engine.ReapOperational || x.hints > 0 && s.Now()-x.hintAt < min(hintPause<<(x.hints-1), maxHintPause) {
			return
		}
		x.hints, x.hintAt = min(x.hints+1, 8), s.Now()
		r.ask(s, x, trigger, why, nil)
	case engine.HintChanged:
		if x != nil && x.stall != nil {
			x.stall.truce = 0
		}
		if x != nil && x.state != engine.ReapOperational {
			if !x.soft {
				r.hurry(s, x)
			}
			return
		}
		r.consider(s, x)
	}
}

// Probe deals with a Probe (RFC 5534, sections 6.7 to 6.9).
func (r *Explorer) Probe(s *engine.Session, source, destination netip.Addr, m *wire.Probe) {
	x := r.make(s, engine.ReapOperational)
	inbound := engine.Pair{Local: destination, Peer: source}
	if r.deaf(s, x, inbound, m) {
		r.stats.Passed++
		return
	}
	if x.heard(m.Sent[0]) {
		r.stats.Duplicates++
		return
	}
	believed := r.believe(s, x, m.Received)
	explored := x.state != engine.ReapOperational
	late := len(m.Received) > 0 && len(believed) == 0
	if late {
		r.stats.Unbelieved++
	}
	if len(m.Received) == 0 && explored && (!r.possible(s) || x.unanswered(s.Info().Current, s.Now())) {
		// The peer sees something, but not by the current pair, which we know to
		// be of no use, or by which it would have a Probe. So it is not left
		// unchanged.
		late = true
	}
	state := m.State
	if late && len(m.Received) > 0 && x.soft && state == wire.ProbeInboundOk {
		// The peer asks as well, and reports what it has heard before. It gets its
		// answer, and what is asked here goes on.
		r.answer(s, x, inbound)
		return
	}
	if late && x.state != engine.ReapOperational && state != wire.ProbeExploring {
		// It shows that the peer is there, and no more.
		if x.state == engine.ReapInboundOK && state == wire.ProbeOperational {
			return
		}
		state = wire.ProbeExploring
	}
	switch state {
	case wire.ProbeExploring:
		if x.state == engine.ReapOperational || x.soft {
			x.begin(Peer, "the peer explores", s.Now())
			x.failing, x.failed = s.Now(), true
			x.reset()
			x.heard(m.Sent[0])
			r.at(x, s.Now()+answerPause)
		}
		if x.state == engine.ReapExploring {
			// The peer is there: this is the first Probe from which on it is
			// helped (RFC 5534, section 4.2). What was tried stays tried.
			x.probes = 0
			r.at(x, s.Now()+answerPause)
		}
		x.state, x.sendTimer = engine.ReapInboundOK, s.Now()
		s.SetReap(engine.ReapInboundOK, engine.ReapTimerSend)
		r.answer(s, x, inbound)
	case wire.ProbeInboundOk, wire.ProbeOperational:
		timer := engine.ReapTimerKeepalive
		if state == wire.ProbeInboundOk {
			timer = engine.ReapTimerSend
		}
		r.settle(s, x, believed, inbound)
		s.SetReap(engine.ReapOperational, timer)
		x.state = engine.ReapOperational
		r.inbound(s, x, inbound, m.State, explored)
		r.finish(s, x)
		if state == wire.ProbeInboundOk {
			r.answer(s, x, inbound)
		}
	}
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

// Next is when Tick has something to do.
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

// at has step called at a time, in place of any other.
func (r *Explorer) at(x *exploration, due time.Duration) { r.enter(x, &r.queue, due) }

func (r *Explorer) enter(x *exploration, q *queue, due time.Duration) {
	r.stop(x)
	q.seq++
	x.due, x.seq, x.in = due, q.seq, q
	heap.Push(q, x)
}

func (r *Explorer) stop(x *exploration) {
	if x.place > 0 {
		heap.Remove(x.in, x.place-1)
	}
}

func (r *Explorer) drop(x *exploration) {
	r.stop(x)
	delete(r.by, x.ulids)
}

// make is what is remembered of a context, with the state if nothing was.
func (r *Explorer) make(s *engine.Session, state engine.ReapState) *exploration {
	x := r.by[s.ULIDs()]
	if x == nil {
		x = &exploration{ulids: s.ULIDs(), state: state}
		r.by[x.ulids] = x
		if state == engine.ReapOperational {
			r.at(x, s.Now()+linger)
		}
	}
	return x
}
