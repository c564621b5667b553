// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// specific is the message of a route of the main table that another program has set up.
func specific(kind netlink.HeaderType, destination string, index uint32, router string) netlink.Message {
	r := Route{Table: unix.RT_TABLE_MAIN, Index: index, Metric: 256, Destination: netip.MustParsePrefix(destination)}
	if router != "" {
		r.Router = netip.MustParseAddr(router)
	}
	m := r.message(kind, 0)
	// rtm_protocol
	m.Data[5] = unix.RTPROT_KERNEL
	return m
}

// routed is a host with a prefix and a router on link 1, whose rules and routes are set up.
func routed(t *testing.T) *managed {
	m := newManaged(t)
	m.address(up1, a1, 0, 1800, 3600)
	m.router(up1, unix.RT_TABLE_MAIN, "fe80::1")
	m.settles()
	return m
}

func throw(verb, destination string) string {
	return fmt.Sprintf("route %s throw %s table 14002 metric 1024", verb, destination)
}

func beside(verb, way string) string {
	return fmt.Sprintf("route %s %s table 14002 metric 1025", verb, way)
}

// Destinations to which the main table has routes other than default routes are left to it.
func TestPlanThrows(t *testing.T) {
	m := routed(t)
	m.apply(specific(unix.RTM_NEWROUTE, "2001:db8:2::/64", up2, ""))
	m.does(throw("add", "2001:db8:2::/64"))
	// A route inside of a known one changes nothing. A route next to a known one makes one
	// prefix of both.
	m.apply(specific(unix.RTM_NEWROUTE, "2001:db8:2::42/128", up2, "fe80::9"))
	m.does()
	m.apply(specific(unix.RTM_NEWROUTE, "2001:db8:2:1::/64", up2, "fe80::9"))
	if done := m.settles(); !slices.Equal(done, []string{throw("add", "2001:db8:2::/63"), throw("delete", "2001:db8:2::/64")}) {
		t.Errorf("done is %q", done)
	}
	m.apply(specific(unix.RTM_DELROUTE, "2001:db8:2::/64", up2, ""))
	m.does(throw("delete", "2001:db8:2::/63"), throw("add", "2001:db8:2::42/128"), throw("add", "2001:db8:2:1::/64"))
	// A route that counts as a default route does not matter, and neither do two of them.
	m.apply(specific(unix.RTM_NEWROUTE, "8000::/4", up2, ""))
	m.apply(specific(unix.RTM_NEWROUTE, "9000::/4", up2, ""))
	m.does(throw("add", "8000::/4"), throw("add", "9000::/4"))
}

// The table of a link has the routes of the main table by that link, for sockets that are bound
// to it, except those by the default router.
func TestPlanRoutesOfTheLink(t *testing.T) {
	m := routed(t)
	m.apply(specific(unix.RTM_NEWROUTE, "2001:db8:1::/64", up1, ""))
	m.apply(specific(unix.RTM_NEWROUTE, "fe80::/64", up1, ""))
	m.apply(specific(unix.RTM_NEWROUTE, "fe80::/64", up2, ""))
	m.does(throw("add", "2001:db8:1::/64"), beside("add", "2001:db8:1::/64 dev 2"),
		throw("add", "fe80::/64"), beside("add", "fe80::/64 dev 2"))
	m.apply(specific(unix.RTM_NEWROUTE, "2001:db8:8::/48", up1, "fe80::1"))
	m.does(throw("add", "2001:db8:8::/48"))
	m.apply(specific(unix.RTM_NEWROUTE, "2001:db8:9::/48", up1, "fe80::2"))
	m.does(throw("delete", "2001:db8:8::/48"), throw("add", "2001:db8:8::/47"),
		throw("add", "2001:db8:9::/48"), beside("add", "2001:db8:9::/48 via fe80::2 dev 2"))
	// It would be taken for a route by the other router.
	m.apply(specific(unix.RTM_NEWROUTE, "2001:db8:9:1::/64", up1, "fe80::1"))
	m.does(throw("add", "2001:db8:9:1::/64"), beside("add", "2001:db8:9:1::/64 via fe80::1 dev 2"))
	// With a further router there are other metrics, and the same routes.
	m.router(up1, unix.RT_TABLE_MAIN)
	done := m.settles()
	if len(m.routes) != 0 || !slices.Contains(done, ruleOf("delete", p1, up1)) {
		t.Errorf("left is %v; done is %q", m.routes, done)
	}
}

// No packet goes astray while routes change: a route that throws is added before a route that
// would catch the packet, and removed after it.
func TestPlanOrder(t *testing.T) {
	m := newManaged(t)
	m.address(up1, a1, 0, 1800, 3600)
	m.router(up1, unix.RT_TABLE_MAIN, "fe80::1")
	m.apply(specific(unix.RTM_NEWROUTE, "2001:db8:2::/64", up2, ""))
	order := func(want ...string) {
		t.Helper()
		last := -1
		var all []string
		for _, a := range m.plan().Actions {
			all = append(all, a.String())
		}
		for _, w := range want {
			at := slices.IndexFunc(all, func(s string) bool { return strings.HasPrefix(s, w) })
			if at <= last {
				t.Errorf("%q is not in its place in %q", w, all)
			}
			last = at
		}
	}
	order("route add throw", "route add default", "rule add")
	m.settles()
	m.apply(specific(unix.RTM_NEWROUTE, "2001:db8:2:1::/64", up2, ""))
	order("route add throw 2001:db8:2::/63", "route delete throw 2001:db8:2::/64")
	m.router(up1, unix.RT_TABLE_MAIN)
	order("route delete default", "rule delete", "route delete throw")
}

// Rules and routes of an older version are replaced. They are removed after their replacements
// are there.
func TestPlanOldRules(t *testing.T) {
	m := routed(t)
	m.rules = []Rule{{Source: p1, Priority: 32000, Table: 254, Specific: true}, {Source: p1, Priority: 32001, Table: 14002}}
	var all []string
	for _, a := range m.plan().Actions {
		all = append(all, a.String())
	}
	want := []string{
		ruleOf("add", p1, up1),
		fmt.Sprintf("rule delete from %v lookup 254 priority 32000 suppress_prefixlength 3", p1),
		fmt.Sprintf("rule delete from %v lookup 14002 priority 32001", p1),
	}
	if !slices.Equal(all, want) {
		t.Errorf("actions\n%q, wanted\n%q", all, want)
	}
}

// Messages about our routes change them; those about others do not.
func TestRoutesApply(t *testing.T) {
	r := Route{Table: 14002, Metric: 1024, Destination: netip.MustParsePrefix("fe80::/64"), Throw: true}
	routes := Routes{}
	if !routes.Apply(AddRoute(r).Message()) || routes.Apply(AddRoute(r).Message()) || len(routes) != 1 {
		t.Errorf("after it was added there are %v", routes)
	}
	if routes.Apply(specific(unix.RTM_NEWROUTE, "2001:db8::/64", up1, "")) || len(routes) != 1 {
		t.Errorf("with another's there are %v", routes)
	}
	if !routes.Apply(DeleteRoute(r).Message()) || routes.Apply(DeleteRoute(r).Message()) || len(routes) != 0 {
		t.Errorf("after it was deleted there are %v", routes)
	}
	if Routes(nil).Apply(AddRoute(r).Message()) {
		t.Error("what was not read has changed")
	}
}
