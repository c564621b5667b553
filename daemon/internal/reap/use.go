// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

const (
	// useProbes is how often a pair that an operator wants is probed: with one of the
	// current pair they are the initial Probes of RFC 5534, section 4.3.
	useProbes = NumberOfInitialProbes - 1
	// useTimeout is how long that pair may take to answer.
	useTimeout = 5 * InitialProbeTimeout
)

var (
	errReplaced = errors.New("a later command for the same context has taken the place of this one")
	errGone     = errors.New("the context was discarded before the pair had answered: the log of shim6d says why")
)

// use is a command that waits until its pair has answered.
type use struct {
	ulids engine.ULIDs
	id    uint64
	pair  engine.Pair
	until time.Duration
	// ended: it was answered.
	ended bool
}

// Use has a context use a pair, because somebody says so, until that fails. It is probed
// before: nobody should lose sessions because he took a dead path for another.
func (r *Explorer) Use(s *engine.Session, id uint64, pair engine.Pair) {
	x := r.make(s, engine.ReapOperational)
	r.endUse(s, x, errReplaced)
	if pair == s.Info().Current && x.state == engine.ReapOperational && r.move(s, x, pair) {
		s.Done(id, nil)
		r.finish(s, x)
		return
	}
	x.use = &use{ulids: x.ulids, id: id, pair: pair, until: s.Now() + useTimeout}
	r.uses = append(r.uses, x.use)
	switch l := x.last(); {
	case x.state == engine.ReapOperational && l != nil && s.Now()-l.at < InitialProbeTimeout:
		// However often somebody wants something, Probes have their pauses.
		r.at(x, l.at+InitialProbeTimeout)
	case x.state == engine.ReapOperational:
		r.want(s, x)
	case x.soft:
		// In place of what would be asked next, when that is due.
		x.trigger, x.why = Operator, whyUse
		x.clearCheck()
		x.soft, x.check = true, append(r.wanted(x), s.Info().Current)
	default:
		// The current pair is being replaced anyway.
		x.first = pair
		r.soon(s, x)
	}
}

const whyUse = "an operator wants another pair"

func (r *Explorer) wanted(x *exploration) []engine.Pair {
	return slices.Repeat([]engine.Pair{x.use.pair}, useProbes)
}

// want has the pair of the command probed. The current one is asked after it, and if
// that answers all stays as it is.
func (r *Explorer) want(s *engine.Session, x *exploration) {
	r.ask(s, x, Operator, whyUse, r.wanted(x))
}

// move makes a pair the current one and keeps it.
func (r *Explorer) move(s *engine.Session, x *exploration, pair engine.Pair) bool {
	sw := Switch{Trigger: Operator, From: s.Info().Current, To: pair}
	if !s.SetPair(pair) {
		return false
	}
	x.pinned = true
	if x.failed {
		sw.Outage = s.Now() - x.failing
	}
	if sw.From != pair {
		r.record(s, x, sw)
	}
	return true
}

// obey moves a context to the pair that the operator wants, if it is among those that
// the peer has got something by.
func (r *Explorer) obey(s *engine.Session, x *exploration, believed []engine.Pair) bool {
	if x.use == nil || !slices.Contains(believed, x.use.pair) || !r.move(s, x, x.use.pair) {
		return false
	}
	r.endUse(s, x, nil)
	return true
}

// asked ends a command whose pair was probed in vain, while the current one has answered.
func (r *Explorer) asked(s *engine.Session, x *exploration) {
	if x.use != nil && x.soft && x.trigger == Operator && len(x.check) == 0 {
		r.endUse(s, x, noAnswer(s, x.use.pair))
	}
}

func noAnswer(s *engine.Session, pair engine.Pair) error {
	c := s.Info().Current
	return fmt.Errorf("no Probe from %v to %v was answered within %v, so payload goes on from %v to %v: see what 'shim6tool path probe %v from %v' says of that path",
		pair.Local, pair.Peer, useTimeout, c.Local, c.Peer, pair.Peer, pair.Local)
}

// endUse answers the command that waits, if there is one.
func (r *Explorer) endUse(s *engine.Session, x *exploration, err error) {
	if u := x.use; u != nil {
		x.use, u.ended = nil, true
		s.Done(u.id, err)
	}
}

// nextUse is when the oldest command that waits has waited long enough.
func (r *Explorer) nextUse() (time.Duration, bool) {
	for len(r.uses) > 0 && r.uses[0].ended {
		r.uses = r.uses[1:]
	}
	if len(r.uses) == 0 {
		r.uses = nil
		return 0, false
	}
	return r.uses[0].until, true
}

// expireUses answers commands that have waited long enough. What was sent for them
// may still be answered, but moves nothing.
func (r *Explorer) expireUses(e *engine.Engine) {
	for at, ok := r.nextUse(); ok && at <= e.Now(); at, ok = r.nextUse() {
		u := r.uses[0]
		r.uses = r.uses[1:]
		// Gone has answered those whose context is.
		if s, there := e.Session(u.ulids); there {
			r.endUse(s, r.by[u.ulids], noAnswer(s, u.pair))
		}
	}
}

// noteReport keeps the last Probe of the peer, for as long as the context does not
// explore: who asks for an answer has to report one (RFC 5534, section 5.2).
func (r *Explorer) noteReport(x *exploration) {
	if n := len(x.received); n > 0 {
		r.reported[x.ulids] = x.received[n-1]
	}
}

// keepReport forgets the Probes of before but for the last of the peer's. Older ones
// may tell the peer of pairs that it has left since.
func (r *Explorer) keepReport(x *exploration) {
	r.noteReport(x)
	x.reset()
	if p, ok := r.reported[x.ulids]; ok {
		x.received = []wire.ProbeReport{p}
	}
}
