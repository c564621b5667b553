// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"shim6/daemon/locator"
)

// detour is a rule for new connections while the link of the first default route has no carrier.
// By default (the sysctl ignore_routes_with_linkdown) the kernel goes on to use that route, so
// that a new connection waits for a neighbour for three seconds and fails. The rule is for
// packets that have no source address yet: they get the route of the next link, and so an
// address of it.
//
// rules and routes are those that are wanted otherwise. There is a detour only if one of these
// tables is that of the next link.
func (s *State) detour(rules []Rule, routes Routes) (Rule, bool) {
	next, ok := nextDefault(s.Table.Defaults())
	if !ok {
		return Rule{}, false
	}
	// The table whose first router it is goes before those that have it for another case.
	for m := uint32(metric); m < metric+MaxPrefixes; m++ {
		for _, r := range rules {
			x := Route{Table: r.Table, Index: next.Index, Router: next.Router, Metric: m}
			if _, there := routes[x]; there {
				return Rule{Unsourced: true, Priority: r.Priority, Table: r.Table}, true
			}
		}
	}
	return Rule{}, false
}

// nextDefault is the first default route that can be used, if the kernel might take another one
// that can't.
func nextDefault(list []locator.Default) (next locator.Default, ok bool) {
	lost := false
	for _, d := range list {
		switch {
		case next.Index != 0 && (d.Metric != next.Metric || d.Destination != next.Destination):
			return next, lost
		case !d.Usable:
			lost = true
		case next.Index == 0:
			next = d
		}
	}
	return next, lost && next.Index != 0
}
