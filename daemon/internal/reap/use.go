// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"shim6/daemon/internal/engine"
)

// This file is about modeUsing: an operator wants another pair.

const (
	// useProbes is how often a pair that an operator wants is probed. With one Probe by the
	// current pair, that makes the initial Probes of RFC 5534, section 4.3.
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
	// until is when the command fails.
	until time.Duration
	// ended: the command was answered by Session.Done.
	ended bool
}

// Use makes a context use a pair until that fails, because an operator says so. The pair is
// probed before, so that no session is lost because an operator has confused two paths.
func (r *Explorer) Use(s *engine.Session, id uint64, pair engine.Pair) {
	x := r.make(s, engine.ReapOperational)
	r.endUse(s, x, errReplaced)
	if c := s.Info(); pair.SamePath(c.Current) {
		pair = c.Current
	} else {
		pair = r.carrier(s, x, &c, pair)
	}
	if pair == s.Info().Current && x.state == engine.ReapOperational && r.move(s, x, pair) {
		s.Done(id, nil)
		r.finish(s, x)
		return
	}
	x.use = &use{ulids: x.ulids, id: id, pair: pair, until: s.Now() + useTimeout}
	r.uses = append(r.uses, x.use)
	switch l := x.last(); {
	case x.state == engine.ReapOperational && l != nil && s.Now()-l.at < InitialProbeTimeout:
		// Probes have their pauses, however often commands come.
		r.at(x, l.at+InitialProbeTimeout)
	case x.state == engine.ReapOperational:
		r.want(s, x)
	case x.mode.asks():
		r.askInstead(s, x, r.wanted(x))
	default:
		// The current pair is being replaced anyway.
		x.schedule.first = pair
		r.soon(s, x)
	}
}

const whyUse = "an operator wants another pair"

// wanted is the question of modeUsing, without the current pair.
func (r *Explorer) wanted(x *exploration) []engine.Pair {
	return slices.Repeat([]engine.Pair{x.use.pair}, useProbes)
}

// want begins modeUsing. The current pair is asked last; if only that answers, the context
// stays where it is.
func (r *Explorer) want(s *engine.Session, x *exploration) {
	r.ask(s, x, modeUsing, Operator, whyUse, r.wanted(x))
}

// move makes a pair the current one and keeps it. It reports whether the context can use it.
func (r *Explorer) move(s *engine.Session, x *exploration, pair engine.Pair) bool {
	sw := Switch{Trigger: Operator, From: s.Info().Current, To: pair}
	if !s.SetPair(pair) {
		return false
	}
	x.pinned = true
	if x.cause.failed {
		sw.Outage = s.Now() - x.cause.failing
	}
	if sw.From != pair {
		r.record(s, x, sw)
	}
	return true
}

// obey moves a context to the pair that the operator wants, if the peer has got a Probe by it.
// It reports whether it has.
func (r *Explorer) obey(s *engine.Session, x *exploration, believed []engine.Pair) bool {
	if x.use == nil {
		return false
	}
	pair, ok := answeredBy(believed, x.use.pair, x.use.pair)
	if !ok || !r.move(s, x, pair) {
		return false
	}
	r.endUse(s, x, nil)
	return true
}

// asked ends a command if all Probes of modeUsing were sent and only the current pair has
// answered.
func (r *Explorer) asked(s *engine.Session, x *exploration) {
	if x.use != nil && len(x.question.pairs) == 0 {
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

// nextUse is when the oldest command that waits has waited long enough; false if none waits.
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

// expireUses answers commands that have waited long enough. Probes sent for them may still be
// answered, but move nothing.
func (r *Explorer) expireUses(e *engine.Engine) {
	for at, ok := r.nextUse(); ok && at <= e.Now(); at, ok = r.nextUse() {
		u := r.uses[0]
		r.uses = r.uses[1:]
		// Gone has answered the commands of contexts that are gone.
		if s, there := e.Session(u.ulids); there {
			r.endUse(s, r.by[u.ulids], noAnswer(s, u.pair))
		}
	}
}
