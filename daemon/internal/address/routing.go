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

// routing plans a rule for each prefix, by which the table of its link is looked at before the
// main table. The main table is asked only where the link's table has a route that throws: so
// the main table's default routes, and what the kernel keeps below them (a path's MTU, a
// redirect), do not decide for a source that is not theirs. If the link has no router now,
// there is no rule, and the main table decides: a packet must have a route to reach the
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

// link adds the routes that the table of a link is to have: default routes by its routers, and
// routes that throw, which leave to the main table the destinations to which that has better
// routes.
//
// The kernel gives routes that throw to the loopback, so a socket that is bound to the link
// passes over them. For that socket the main table's routes by the link are there as well,
// behind; but not those by the default route's router, which are no better.
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
	for _, r := range rules {
		if !slices.Contains(s.Rules, r) {
			p.Actions = append(p.Actions, AddRule(r))
		}
	}
	for i, r := range s.Rules {
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

// unique sorts a list and leaves out duplicates: a router may be in several tables.
func unique(list []netip.Addr) []netip.Addr {
	list = slices.Clone(list)
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}
