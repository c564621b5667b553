// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"slices"
	"strings"
	"time"

	"shim6/daemon/config"
	"shim6/daemon/control"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/reap"
	"shim6/daemon/locator"
	"shim6/daemon/wire"
)

// This file converts between the engine's types and those of packages that know no engine:
// config and locator on one side, control on the other.

// localsOf are the available locators of a list, as the engine takes them.
func localsOf(list []locator.Locator) []engine.LocalLocator {
	var local []engine.LocalLocator
	for _, l := range list {
		if l.Available {
			local = append(local, engine.LocalLocator{
				Address: l.Address, Preference: l.Preference, PDS: l.PDS, Key: l.Key, ValidUntil: l.ValidUntil,
				Interface: l.Interface, Router: l.Router, Policy: policyOf(l.Policy), Temporary: l.Temporary,
			})
		}
	}
	return local
}

var policies = map[config.InterfacePolicy]engine.InterfacePolicy{
	config.PolicyNormal: engine.PolicyNormal, config.PolicyPreferred: engine.PolicyPreferred,
	config.PolicyBackup: engine.PolicyBackup, config.PolicyMetered: engine.PolicyMetered, config.PolicyNever: engine.PolicyNever,
}

func policyOf(p config.InterfacePolicy) engine.InterfacePolicy { return policies[p] }

// lifetimeSlack is the difference below which two lifetimes are the same: rtnetlink tells
// whole seconds.
const lifetimeSlack = 2 * time.Second

// same reports whether two lists say the same.
func same(a, b []engine.LocalLocator) bool {
	return alike(a, b) && slices.EqualFunc(a, b, func(x, y engine.LocalLocator) bool {
		d := x.ValidUntil - y.ValidUntil
		return (x.ValidUntil == 0) == (y.ValidUntil == 0) && d.Abs() < lifetimeSlack
	})
}

// alike reports whether two lists say the same, except for lifetimes.
func alike(a, b []engine.LocalLocator) bool {
	return slices.EqualFunc(a, b, func(x, y engine.LocalLocator) bool { return x.Alike(&y) })
}

func ulidsOf(n control.Name) engine.ULIDs {
	return engine.ULIDs{Local: n.ULIDLocal, Peer: n.ULIDPeer, FII: n.FII}
}

func nameOf(u engine.ULIDs) control.Name {
	return control.Name{ULIDLocal: u.Local, ULIDPeer: u.Peer, FII: u.FII}
}

// encapsulationOf names an encapsulation as the netlink specification does.
func encapsulationOf(e engine.Encapsulation) control.Encapsulation {
	if e == engine.Native {
		return ""
	}
	return control.Encapsulation(e.String())
}

func pairOf(p engine.Pair) control.Pair {
	return control.Pair{LocatorLocal: p.Local, LocatorPeer: p.Peer, Encapsulation: encapsulationOf(p.Encapsulation)}
}

// stateName is the name of a state in the netlink specification.
func stateName(s engine.State) string { return strings.ToLower(s.String()) }

var reapNames = map[engine.ReapState]string{
	engine.ReapOperational: "operational",
	engine.ReapExploring:   "exploring",
	engine.ReapInboundOK:   "inbound-ok",
}

var methodNames = map[wire.VerificationMethod]string{wire.MethodHBA: "hba", wire.MethodCGA: "cga"}

func contextOf(i engine.Info) control.Context {
	c := control.Context{Name: nameOf(i.ULIDs), State: stateName(i.State)}
	if i.State == engine.EFailed || i.State == engine.NoSupport {
		return c
	}
	c.TagLocal = &i.TagLocal
	if i.State.Sends() {
		c.TagPeer = &i.TagPeer
	}
	c.LocatorLocal, c.LocatorPeer = i.Current.Local, i.Current.Peer
	e := encapsulationOf(i.Current.Encapsulation)
	c.Encapsulation = &e
	c.InboundLocatorLocal, c.InboundLocatorPeer = i.Inbound.Local, i.Inbound.Peer
	c.LocatorsLocal = i.LocalLocators
	for _, p := range i.PeerLocators {
		c.LocatorsPeer = append(c.LocatorsPeer, control.PeerLocator{
			Address: p.Address, Method: methodNames[p.Method], Verified: p.Verified, Probed: p.Probed,
			Preference: peerPreference(p),
		})
	}
	c.GenerationLocal, c.GenerationPeer = i.LocalGeneration, i.PeerGeneration
	c.Updating = i.Updating
	c.KeepaliveTimeout = i.KeepaliveTimeout.Milliseconds()
	c.ReapState = reapNames[i.Reap]
	return c
}

