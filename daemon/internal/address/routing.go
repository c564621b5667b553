// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"cmp"
	"net/netip"
	"slices"

	"shim6/daemon/locator"
)

// metric is that of the first default route of a table, and of routes that throw. Other routes
// to the same destination have the next metrics.
const metric = 1024

// routing plans a rule for each prefix, by which a table is looked at before the main table. The
// table sends by the router that has announced the prefix, and after it, should that be gone, by
// the other routers of the link. As long as it is not known which router has announced it, the
// order is that of the main table.
//
// The main table is asked only where ours has a route that throws: so the main table's default
// routes, and what the kernel keeps below them (a path's MTU, a redirect), do not decide for a
// source that is not theirs.
//
// A program that names no source gets a route first, and then the source that is best on its link.
// With several tables on the link this route may be that of another prefix, and the first packets
// would leave by it. So the rules there are for these packets as well. The kernel takes one if the
// source turns out to be in its prefix. Links do not get such rules if the main table would send by
// another one.
//
// If the link has no router now, there is no rule, and the main table
// decides: a packet must have a route to reach the module.
//
// others are prefixes in which no addresses are made.
func (p *Plan) routing(s *State, prefixes, others []Prefix) {
	numbers := tables{base: s.Config.Addresses.Table}
	ways := map[link][]netip.Addr{}
	all := slices.Concat(prefixes, others)
	for i, x := range all {
		by := x.Prefix
		if i >= len(prefixes) {
			by = s.announced(x, prefixes)
		}
		if routers := s.Table.RoutersOf(x.Index, by); len(routers) > 0 {
			ways[link{x.Index, x.Prefix}] = routers
			numbers.add(x.Index, routers)
		}
	}
	numbers.number(s.Routes)
	var rules []Rule
	first := s.Table.DefaultLink()
	for _, x := range all {
		routers, ok := ways[link{x.Index, x.Prefix}]
		if !ok {
			continue
		}
		r := Rule{Source: x.Prefix, Priority: s.Config.Addresses.Priority, Table: numbers.of(x.Index, routers)}
		r.Unbound = x.Index == first && numbers.several(x.Index)
		rules = append(rules, r)
	}
	wanted := Routes{}
	for _, w := range numbers.ways {
		wanted.link(s.Table, w)
	}
	if r, ok := s.detour(rules, wanted); ok {
		rules = append(rules, r)
	}
	p.change(s, rules, wanted)
}

// link adds the routes that a table is to have: default routes by the routers of a link, and
// routes that throw, which leave to the main table the destinations to which that has better
// routes.
//
// The kernel gives routes that throw to the loopback, so a socket that is bound to the link
// passes over them. For that socket the main table's routes by the link are there as well,
// behind; but not those by the default route's router, which are no better.
func (s Routes) link(t *locator.Table, w way) {
	table, index, routers := w.table, w.index, w.routers
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

// change plans what makes the present rules and routes the wanted ones. The order keeps packets
// from going astray meanwhile: a route that throws is added before a route that would catch the
// packet, and removed after the routes that it held back, or that throw in its place.
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
	// A route to be deleted may be in the way of one to be added.
	p.Actions = slices.Concat(p.Actions, throws, deleted, others)
	var replaced []Rule
	for _, r := range rules {
		if slices.Contains(s.Rules, r) {
			continue
		}
		// The kernel does not tell rules apart by this, and so has one of the two.
		other := r
		other.Unbound = !r.Unbound
		if slices.Contains(s.Rules, other) && !slices.Contains(rules, other) {
			p.Actions = append(p.Actions, DeleteRule(other))
			replaced = append(replaced, other)
		}
		p.Actions = append(p.Actions, AddRule(r))
	}
	for i, r := range s.Rules {
		if slices.Contains(replaced, r) {
			continue
		}
		// The kernel may have the same rule twice.
		if !slices.Contains(rules, r) || slices.Index(s.Rules, r) != i {
			p.Actions = append(p.Actions, DeleteRule(r))
		}
	}
	p.Actions = append(p.Actions, gone...)
}

// without are the routes that are not among others, always in the same order.
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
