// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	mnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/internal/address"
)

// withRouter is a daemon with an address and a router on link 2, whose routes are set up.
func withRouter(t *testing.T) (*daemon, *fakeRtnetlink) {
	t.Helper()
	d, f, _ := withContext(t)
	withRouterOf(t, d, f)
	return d, f
}

func withRouterOf(t *testing.T, d *daemon, f *fakeRtnetlink) {
	t.Helper()
	d.addresses.load()
	f.routes = address.Routes{}
	router := told(unix.RTM_NEWROUTE, &rtnetlink.RouteMessage{Family: unix.AF_INET6, Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST,
		Attributes: rtnetlink.RouteAttributes{OutIface: 2, Gateway: router.AsSlice(), Table: unix.RT_TABLE_MAIN}})
	if err := d.host.table.SetRoutes([]mnetlink.Message{router}); err != nil {
		t.Fatal(err)
	}
	d.addresses.manage()
	f.did(t, "route add default via", "rule add from")
	f.rules = []address.Rule{{Source: [8]byte(a1.AsSlice()[:8]), Priority: d.config.Addresses.Priority, Table: d.config.Addresses.Table + 2}}
}

// specific is the message of a route of the main table that another program has set up.
func specific(kind uint16, destination string) mnetlink.Message {
	p := netip.MustParsePrefix(destination)
	return told(kind, &rtnetlink.RouteMessage{Family: unix.AF_INET6, Table: unix.RT_TABLE_MAIN, DstLength: uint8(p.Bits()), Type: unix.RTN_UNICAST,
		Attributes: rtnetlink.RouteAttributes{Dst: p.Addr().AsSlice(), OutIface: 9, Table: unix.RT_TABLE_MAIN}})
}

// Changes of the main table are followed at once. If that took long, the next ones are followed
// later.
func TestSpecificsAreFollowed(t *testing.T) {
	d, f := withRouter(t)
	d.host.settleAt = 0
	tell(t, d, specific(unix.RTM_NEWROUTE, "2001:db8:9::/48"))
	if d.host.settleAt != 0 || d.host.specificsAt == 0 || d.host.specificsAt > d.now() {
		t.Fatalf("at %v: to be followed at %v, to settle at %v", d.now(), d.host.specificsAt, d.host.settleAt)
	}
	d.host.followSpecifics()
	f.did(t, "route add throw 2001:db8:9::/48")
	if d.host.specificsAt != 0 || d.host.restUntil == 0 {
		t.Errorf("to be followed at %v, rest until %v", d.host.specificsAt, d.host.restUntil)
	}
	d.host.restUntil = d.now() + time.Minute
	tell(t, d, specific(unix.RTM_DELROUTE, "2001:db8:9::/48"))
	if d.host.specificsAt != d.host.restUntil {
		t.Errorf("to be followed at %v, rest until %v", d.host.specificsAt, d.host.restUntil)
	}
	// Other work does that as well.
	d.addresses.manage()
	f.did(t, "route delete throw 2001:db8:9::/48")
}

// A route of ours that others remove is put back. A change that we have made ourselves causes
// no work.
func TestRoutesAreTakenAway(t *testing.T) {
	d, f := withRouter(t)
	tell(t, d, specific(unix.RTM_NEWROUTE, "2001:db8:9::/48"))
	d.host.followSpecifics()
	f.did(t, "route add throw")
	throw := address.Route{Table: d.config.Addresses.Table + 2, Metric: 1024, Destination: netip.MustParsePrefix("2001:db8:9::/48"), Throw: true}
	d.host.settleAt = 0
	tell(t, d, address.AddRoute(throw).Message())
	if d.host.settleAt != 0 {
		t.Error("our own doing is news")
	}
	tell(t, d, address.DeleteRoute(throw).Message())
	if d.host.settleAt == 0 {
		t.Error("it is not noticed")
	}
	d.addresses.manage()
	f.did(t, "route add throw 2001:db8:9::/48")
	// After an error the routes are read.
	tell(t, d, address.DeleteRoute(throw).Message())
	f.refuse = fmt.Errorf("no")
	d.addresses.manage()
	f.refuse, f.done = nil, nil
	clear(f.routes)
	d.addresses.manage()
	f.did(t, "route add throw", "route add default via")
}

// So is a rule, and if that goes on it is told, and done only now and then.
func TestRulesAreTakenAway(t *testing.T) {
	d, f, log := withContext(t)
	withRouterOf(t, d, f)
	rule := f.rules[0]
	for i := 0; d.addresses.restoreAt == 0; i++ {
		if i > 100 {
			t.Fatal("there is no end of it")
		}
		d.host.settleAt = 0
		f.rules = []address.Rule{rule}
		d.addresses.manage()
		f.did(t)
		tell(t, d, address.DeleteRule(rule).Message())
		if d.host.settleAt == 0 {
			t.Fatal("it is not noticed")
		}
		f.rules = nil
		d.addresses.manage()
		if d.addresses.restoreAt == 0 {
			f.did(t, "rule add from")
		}
	}
	f.did(t)
	if !strings.Contains(log.String(), "another program goes on to remove") {
		t.Errorf("the log says %s", log)
	}
	d.addresses.restoreAt, d.host.settleAt = d.now(), 0
	if d.addresses.Due(d.now()); d.host.settleAt == 0 || d.addresses.restoreAt != 0 {
		t.Errorf("to settle at %v, to restore at %v", d.host.settleAt, d.addresses.restoreAt)
	}
}

// Many routes are set up in several turns.
func TestManyRoutes(t *testing.T) {
	d, f := withRouter(t)
	const n = 2*mostChanges + 100
	for i := range n {
		tell(t, d, specific(unix.RTM_NEWROUTE, fmt.Sprintf("2001:db8:%x::/48", 2*i)))
	}
	for i, want := range []int{mostChanges, mostChanges, 100, 0} {
		d.host.settleAt = 0
		d.addresses.manage()
		if len(f.done) != want || (d.host.settleAt != 0) != (i < 2) {
			t.Errorf("in turn %d %d are done; to settle at %v", i, len(f.done), d.host.settleAt)
		}
		for _, s := range f.done {
			if !strings.HasPrefix(s, "route add throw 2001:db8:") {
				t.Fatalf("done is %s", s)
			}
		}
		f.done = nil
	}
}
