// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/config"
	"shim6/daemon/locator"
)

// State is everything that a Plan depends on.
type State struct {
	Now    time.Duration
	Config *config.Config
	Table  *locator.Table
	// Prefixes are the prefixes of all links (Prefixes.Known).
	Prefixes []Prefix
	// Identity is nil if there is none yet.
	Identity   *Identity
	Collisions *Collisions
	// Rules, Routes and Labels are those that have our mark.
	Rules  []Rule
	Routes Routes
	Labels []netip.Addr
	// NoLabels: the kernel does not tell its labels, and so none are set up.
	NoLabels bool
}

// Plan says what to do.
type Plan struct {
	Actions []Action
	// Missing are prefixes in which the Identity has no address.
	Missing []cga.SubnetPrefix
	// Duplicates are the indexes of the Identity's sets of which another host has an address.
	Duplicates []int
}

// Plan compares what there is with what there should be. In each prefix of a link that may be
// used there should be the Identity's address, with the prefix's lifetimes; routes by which
// packets with a source in the prefix leave by that link's routers; and labels by which new
// connections take the Identity's addresses. If the configuration wants no addresses made,
// there should be none of these.
//
// Everything else that has our mark is removed. But an address of ours whose prefix is not
// known stays until its lifetime ends: routers announce prefixes seldom, and after a restart
// none are known.
func (s *State) Plan() Plan {
	var p Plan
	on := s.Config.ManagesAddresses()
	var prefixes []Prefix
	if on {
		prefixes = s.usable()
	}
	p.addresses(s, on, prefixes)
	p.labels(s, on)
	p.routing(s, prefixes)
	return p
}

// usable are the prefixes to be used, each on one link: an address on two links would be its
// own duplicate.
func (s *State) usable() []Prefix {
	var list []Prefix
	for _, p := range s.Prefixes {
		_, ok := s.Config.Allowed(s.Table.Name(p.Index), p.Prefix.Prefix().Addr())
		if !ok || p.ValidUntil != 0 && p.ValidUntil <= s.Now+slack {
			continue
		}
		if n := len(list); n > 0 && list[n-1].Prefix == p.Prefix {
			if !s.has(list[n-1]) && s.has(p) {
				list[n-1] = p
			}
			continue
		}
		list = append(list, p)
	}
	return list
}

// has reports whether a link has the Identity's address of a prefix.
func (s *State) has(p Prefix) bool {
	a, _, ok := s.Identity.Address(p.Prefix)
	return ok && slices.ContainsFunc(s.Table.Assigned(), func(x locator.Assigned) bool {
		return x.Index == p.Index && x.Address == a.Addr && x.Protocol == locator.Protocol
	})
}

func (p *Plan) addresses(s *State, on bool, prefixes []Prefix) {
	type place struct {
		index   uint32
		address netip.Addr
	}
	wanted := map[place]Prefix{}
	for _, x := range prefixes {
		a, _, ok := s.Identity.Address(x.Prefix)
		if !ok {
			p.Missing = append(p.Missing, x.Prefix)
			continue
		}
		wanted[place{x.Index, a.Addr}] = x
	}
	there := map[place]bool{}
	elsewhere := map[netip.Addr]bool{}
	for _, x := range wanted {
		a, _, _ := s.Identity.Address(x.Prefix)
		elsewhere[a.Addr] = true
	}
	for _, a := range s.Table.Assigned() {
		at := place{a.Index, a.Address}
		x, want := wanted[at]
		switch current, set, ok := s.Identity.Address(cga.PrefixOf(a.Address)); {
		case a.Protocol != locator.Protocol:
			// Another program has set it up, even if it is the Identity's.
			there[at] = true
		case a.Kept:
		case !on || !ok || current.Addr != a.Address || elsewhere[a.Address] && !want:
			p.Actions = append(p.Actions, DeleteAddress{Index: a.Index, Address: a.Address, Bits: a.Bits})
		case a.Flags&unix.IFA_F_DADFAILED != 0:
			// It stays until there is another address, so that it isn't tried again.
			there[at] = true
			p.duplicate(set)
		default:
			there[at] = true
			if want && (!s.same(a.ValidUntil, x.ValidUntil) || !s.same(a.PreferredUntil, x.PreferredUntil)) {
				p.Actions = append(p.Actions, s.set(a.Address, x))
			}
		}
	}
	for _, x := range prefixes {
		switch a, set, ok := s.Identity.Address(x.Prefix); {
		case !ok || there[place{x.Index, a.Addr}]:
		case s.Collisions.Taken(a.Addr):
			p.duplicate(set)
		default:
			p.Actions = append(p.Actions, s.set(a.Addr, x))
		}
	}
}

func (p *Plan) duplicate(set int) {
	if !slices.Contains(p.Duplicates, set) {
		p.Duplicates = append(p.Duplicates, set)
	}
}

// set gives an address the lifetimes of its prefix. It makes no route to the prefix: the router
// says whether the prefix is on the link, and the kernel or another program has set that up.
func (s *State) set(a netip.Addr, p Prefix) SetAddress {
	return SetAddress{
		Index: p.Index, Address: a, Bits: subnetBits, Flags: unix.IFA_F_NOPREFIXROUTE,
		Preferred: seconds(s.Now, p.PreferredUntil), Valid: seconds(s.Now, p.ValidUntil),
	}
}

// same compares ends of lifetimes, 0 for never. Lifetimes that have ended are the same.
func (s *State) same(a, b time.Duration) bool {
	if a == 0 || b == 0 {
		return a == b
	}
	return (max(a, s.Now) - max(b, s.Now)).Abs() <= slack
}

// seconds is how long it is until the end of a lifetime.
func seconds(now, until time.Duration) uint32 {
	if until == 0 {
		return Infinite
	}
	return uint32(min(max(0, until-now)/time.Second, Infinite-1))
}

// Flush removes everything that has our mark, and what is kept for contexts as well.
func (s *State) Flush() []Action {
	var actions []Action
	for _, a := range s.Table.Assigned() {
		if a.Protocol == locator.Protocol {
			actions = append(actions, DeleteAddress{Index: a.Index, Address: a.Address, Bits: a.Bits})
		}
	}
	for _, a := range s.Labels {
		actions = append(actions, DeleteLabel(a))
	}
	for _, r := range s.Rules {
		actions = append(actions, DeleteRule(r))
	}
	for r := range s.Routes {
		actions = append(actions, DeleteRoute(r))
	}
	return actions
}
