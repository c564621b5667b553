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
	"shim6/daemon/wire"
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

func direction(s *reap.Switch) string {
	if s.Inbound {
		return "inbound"
	}
	return "outbound"
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

// switchOf is a switch as the control socket has it.
func switchOf(s *reap.Switch, at clock) control.Switch {
	j := control.Switch{
		Time: at(s.Time), Name: control.NameOf(s.ULIDs), Direction: direction(s),
		Trigger: s.Trigger.String(), Why: s.Why, From: pair(s.From), To: pair(s.To),
		Outage: s.Outage.Milliseconds(),
	}
	for _, p := range s.Probed {
		j.Probed = append(j.Probed, control.Probed{Pair: pair(p.Pair), Time: at(p.Time)})
	}
	for _, p := range s.Answered {
		j.Answered = append(j.Answered, pair(p))
	}
	for _, p := range s.Good {
		j.LastGood = append(j.LastGood, control.LastGood{Pair: pair(p.Pair), Time: at(p.Time)})
	}
	return j
}

func pair(p engine.Pair) control.Pair {
	return control.Pair{LocatorLocal: p.Local, LocatorPeer: p.Peer, Encapsulation: control.EncapsulationOf(p.Encapsulation)}
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
			j := control.Path{
				Name: control.NameOf(c.ULIDs), Pair: pair(p.Pair), Current: p.Current, Inbound: p.Inbound, State: string(p.State),
				RTT: float64(p.RTT.Microseconds()) / 1000, Policy: p.Local.Policy.String(),
				PreferenceLocal: preference(p.Local.Preference),
				PreferencePeer:  preference(wire.Preference{Flags: p.Peer.Flags, Priority: p.Peer.Priority, Weight: p.Peer.Weight}),
			}
			if p.HasLastGood {
				j.LastGood = at(p.LastGood)
			}
			list = append(list, j)
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

func preference(p wire.Preference) control.Preference {
	return control.Preference{
		Broken: p.Flags&wire.FlagBroken != 0, Transient: p.Flags&wire.FlagTransient != 0, Priority: p.Priority, Weight: p.Weight,
	}
}