// peerPreference is what a peer tells of a locator of its own.
func peerPreference(p engine.PeerLocator) control.Preference {
	return control.PreferenceOf(wire.Preference{Flags: p.Flags, Priority: p.Priority, Weight: p.Weight})
}

// pathOf is a locator pair of a context. at tells the time of the day.
func pathOf(u engine.ULIDs, p reap.Path, at clock) control.Path {
	j := control.Path{
		Name: nameOf(u), Pair: pairOf(p.Pair), Current: p.Current, Inbound: p.Inbound, State: string(p.State),
		RTT: float64(p.RTT.Microseconds()) / 1000, Policy: p.Local.Policy.String(),
		PreferenceLocal: control.PreferenceOf(p.Local.Preference), PreferencePeer: peerPreference(p.Peer),
	}
	if p.HasLastGood {
		j.LastGood = at(p.LastGood)
	}
	return j
}

// switchOf is a switch. at tells the time of the day.
func switchOf(s *reap.Switch, at clock) control.Switch {
	j := control.Switch{
		Time: at(s.Time), Name: nameOf(s.ULIDs), Direction: direction(s),
		Trigger: s.Trigger.String(), Why: s.Why, From: pairOf(s.From), To: pairOf(s.To),
		Outage: s.Outage.Milliseconds(),
	}
	for _, p := range s.Probed {
		j.Probed = append(j.Probed, control.Probed{Pair: pairOf(p.Pair), Time: at(p.Time)})
	}
	for _, p := range s.Answered {
		j.Answered = append(j.Answered, pairOf(p))
	}
	for _, p := range s.Good {
		j.LastGood = append(j.LastGood, control.LastGood{Pair: pairOf(p.Pair), Time: at(p.Time)})
	}
	return j
}

func direction(s *reap.Switch) string {
	if s.Inbound {
		return "inbound"
	}
	return "outbound"
}

func protectionOf(n control.Name, p reap.Protection) control.Protection {
	return control.Protection{
		Name: n, Protected: p.Protected(), Pairs: p.Pairs, NetworksLocal: p.Local, NetworksPeer: p.Peer,
		LackLocal: p.LackLocal, LackPeer: p.LackPeer, Why: p.Why, Text: p.String(),
	}
}

// byType names counters of control messages by the type of the message. Those that are 0
// are left out.
func byType(counters []uint64) map[string]uint64 {
	m := map[string]uint64{}
	for t, n := range counters {
		if n > 0 {
			m[wire.Type(t).String()] = n
		}
	}
	return m
}

// dropped are the counters of messages that the engine made no use of.
func dropped(s engine.Stats) map[string]uint64 {
	return nonzero(map[string]uint64{
		"malformed": s.Malformed, "unmatched": s.Unmatched, "not-ours": s.NotOurs,
		"invalid-validator": s.InvalidValidator, "replayed": s.Replayed, "unverified": s.Unverified,
		"full": s.Full, "limited": s.Limited, "held-down": s.HeldDown, "confusions": s.Confusions, "claimed": s.Claimed,
		"unprovable": s.Unprovable, "unencodable": s.Unencodable,
	})
}

// nonzero leaves out counters that are 0.
func nonzero(m map[string]uint64) map[string]uint64 {
	for k, n := range m {
		if n == 0 {
			delete(m, k)
		}
	}
	return m
}
