// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// This file is about streams that stop. A host that does not hear its peer any more can't know
// whether the path has failed, the stream has ended, or either host or the path has only paused. So
// its doubt (see doubt.go) lasts for as long as Wi-Fi and schedulers may pause, and the stream
// itself may end it.

const (
	// streamPatience is how long the current pair has to answer before another is asked too.
	streamPatience = 60 * time.Millisecond
	// streamPause is how long after the hint an exploration begins, at the earliest. Wi-Fi that
	// saves power is silent for up to 300 ms, and the hint comes 60 ms after the last packet at
	// the earliest.
	streamPause = 250 * time.Millisecond
	// maxStreamPause is the most that a long round-trip time makes of it.
	maxStreamPause = time.Second
	// bothSilent is how long a Probe must have waited for its answer if the peer doubts as well.
	bothSilent = 40 * time.Millisecond
	// answerSpare is how often more the current pair is asked if answers have stopped: unlike a
	// stream, the next answer comes too late to end the doubt, and a path may lose a few packets
	// in a hundred.
	answerSpare = 3
	// sparePatience is the most that each of these has to be answered, however long the round-trip
	// time is. Late answers count as well.
	sparePatience = 250 * time.Millisecond
)

// silenced reports whether a context doubts because its stream has stopped, or a program says what
// may be the same.
func (x *exploration) silenced() bool {
	return x.mode == modeDoubting && (x.cause.trigger == Silence || x.cause.trigger == Advice)
}

// streams reports whether a stream that stopped was what a context doubted first, or doubts.
func (x *exploration) streams() bool { return x.cause.trigger == Silence || x.cause.hastened }

// paused is when the current pair has had as long to answer as a path may pause. A program that
// doubts may be wrong about a pair whose round-trip time nobody knows.
func (r *Explorer) paused(s *engine.Session, x *exploration) time.Duration {
	pause := streamPause
	if rtt, ok := r.rtt(s.Info().Current); ok {
		pause = min(max(pause, patientRTTs*rtt), maxStreamPause)
	} else if x.cause.trigger == Advice {
		pause = maxStreamPause
	}
	return x.question.since + pause
}

// resumed deals with a stream that goes on: what this host has doubted works. Probes of the peer that
// were heard meanwhile are not reported, since the peer may have sent them by other pairs than the one
// that it uses, and is not to move to those.
func (r *Explorer) resumed(s *engine.Session) {
	x := r.by[s.ULIDs()]
	if x == nil || !x.streams() || x.cause.elsewhere {
		return
	}
	x.cause.resumedAt = s.Now()
	switch {
	case x.mode == modeDoubting && x.state != engine.ReapOperational:
		x.received = nil
		x.enter(s, engine.ReapOperational, engine.ReapTimerKeepalive)
		r.finish(s, x)
	case x.mode == modeExploring && x.state == engine.ReapExploring:
		// The kernel will say that the peer is heard, and that is told by the current pair.
		x.received, x.resumed = nil, true
		x.schedule.first = s.Info().Current
	}
}

// leaves notes that the peer says Operational by another pair than before. A stream that has just gone on
// came by that pair, too, perhaps before this Probe: it says nothing of the current pair.
func (r *Explorer) leaves(s *engine.Session, x *exploration, inbound engine.Pair, m *wire.Probe) {
	if m.State != wire.ProbeOperational {
		return
	}
	if c := s.Info(); inbound != c.Inbound && inbound != c.Current {
		x.cause.elsewhere, x.resumed = true, false
	}
}

// misled begins an exploration of a context whose doubt was ended by such a stream, if its current pair
// has not answered meanwhile. It reports whether it has.
func (r *Explorer) misled(s *engine.Session, x *exploration) bool {
	current, now := s.Info().Current, s.Now()
	if x.mode != modeIdle || x.state != engine.ReapOperational || !x.streams() || !x.cause.elsewhere ||
		x.cause.resumedAt == 0 || now-x.cause.resumedAt >= lately || slices.Contains(x.confirmed, current) ||
		!x.silent(current, now, bothSilent, lately) {
		return false
	}
	first := engine.Pair{}
	if n := len(x.confirmed); n > 0 {
		first = x.confirmed[n-1]
	}
	r.explore(s, x, Silence, x.cause.why, x.cause.began, first)
	return true
}

// delivers deals with an answer that comes by the pair that was silent, while the context explores: it
// says the same as a stream that goes on. So the doubt goes on in place of the exploration, and the
// current pair is asked, unless it has answered: but once, since the pair may work for the peer alone.
// It reports whether that was all.
func (r *Explorer) delivers(s *engine.Session, x *exploration, believed []engine.Pair, inbound engine.Pair, m *wire.Probe) bool {
	c := s.Info()
	if x.mode != modeExploring || !x.streams() || x.cause.returned || len(believed) == 0 ||
		inbound != c.Inbound || slices.Contains(x.confirmed, c.Current) {
		return false
	}
	x.resumed, x.cause.returned = false, true
	x.to(modeDoubting)
	q := &x.question
	q.first, q.told, q.since = believed[len(believed)-1], inbound, s.Now()
	x.enter(s, engine.ReapInboundOK, engine.ReapTimerSend)
	if m.State == wire.ProbeInboundOk {
		r.answer(s, x, inbound)
	}
	r.askAgain(s, x, s.Now())
	return true
}

// stays reports whether a context stays with its current pair, whatever other pairs are found to
// work: what it has doubted works, and nothing is known against its own direction.
func (x *exploration) stays(current engine.Pair, now time.Duration) bool {
	return x.resumed && !x.silent(current, now, InitialProbeTimeout, anyAge)
}
