// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"shim6/daemon/control"
	"shim6/daemon/engine"
	"shim6/daemon/reap"
	"shim6/daemon/wire"
)

// switched logs that a context has come to another locator pair.
func (d *daemon) switched(s *reap.Switch) {
	d.log.Info("path", append(attributes(s.ULIDs),
		"direction", direction(s), "trigger", s.Trigger, "why", s.Why,
		"from-local", s.From.Local, "from-peer", s.From.Peer, "to-local", s.To.Local, "to-peer", s.To.Peer,
		"probed", d.probedText(s), "last-good", d.goodText(s), "outage", s.Outage)...)
}

// probedText and goodText are lists for the log: of pairs, with times of the day.
func (d *daemon) probedText(s *reap.Switch) string {
	var list []string
	for _, p := range s.Probed {
		answered := ""
		if slices.Contains(s.Answered, p.Pair) {
			answered = " answered"
		}
		list = append(list, d.pairAt(p.Pair, p.Time)+answered)
	}
	return strings.Join(list, ", ")
}

func (d *daemon) goodText(s *reap.Switch) string {
	var list []string
	for _, p := range s.Good {
		list = append(list, d.pairAt(p.Pair, p.Time))
	}
	return strings.Join(list, ", ")
}

func (d *daemon) pairAt(p engine.Pair, t time.Duration) string {
	return fmt.Sprintf("%v %v at %s", p.Local, p.Peer, d.at(t).Format(time.RFC3339Nano))
}

func direction(s *reap.Switch) string {
	if s.Inbound {
		return "inbound"
	}
	return "outbound"
}

// at is a time of the engine's clock.
func (d *daemon) at(t time.Duration) time.Time { return d.began.Add(t).Round(0).UTC() }

// switches are those that are kept, as the control socket has them.
func (d *daemon) switches() []control.Switch {
	list := []control.Switch{}
	for _, s := range d.paths.Switches() {
		j := control.Switch{
			Time: d.at(s.Time), Name: control.NameOf(s.ULIDs), Direction: direction(&s),
			Trigger: s.Trigger.String(), Why: s.Why, From: pair(s.From), To: pair(s.To),
			Outage: s.Outage.Milliseconds(),
		}
		for _, p := range s.Probed {
			j.Probed = append(j.Probed, control.Probed{Pair: pair(p.Pair), Time: d.at(p.Time)})
		}
		for _, p := range s.Answered {
			j.Answered = append(j.Answered, pair(p))
		}
		for _, p := range s.Good {
			j.LastGood = append(j.LastGood, control.LastGood{Pair: pair(p.Pair), Time: d.at(p.Time)})
		}
		list = append(list, j)
	}
	return list
}

func pair(p engine.Pair) control.Pair {
	return control.Pair{LocatorLocal: p.Local, LocatorPeer: p.Peer}
}

// allPaths are the locator pairs of all contexts that can use them.
func (d *daemon) allPaths() []control.Path {
	list := []control.Path{}
	for c := range d.engine.Contexts() {
		s, ok := d.engine.Session(c.ULIDs)
		if !ok || !c.State.Sends() {
			continue
		}
		for _, p := range d.operator.Paths(s) {
			j := control.Path{
				Name: control.NameOf(c.ULIDs), Pair: pair(p.Pair), Current: p.Current, Inbound: p.Inbound, State: string(p.State),
				RTT: float64(p.RTT.Microseconds()) / 1000, Policy: p.Local.Policy.String(),
				PreferenceLocal: preference(p.Local.Preference),
				PreferencePeer:  preference(wire.Preference{Flags: p.Peer.Flags, Priority: p.Peer.Priority, Weight: p.Peer.Weight}),
			}
			if p.HasLastGood {
				j.LastGood = d.at(p.LastGood)
			}
			list = append(list, j)
		}
	}
	return list
}

func preference(p wire.Preference) control.Preference {
	return control.Preference{
		Broken: p.Flags&wire.FlagBroken != 0, Transient: p.Flags&wire.FlagTransient != 0, Priority: p.Priority, Weight: p.Weight,
	}
}
