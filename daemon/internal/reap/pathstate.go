// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// PathState is what is known of a locator pair.
type PathState string

// The states of a Path.
const (
	Unknown PathState = "unknown"
	Working PathState = "working"
	Failed  PathState = "failed"
	Probing PathState = "probing"
	// NoPayload: Probes pass, and payload does not.
	NoPayload PathState = "no-payload"
)

// Path is a locator pair of a context, by which the context might send.
type Path struct {
	engine.Pair
	State            PathState
	Current, Inbound bool
	// LastGood is when the peer last said that a Probe had come by this pair, in any
	// context. It has a meaning only if HasLastGood.
	LastGood    time.Duration
	HasLastGood bool
	// RTT is how long that answer took, 0 if it is not known.
	RTT time.Duration
	// Local is our locator and Peer the peer's.
	Local engine.LocalLocator
	Peer  engine.PeerLocator
}

// Paths returns the locator pairs of a context, the best first, and then those that can't be
// used.
func (r *Explorer) Paths(s *engine.Session) []Path {
	c := s.Info()
	list := r.candidates(s, &c)
	x := r.by[c.ULIDs]
	var out []Path
	for i := range list {
		out = append(out, r.path(s, x, &c, list[i].Pair))
		// The other encapsulation, if there is something to tell of it.
		p := list[i].Other()
		if p == c.Current || p == c.Inbound || r.paths.get(p) != nil {
			out = append(out, r.path(s, x, &c, p))
		}
	}
	for _, a := range c.LocalLocators {
		for i := range c.PeerLocators {
			if pair := (engine.Pair{Local: a, Peer: c.PeerLocators[i].Address}); find(list, pair) == nil {
				out = append(out, r.path(s, x, &c, pair))
			}
		}
	}
	return out
}

// path describes one pair of a context. x is nil if nothing is remembered of the context.
func (r *Explorer) path(s *engine.Session, x *exploration, c *engine.Info, pair engine.Pair) Path {
	p := Path{Pair: pair, State: Unknown, Current: pair == c.Current, Inbound: pair == c.Inbound}
	p.Local, _ = s.Local(pair.Local)
	if i := slices.IndexFunc(c.PeerLocators, func(l engine.PeerLocator) bool { return l.Address == pair.Peer }); i >= 0 {
		p.Peer = c.PeerLocators[i]
	}
	v := r.paths.get(pair)
	if v != nil {
		p.LastGood, p.HasLastGood, p.RTT = v.good, v.hasGood, v.rtt
	}
	operational := x == nil || x.state == engine.ReapOperational
	switch {
	case p.Local.Preference.Flags&wire.FlagBroken != 0 || !p.Local.Address.IsValid():
		p.State = Failed
	case !operational && x.last() != nil && x.last().pair == pair && !x.last().answered:
		p.State = Probing
	case v.fails():
		p.State = Failed
	case r.unfit(x, pair, s.Now()) != 0:
		p.State = NoPayload
	case v.works() || p.Current && operational:
		p.State = Working
	}
	return p
}
