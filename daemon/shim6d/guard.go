// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"time"

	"shim6/daemon/control"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/reap"
)

const (
	// guardPause is how long after an event a round over all contexts begins, and guardStep the
	// pause between the parts of a round, of guardSlice contexts each. So the loop spends a few
	// hundredths of its time on rounds at most, and does not wait for one.
	guardPause = 250 * time.Millisecond
	guardStep  = 50 * time.Millisecond
	guardSlice = 100
	// guardDoubt is how long a context has no protection before anybody is told. A link that is set
	// up again takes its addresses away for a moment.
	guardDoubt = time.Second
)

// guard is the part that notices which contexts lose their protection. It looks at all of them after
// something has happened, some at a time.
type guard struct {
	still
	*core
	session *session
	history *history
	alarms  *alarms
	// guarded are the contexts that are or were protected.
	guarded map[engine.ULIDs]*guarded
	// lost counts those that are told to have lost it.
	lost int
	// todo are those to look at in this round. at is when to go on, or to begin a round; 0 for
	// never.
	todo  []engine.ULIDs
	at    time.Duration
	round uint32
	// again: there were events since the round began.
	again bool
}

// guarded is a context that is or was protected.
type guarded struct {
	// since is when the protection was missed; 0 if it is there.
	since time.Duration
	lost  bool
	// round is the last round in which the context was there.
	round uint32
}

func (g *guard) String() string { return "guard" }

func (g *guard) Next() time.Duration { return earliest(g.at) }

// happened says that the engine has had an event.
func (g *guard) happened() {
	if g.at == 0 {
		g.at = g.now() + guardPause
	}
	g.again = true
}

func (g *guard) Due(now time.Duration) error {
	if !isDue(g.at, now) {
		return nil
	}
	if len(g.todo) == 0 {
		g.begin()
	}
	n := min(len(g.todo), guardSlice)
	for _, u := range g.todo[:n] {
		g.look(u, now)
	}
	if g.todo = g.todo[n:]; len(g.todo) > 0 {
		g.at = now + guardStep
		return nil
	}
	g.todo = nil
	g.end(now)
	return nil
}

// begin begins a round.
func (g *guard) begin() {
	g.round++
	g.again = false
	for u := range g.session.engine.Names() {
		g.todo = append(g.todo, u)
	}
}

// end forgets contexts that are gone, and says when the next round is.
func (g *guard) end(now time.Duration) {
	gone, doubted := false, false
	for u, x := range g.guarded {
		switch {
		case x.round != g.round:
			gone = gone || x.lost
			g.forget(u)
		case x.since != 0 && !x.lost:
			doubted = true
		}
	}
	if gone {
		g.alarms.restored(nil, g.lost)
	}
	switch {
	case g.again:
		g.at = now + guardPause
	case doubted:
		g.at = now + guardDoubt
	default:
		g.at = 0
	}
}

// forget forgets a context.
func (g *guard) forget(u engine.ULIDs) {
	if x := g.guarded[u]; x != nil && x.lost {
		g.lost--
	}
	delete(g.guarded, u)
}

// look notes whether a context is protected. One that can't send at the moment is left as it was.
func (g *guard) look(u engine.ULIDs, now time.Duration) {
	s, ok := g.session.engine.Session(u)
	if !ok {
		return
	}
	x := g.guarded[u]
	if x != nil {
		x.round = g.round
	}
	if !s.Info().State.Sends() {
		return
	}
	p := g.session.explorer.Protection(s)
	switch {
	case p.Protected() && x == nil:
		g.guarded[u] = &guarded{round: g.round}
	case p.Protected():
		if x.lost {
			g.lost--
			g.tell(msgRestored, u, p)
			g.alarms.restored([]control.Protection{protectionOf(nameOf(u), p)}, g.lost)
		}
		x.since, x.lost = 0, false
	case x == nil || x.lost:
		// It never was protected, or that is told.
	case x.since == 0:
		x.since = now
	case now-x.since >= guardDoubt:
		x.lost = true
		g.lost++
		g.tell(msgUnprotected, u, p)
		g.alarms.unprotected(protectionOf(nameOf(u), p), g.lost)
	}
}

// tell logs and keeps that a context has lost its protection, or has it again.
func (g *guard) tell(what string, u engine.ULIDs, p reap.Protection) {
	about := append(attributes(u), "protection", p.String())
	if what == msgUnprotected {
		g.log.Warn(what, about...)
	} else {
		g.log.Info(what, about...)
	}
	g.history.change(control.Change{Name: nameOf(u), Why: what + ": " + p.String()})
}
