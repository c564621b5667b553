// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"shim6/daemon/control"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/reap"
)

// historySize is how many changes, and how many switches, are remembered.
const historySize = 1000

// history is what has happened lately, the oldest first. A reload does not change it.
type history struct {
	changes  recent[control.Change]
	switches recent[control.Switch]
	events   events
	tally    tally
}

// change adds a change of now.
func (h *history) change(c control.Change) {
	c.Time = time.Now()
	h.changes.add(c)
	h.events.add(control.Event{Change: &c})
}

// switched adds a switch.
func (h *history) switched(s *reap.Switch, at clock) {
	w := switchOf(s, at)
	h.switches.add(w)
	h.tally.add(s, w.Time)
	h.events.add(control.Event{Switch: &w})
}

// recent is a list of which the last historySize are kept, the oldest first.
type recent[T any] []T

func (r *recent[T]) add(v T) {
	// The list may grow to twice the size, so that its elements are moved once in
	// historySize calls.
	if l := *r; len(l) >= 2*historySize {
		*r = append(l[:0], l[len(l)-historySize:]...)
	}
	*r = append(*r, v)
}

// kept is a copy, and never nil.
func (r recent[T]) kept() []T { return append([]T{}, r[max(0, len(r)-historySize):]...) }

// clock tells the time of the day of a time of the engine's clock.
type clock func(time.Duration) time.Time

// wall is a clock that is right now.
func (c *core) wall() clock { return wallAt(time.Now(), c.now()) }

// wallAt is a clock by which now, at this time of the engine's clock, is now. It does not
// count from the start of the daemon: the engine's clock stands still while the host is
// suspended, and does not follow when the time of the day is set.
func wallAt(now time.Time, engine time.Duration) clock {
	return func(t time.Duration) time.Time { return now.Add(t - engine).Round(0).UTC() }
}

// probedText is the list of the pairs that were probed, with times of the day, for the log.
func probedText(s *reap.Switch, at clock) string {
	var list []string
	for _, p := range s.Probed {
		answered := ""
		if slices.Contains(s.Answered, p.Pair) {
			answered = " answered"
		}
		list = append(list, pairAt(p.Pair, at(p.Time))+answered)
	}
	return strings.Join(list, ", ")
}

// goodText is the list of the pairs that have worked, with times of the day, for the log.
func goodText(s *reap.Switch, at clock) string {
	var list []string
	for _, p := range s.Good {
		list = append(list, pairAt(p.Pair, at(p.Time)))
	}
	return strings.Join(list, ", ")
}

func pairAt(p engine.Pair, t time.Time) string {
	how := ""
	if p.Encapsulation != engine.Native {
		how = " " + p.Encapsulation.String()
	}
	return fmt.Sprintf("%v %v%s at %s", p.Local, p.Peer, how, t.Format(time.RFC3339Nano))
}
