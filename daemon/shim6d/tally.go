// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"cmp"
	"slices"
	"time"

	"shim6/daemon/control"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/reap"
)

// outageBounds are those of control.Outages: from what a call does not notice to what breaks TCP.
var outageBounds = []time.Duration{
	50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute,
}

// tally counts switches since the start of the daemon, of which history remembers only the last.
type tally struct {
	switches map[control.SwitchCount]uint64 // the key has no count
	outages  [10]uint64
	sum      time.Duration
	// last is when a context came to another pair, of those in history.
	last map[engine.ULIDs]time.Time
}

// add counts a switch.
func (t *tally) add(s *reap.Switch, at time.Time) {
	if t.switches == nil {
		t.switches, t.last = map[control.SwitchCount]uint64{}, map[engine.ULIDs]time.Time{}
	}
	t.switches[control.SwitchCount{Direction: direction(s), Trigger: s.Trigger.String()}]++
	if len(t.last) >= 2*historySize {
		t.forget()
	}
	t.last[s.ULIDs] = at
	if s.Inbound || s.Outage <= 0 {
		return
	}
	i, _ := slices.BinarySearch(outageBounds, s.Outage)
	t.outages[i]++
	t.sum += s.Outage
}

// forget keeps the historySize contexts that came to another pair last.
func (t *tally) forget() {
	times := make([]time.Time, 0, len(t.last))
	for _, at := range t.last {
		times = append(times, at)
	}
	slices.SortFunc(times, time.Time.Compare)
	oldest := times[len(times)-historySize]
	for u, at := range t.last {
		if at.Before(oldest) {
			delete(t.last, u)
		}
	}
}

// told are the counters as the control socket tells them.
func (t *tally) told() ([]control.SwitchCount, control.Outages) {
	switches := []control.SwitchCount{}
	for k, n := range t.switches {
		k.Count = n
		switches = append(switches, k)
	}
	slices.SortFunc(switches, func(a, b control.SwitchCount) int {
		return cmp.Or(cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.Trigger, b.Trigger))
	})
	o := control.Outages{Counts: slices.Clone(t.outages[:len(outageBounds)+1]), Sum: t.sum.Milliseconds()}
	for _, b := range outageBounds {
		o.Bounds = append(o.Bounds, b.Milliseconds())
	}
	return switches, o
}
