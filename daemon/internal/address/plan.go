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
	Identity *Identity
	// Temporaries are those that Current has found, the newest last.
	Temporaries []Temporary
	// Used are our ULIDs of all contexts. It matters only if there are Temporaries.
	Used       map[netip.Addr]bool
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
	// MissingTemporary are prefixes in which Temporaries, by their index, have no address.
	MissingTemporary map[int][]cga.SubnetPrefix
	// Rotate are the prefixes for which there should be another Temporary.
	Rotate []cga.SubnetPrefix
	// Duplicates are sets of which another host has an address.
	Duplicates []Duplicate
	// Next is when to plan again, though nothing else has changed; 0 for never.
	Next time.Duration
}

// Duplicate is a set of the Identity or, if Temporary is not negative, of the Temporary with that
// index.
type Duplicate struct{ Temporary, Set int }

// Plan compares what there is with what there should be. In each prefix of a link that may be
// used there should be the Identity's address, with the prefix's lifetimes; routes by which
// packets with a source in the prefix leave by that link's routers; and labels by which new
// connections take the Identity's addresses. If the configuration wants no addresses made,
// there should be none of these. Temporaries have addresses beside those of the Identity, for no
// longer than their own lifetimes.
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
		p.Next = s.nextTemporary()
	}
	if s.rotates(prefixes) {
		for _, x := range prefixes {
			p.Rotate = append(p.Rotate, x.Prefix)
		}
	}
	p.addresses(s, on, prefixes)
	p.labels(s, on)
	var others []Prefix
	if on {
		others = s.others(prefixes)
	}
	p.routing(s, prefixes, others)
	return p
}

// usable are the prefixes to be used, each on one link: an address on two links would be its
// own duplicate. A link with a carrier goes before one without, and then the link that has the
// address.
func (s *State) usable() []Prefix {
	var list []Prefix
	for _, p := range s.Prefixes {
		_, ok := s.Table.Allowed(s.Config, p.Index, p.Prefix.Prefix().Addr())
		if !ok || p.ValidUntil != 0 && p.ValidUntil <= s.Now+slack {
			continue
		}
		if n := len(list); n > 0 && list[n-1].Prefix == p.Prefix {
			now, was := s.Table.Up(p.Index), s.Table.Up(list[n-1].Index)
			if now && !was || now == was && s.has(p) && !s.has(list[n-1]) {
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

// place is an address on a link.
type place struct {
	index   uint32
	address netip.Addr
}

func (p *Plan) addresses(s *State, on bool, prefixes []Prefix) {
	owners := s.owners(len(p.Rotate) > 0)
	// wanted has the lifetimes. elsewhere are addresses that some link should have.
	wanted, elsewhere := map[place]Prefix{}, map[netip.Addr]bool{}
	for _, o := range owners {
		for _, x := range prefixes {
			a, _, ok := o.Address(x.Prefix)
			if !ok {
				p.missing(o, x.Prefix)
				continue
			}
			wanted[place{x.Index, a.Addr}] = o.bounded(x)
			elsewhere[a.Addr] = true
		}
	}
	there := map[place]bool{}
	for _, a := range s.Table.Assigned() {
		at := place{a.Index, a.Address}
		x, want := wanted[at]
		switch whose, ok := find(owners, a.Address); {
		case a.Protocol != locator.Protocol:
			// Another program has set it up, even if it is the Identity's.
			there[at] = true
		case a.Kept:
			if want {
				// The kernel changes no prefix length of an address that is there.
				p.Actions = append(p.Actions, DeleteAddress{Index: a.Index, Address: a.Address, Bits: a.Bits})
			}
		case !on || !ok || elsewhere[a.Address] && !want:
			p.Actions = append(p.Actions, DeleteAddress{Index: a.Index, Address: a.Address, Bits: a.Bits})
		case a.Flags&unix.IFA_F_DADFAILED != 0:
			// It stays until there is another address, so that it isn't tried again.
			there[at] = true
			p.duplicate(whose)
		default:
			there[at] = true
			if want && (!s.same(a.ValidUntil, x.ValidUntil) || !s.same(a.PreferredUntil, x.PreferredUntil)) {
				p.Actions = append(p.Actions, s.set(a.Address, x))
			}
		}
	}
	for _, o := range owners {
		for _, x := range prefixes {
			switch a, set, ok := o.Address(x.Prefix); {
			case !ok || !o.adds || there[place{x.Index, a.Addr}]:
			case s.Collisions.Taken(a.Addr):
				p.duplicate(Duplicate{o.index, set})
			default:
				p.Actions = append(p.Actions, s.set(a.Addr, o.bounded(x)))
			}
		}
	}
}

// missing notes that an owner has no address in a prefix. Those that only keep what they have
// need none.
func (p *Plan) missing(o owner, x cga.SubnetPrefix) {
	switch {
	case o.index < 0:
		p.Missing = append(p.Missing, x)
	case o.adds:
		if p.MissingTemporary == nil {
			p.MissingTemporary = map[int][]cga.SubnetPrefix{}
		}
		p.MissingTemporary[o.index] = append(p.MissingTemporary[o.index], x)
	}
}

// find returns the set of an address that is the current one of an owner in its prefix.
func find(owners []owner, a netip.Addr) (whose Duplicate, ok bool) {
	for _, o := range owners {
		if current, set, ok := o.Address(cga.PrefixOf(a)); ok && current.Addr == a {
			return Duplicate{o.index, set}, true
		}
	}
	return Duplicate{}, false
}

func (p *Plan) duplicate(d Duplicate) {
	if !slices.Contains(p.Duplicates, d) {
		p.Duplicates = append(p.Duplicates, d)
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
