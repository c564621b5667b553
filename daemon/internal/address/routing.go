// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"cmp"
	"net/netip"
	"slices"

	"shim6/daemon/locator"
)

// metric is that of the first default route of a table, and of what throws. Other
// routes to the same destination have the next ones.
const metric = 1024

// routing: a rule for a prefix, by which the table of its link is looked at before the
// main table. That is asked only where the link's table has a route that throws, so
// neither its default routes nor what the kernel keeps below them (a path's MTU, a
// redirect) decide for a source that is not theirs. If the link has no router now, the
// main table's are as good as any, for a packet must have a route to get as far as the
// module.
func (p *Plan) routing(s *State, prefixes []Prefix) {
	var rules []Rule
	wanted := Routes{}
	for _, x := range prefixes {
		routers := unique(s.Table.Routers(x.Index))
		if len(routers) == 0 {
			continue
		}
		table := s.Config.Addresses.Table + x.Index
		seen := slices.ContainsFunc(rules, func(r Rule) bool { return r.Table == table })
		rules = append(rules, Rule{Source: x.Prefix, Priority: s.Config.Addresses.Priority, Table: table})
		if !seen {
			wanted.link(s.Table, table, x.Index, routers)
		}
	}
	p.change(s, rules, wanted)
}

// link adds what the table of a link is to have: default routes by its routers, and
// what leaves to the main table the destinations to which that has better ones.
//
// A socket that is bound to the link passes over what throws, which the kernel gives to
// the loopback. So the main table's routes by the link itself are there as well, behind;
// but not those that have the default route's router, which are no better.
func (s Routes) link(t *locator.Table, table, index uint32, routers []netip.Addr) {
	throw := func(p netip.Prefix) { s[Route{Table: table, Metric: metric, Destination: p, Throw: true}] = struct{}{} }
	for _, p := range t.Covered() {
		throw(p)
	}
	for i, r := range routers {
		s[Route{Table: table, Index: index, Router: r, Metric: metric + uint32(i)}] = struct{}{}
	}
	var last locator.Specific
	var n uint32
	var outer netip.Prefix
	for _, x := range t.Specifics(index) {
		if x == last {
			continue
		}
		if n++; x.Destination != last.Destination {
			n = 1
		}
		last = x
		inside := outer.IsValid() && outer.Contains(x.Destination.Addr())
		if x.Router == routers[0] && !inside {
			continue
		}
		if !inside {
			outer = x.Destination
		}
		throw(x.Destination)
		s[Route{Table: table, Index: index, Router: x.Router, Metric: metric + n, Destination: x.Destination}] = struct{}{}
	}
}

// change makes what there is what it should be. The order is such that no packet goes
// astray meanwhile: what throws is there before what would catch, and goes after what it
// held back, or after what is to throw in its place.
func (p *Plan) change(s *State, rules []Rule, wanted Routes) {
	var throws, others, deleted, gone []Action
	for _, r := range wanted.without(s.Routes) {
		if r.Throw {
			throws = append(throws, AddRoute(r))
		} else {
			others = append(others, AddRoute(r))
		}
	}
	for _, r := range s.Routes.without(wanted) {
		if r.Throw {
			gone = append(gone, DeleteRoute(r))
		} else {
			deleted = append(deleted, DeleteRoute(r))
		}
	}
	// What is deleted may be in the way of what is added.
	p.Actions = slices.Concat(p.Actions, throws, deleted, others)
	for _, r := range rules {
		if !slices.Contains(s.Rules, r) {
			p.Actions = append(p.Actions, AddRule(r))
		}
	}
	for i, r := range s.Rules {
		// The kernel has had the same one twice.
		if !slices.Contains(rules, r) || slices.Index(s.Rules, r) != i {
			p.Actions = append(p.Actions, DeleteRule(r))
		}
	}
	p.Actions = append(p.Actions, gone...)
}

// without are those that are not among others, in an order that is always the same.
func (s Routes) without(others Routes) []Route {
	var list []Route
	for r := range s {
		if _, there := others[r]; !there {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b Route) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), a.Destination.Addr().Compare(b.Destination.Addr()),
			cmp.Compare(a.Destination.Bits(), b.Destination.Bits()), cmp.Compare(a.Metric, b.Metric), a.Router.Compare(b.Router))
	})
	return list
}

// unique leaves out what is there twice: a router may be in several tables.
func unique(list []netip.Addr) []netip.Addr {
	list = slices.Clone(list)
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}
