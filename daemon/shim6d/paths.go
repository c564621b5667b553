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

// switched logs and keeps that a context has come to another locator pair. The times of
// the day are those of now: they are not reckoned again when somebody asks, so that a
// switch has the same in all answers.
func (d *daemon) switched(s *reap.Switch) {
	at := d.wall()
	d.log.Info("path", append(attributes(s.ULIDs),
		"direction", direction(s), "trigger", s.Trigger, "why", s.Why,
		"from-local", s.From.Local, "from-peer", s.From.Peer, "to-local", s.To.Local, "to-peer", s.To.Peer,
		"probed", probedText(s, at), "last-good", goodText(s, at), "outage", s.Outage)...)
	d.paths.add(switchOf(s, at))
}

// probedText and goodText are lists for the log: of pairs, with times of the day.
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

func goodText(s *reap.Switch, at clock) string {
	var list []string
	for _, p := range s.Good {
		list = append(list, pairAt(p.Pair, at(p.Time)))
	}
	return strings.Join(list, ", ")
}

func pairAt(p engine.Pair, t time.Time) string {
	return fmt.Sprintf("%v %v at %s", p.Local, p.Peer, t.Format(time.RFC3339Nano))
}

// clock tells the time of the day of a time of the engine's clock.
type clock func(time.Duration) time.Time

// wall is a clock that is right now.
func (d *daemon) wall() clock { return wallAt(time.Now(), d.now()) }

// wallAt reckons from now, which is so much by the engine's clock, and not from the
// start: the engine's clock stands still while the host is suspended, and does not
// follow when the time of the day is set.
func wallAt(now time.Time, engine time.Duration) clock {
	return func(t time.Duration) time.Time { return now.Add(t - engine).Round(0).UTC() }
}

// switches are those that are kept, as the control socket has them.
func (d *daemon) switches() []control.Switch {
	return d.paths.kept()
}

// allPaths are the locator pairs of all contexts that can use them.
func (d *daemon) allPaths() []control.Path {
	list, at := []control.Path{}, d.wall()
	for c := range d.engine.Contexts() {
		s, ok := d.engine.Session(c.ULIDs)
		if !ok || !c.State.Sends() {
			continue
		}
		for _, p := range d.explorer.Paths(s) {
			list = append(list, pathOf(c.ULIDs, p, at))
		}
	}
	return list
}

// protection is what a context would have if its provider failed, if there is one that
// can send.
func (d *daemon) protection(u engine.ULIDs) (p reap.Protection, ok bool) {
	s, ok := d.engine.Session(u)
	if !ok || !s.Info().State.Sends() {
		return p, false
	}
	return d.explorer.Protection(s), true
}
