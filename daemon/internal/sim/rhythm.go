// SPDX-License-Identifier: BSD-3-Clause

package sim

import "time"

// rhythm is a model of kernel/rhythm.c: what the kernel knows of the stream that a context hears.
// It does the same, in the same order, and has the same names. TestRhythmVectors and a case in a
// guest compare both with tests/selftests/rhythm_vectors.txt.
type rhythm struct {
	// hz is how many jiffies a second has. All times are in jiffies.
	hz int64
	// tell is called with true if the stream has stopped, and with false if it goes on.
	tell func(silence bool)
	// matters reports whether the daemon could do anything about a silence.
	matters func() bool
	// The fields of the context.
	lastHeard, gap, pause, beats int64
	silences                     hints
	// watched says whether the context has the rest, which is that of struct shim6_rhythm. due is
	// when the timer fires.
	watched                         bool
	due, window, usual, late, since int64
	steady, calm                    int
	stopped, told, waits, moved     bool
}

const (
	rhythmBeats  = 8
	rhythmSteady = 4
	rhythmCalm   = 480
	rhythmBurst  = 3
)

// jiffies is a time that has passed since before every world, so it is never 0.
func (r *rhythm) jiffies(t time.Duration) int64 {
	return int64(t) / (int64(time.Second) / r.hz)
}

// next is when the timer fires.
func (r *rhythm) next() time.Duration {
	return time.Duration(r.due) * time.Second / time.Duration(r.hz)
}

func (r *rhythm) maxGap() int64 { return r.hz * 15 / 100 }

func (r *rhythm) limit() int64 {
	if r.steady < rhythmSteady {
		return r.maxGap()
	}
	return max(3*r.usual, r.hz*6/100, r.pause)
}

func (r *rhythm) at(now, at int64) {
	r.late = at + (at-now)/8 + max(r.hz/50, 2)
	r.due = at
}

// hints is struct shim6_hints: how many hints were told lately, and since when they are counted down.
type hints struct{ since, told int64 }

// count is shim6_rhythm_count.
func (h *hints) count(now, hz int64) bool {
	gone := (now - h.since) / (120 * hz)
	if gone < h.told {
		h.told -= gone
		h.since += gone * 120 * hz
	} else {
		h.told, h.since = 0, now
	}
	if h.told >= rhythmBurst {
		return false
	}
	h.told++
	return true
}

// heard is shim6_rhythm_heard and what follows from it: payload has come.
func (r *rhythm) heard(now int64) {
	if r.lastHeard == now {
		return
	}
	gap := now - r.lastHeard
	r.lastHeard = now
	if gap > r.gap || !r.watched {
		r.beat(now, gap)
	}
}

func (r *rhythm) beat(now, gap int64) {
	if r.watched && r.stopped {
		r.resume(gap)
		return
	}
	r.gap = max(r.gap, gap)
	switch {
	case r.watched:
	case gap > r.maxGap():
		r.beats = 0
	case r.beats < rhythmBeats:
		r.beats++
	case r.matters():
		r.watched, r.gap = true, 0
		r.usual, r.steady, r.calm, r.stopped, r.told, r.waits = 0, 0, 0, false, false, false
		r.since, r.window = now, now+r.hz/4
		r.at(now, now+r.maxGap()+1)
	}
}

func (r *rhythm) resume(gap int64) {
	r.stopped = false
	if !r.moved {
		r.pause = max(r.pause, min(gap+gap/4, 2*r.hz))
	}
	r.gap = 0
	if r.told {
		r.tell(false)
	}
}

// timer is the timer of a context that is watched.
func (r *rhythm) timer(now int64) {
	goesOn := false
	switch {
	case r.stopped:
		if goesOn = now < r.window; goesOn {
			r.at(now, now+r.hz/4)
		}
	default:
		if r.waits {
			r.waits, r.calm, r.window = false, 0, now+r.hz/4
		}
		goesOn = r.look(now)
	}
	if !goesOn {
		r.beats, r.watched = 0, false
	}
}

func (r *rhythm) look(now int64) bool {
	if !r.matters() {
		return false
	}
	if now > r.late {
		r.since = now
	}
	from := max(r.since, r.lastHeard)
	if now-from > r.limit() {
		if r.steady < rhythmSteady {
			return false
		}
		r.at(now, now+r.hz/4)
		r.told, r.gap, r.waits, r.stopped, r.window = r.silences.count(now, r.hz), 0, true, true, now+3*r.hz
		r.moved = false
		if r.told {
			r.tell(true)
		}
		return true
	}
	if now >= r.window && !r.pass(now) {
		return false
	}
	r.at(now, min(from+r.limit()+1, r.window))
	return true
}

func (r *rhythm) pass(now int64) bool {
	r.usual, r.gap = max(r.usual-(r.usual+7)/8, r.gap), 0
	r.window = now + r.hz/4
	if r.steady < rhythmSteady {
		r.steady++
	}
	if r.calm++; r.calm >= rhythmCalm {
		r.calm = 0
		r.pause -= r.pause / 4
	}
	return r.usual <= 3*r.maxGap()
}

// forgive is called when packets go or come by another locator pair.
func (r *rhythm) forgive() { r.silences.told, r.pause, r.moved = 0, 0, true }
