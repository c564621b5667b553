// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/config"
	"shim6/daemon/locator"
)

// managed is a host whose addresses are managed, with all that shim6d has set up.
type managed struct {
	*host
	config     *config.Config
	prefixes   Prefixes
	identity   *Identity
	collisions Collisions
	rules      []Rule
	routes     Routes
	labels     []netip.Addr
	routers    map[uint32][]string
	// temporaries and used are State's.
	temporaries []Temporary
	used        map[netip.Addr]bool
}

func newManaged(t *testing.T) *managed {
	return &managed{host: newHost(t), config: config.Default(), identity: one(), routes: Routes{}, routers: map[uint32][]string{}}
}

func (m *managed) plan() Plan {
	s := State{Now: m.now, Config: m.config, Table: &m.table, Identity: m.identity, Collisions: &m.collisions,
		Rules: m.rules, Routes: m.routes, Labels: m.labels}
	s.Prefixes = m.prefixes.Known(m.now, &m.table)
	m.temporaries, _ = Current(m.temporaries, m.now, m.used)
	s.Temporaries, s.Used = m.temporaries, m.used
	return s.Plan()
}

// settles does Plans, as a kernel would, until there is nothing to do. It returns the Actions
// except labels, which have TestPlanLabels.
func (m *managed) settles() []string {
	m.t.Helper()
	var done []string
	for range 4 {
		p := m.plan()
		if len(p.Actions) == 0 {
			slices.Sort(done)
			return done
		}
		for _, a := range p.Actions {
			switch a := a.(type) {
			case AddLabel:
				m.labels = append(m.labels, netip.Addr(a))
				continue
			case DeleteLabel:
				m.labels = slices.DeleteFunc(m.labels, func(b netip.Addr) bool { return b == netip.Addr(a) })
				continue
			}
			done = append(done, a.String())
			switch a := a.(type) {
			case AddRule:
				m.rules = append(m.rules, Rule(a))
			case DeleteRule:
				i := slices.Index(m.rules, Rule(a))
				m.rules = slices.Delete(m.rules, i, i+1)
			case AddRoute:
				m.routes[Route(a)] = struct{}{}
			case DeleteRoute:
				delete(m.routes, Route(a))
			default:
				m.apply(a.Message())
			}
		}
	}
	m.t.Fatalf("it does not come to rest: %q", done)
	return nil
}

func (m *managed) does(want ...string) {
	m.t.Helper()
	slices.Sort(want)
	if got := m.settles(); !slices.Equal(got, want) {
		m.t.Fatalf("after %v: done is\n%q, wanted\n%q", m.now, got, want)
	}
}

// router adds a default route to the main table, or to another one.
func (m *managed) router(index uint32, table uint8, gateways ...string) {
	m.t.Helper()
	m.routers[index] = gateways
	var all []netlink.Message
	for i, list := range m.routers {
		for _, g := range list {
			b := []byte{unix.AF_INET6, 0, 0, 0, table, 9, 0, unix.RTN_UNICAST, 0, 0, 0, 0}
			b = append(b, attributes(func(e *netlink.AttributeEncoder) {
				e.Uint32(unix.RTA_OIF, i)
				e.Uint32(unix.RTA_TABLE, uint32(table))
				e.Bytes(unix.RTA_GATEWAY, netip.MustParseAddr(g).AsSlice())
			})...)
			all = append(all, netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWROUTE}, Data: b})
		}
	}
	if err := m.table.SetRoutes(all); err != nil {
		m.t.Fatal(err)
	}
}

func set(a netip.Addr, index uint32, valid, preferred int) string {
	return fmt.Sprintf("address replace %v/64 dev %d valid_lft %d preferred_lft %d", a, index, valid, preferred)
}

func unset(a netip.Addr, index uint32) string {
	return fmt.Sprintf("address delete %v/64 dev %d", a, index)
}

// ruleOf is the rule of a prefix, to be added or deleted.
func ruleOf(verb string, p cga.SubnetPrefix, index int) string {
	return fmt.Sprintf("rule %s from %v lookup %d priority 32765", verb, p, 14000+index)
}

func (m *managed) both() (x, y netip.Addr) {
	m.t.Helper()
	return addressIn(m.t, m.identity, p1).Addr, addressIn(m.t, m.identity, p2).Addr
}

// A ULID that is kept on a link because lo has no IPv6 may be wanted on that very link. The kernel
// would leave its prefix length as it is.
func TestPlanKept(t *testing.T) {
	m := newManaged(t)
	x, _ := m.both()
	m.address(up1, a1, 0, 1800, 3600)
	m.settles()
	m.apply(DeleteAddress{Index: up1, Address: x, Bits: 64}.Message())
	m.apply(SetAddress{Index: up1, Address: x, Bits: 128, Valid: 3600}.Message())
	m.does(fmt.Sprintf("address delete %v/128 dev %d", x, up1), set(x, up1, 3600, 1800))
	m.does()
}

// Lifetimes follow those of Router Advertisements. Addresses of others stay as they are.
func TestPlanLifetimes(t *testing.T) {
	m := newManaged(t)
	x, y := m.both()
	m.address(up2, netip.MustParseAddr("2001:db8:9::9"), 0, Infinite, Infinite)
	m.does()
	m.address(up1, a1, 0, 1800, 3600)
	m.address(up2, a2, 0, 1800, 3600)
	m.does(set(x, up1, 3600, 1800), set(y, up2, 3600, 1800))
	// A difference of a second does not matter, a minute does.
	m.now += time.Second
	m.address(up1, a1, 0, 1800, 3600)
	m.does()
	m.now += time.Minute
	m.address(up1, a1, 0, 1800, 3600)
	m.does(set(x, up1, 3600, 1800))
	// The prefix is withdrawn: the address is deprecated at once. Further Router
	// Advertisements change nothing.
	m.address(up1, a1, 0, 0, 3600)
	m.does(set(x, up1, 3600, 0))
	m.now += time.Minute
	m.address(up1, a1, 0, 0, 3540)
	m.does()
	// The prefix is back.
	m.address(up1, a1, 0, 1800, 3600)
	m.does(set(x, up1, 3600, 1800))
	// Its lifetimes do not end.
	m.address(up1, a1, 0, Infinite, Infinite)
	m.prefixes.Apply(m.now, announcement(up1, p1, autoconf, Infinite, Infinite))
	m.does(set(x, up1, Infinite, Infinite))
}

// The prefix is not valid any more. The kernel removes both addresses, in any order.
func TestPlanExpiry(t *testing.T) {
	m := newManaged(t)
	x, _ := m.both()
	m.address(up1, a1, 0, 1800, 3600)
	m.does(set(x, up1, 3600, 1800))
	m.now += 3599 * time.Second
	m.does()
	m.lost(up1, x)
	m.does()
	m.lost(up1, a1)
	m.does()
}

// After a restart no prefixes are known, and nothing is removed for that.
func TestPlanRestart(t *testing.T) {
	m := newManaged(t)
	x, _ := m.both()
	m.prefixes.Apply(m.now, announcement(up1, p1, autoconf, 1800, 3600))
	m.does(set(x, up1, 3600, 1800))
	m.prefixes = Prefixes{}
	m.does()
	m.now += time.Minute
	m.prefixes.Apply(m.now, announcement(up1, p1, autoconf, 1800, 3600))
	m.does(set(x, up1, 3600, 1800))
}

// The state was lost, and there is another identity: the addresses of the old one are removed.
func TestPlanAnotherIdentity(t *testing.T) {
	m := newManaged(t)
	x, _ := m.both()
	m.address(up1, a1, 0, 1800, 3600)
	m.does(set(x, up1, 3600, 1800))
	m.identity = nil
	m.does(unset(x, up1))
	if p := m.plan(); !slices.Equal(p.Missing, []cga.SubnetPrefix{p1}) {
		t.Errorf("missing is %v", p.Missing)
	}
	m.identity = extended(one(), p1)
	z := addressIn(t, m.identity, p1).Addr
	if z == x {
		t.Fatal("the newest set does not count")
	}
	m.does(set(z, up1, 3600, 1800))
}

// Renumbering: a new prefix lacks an address until one is made; the old one stays.
func TestPlanRenumbering(t *testing.T) {
	m := newManaged(t)
	x, _ := m.both()
	m.address(up1, a1, 0, 1800, 3600)
	m.does(set(x, up1, 3600, 1800))
	a3 := netip.MustParseAddr("2001:db8:3::a")
	m.address(up1, a3, 0, 1800, 3600)
	m.address(up1, a1, 0, 0, 3600)
	m.does(set(x, up1, 3600, 0))
	if p := m.plan(); !slices.Equal(p.Missing, []cga.SubnetPrefix{p3}) {
		t.Fatalf("missing is %v", p.Missing)
	}
	m.identity = extended(m.identity, p3)
	m.does(set(addressIn(t, m.identity, p3).Addr, up1, 3600, 1800))
	if p := m.plan(); p.Missing != nil {
		t.Errorf("missing is %v", p.Missing)
	}
}

// More prefixes come and go on one link than there is room for. On the other link the first
// prefix stays, and so does its address, even if no router has announced it since a restart.
func TestPlanPrefixesComeAndGo(t *testing.T) {
	m := newManaged(t)
	x, _ := m.both()
	m.prefixes.Apply(m.now, announcement(up1, p1, autoconf, Infinite, Infinite))
	m.does(set(x, up1, Infinite, Infinite))
	first := m.identity.Sets[0]
	for n := range maxSets + 6 {
		if n == maxSets+3 {
			m.prefixes = Prefixes{}
		}
		p := numbered(n)
		m.prefixes.Apply(m.now, announcement(up2, p, autoconf, 60, 60))
		missing := m.plan().Missing
		if !slices.Equal(missing, []cga.SubnetPrefix{p}) {
			t.Fatalf("missing is %v", missing)
		}
		next, err := m.identity.Extend(context.Background(), rand.Reader, missing, InUse(m.prefixes.Known(m.now, &m.table), &m.table))
		if err != nil {
			t.Fatal(err)
		}
		m.identity = next
		a := addressIn(t, next, p).Addr
		m.does(set(a, up2, 60, 60))
		m.now += time.Minute
		m.lost(up2, a)
		m.does()
	}
	if !slices.Equal(m.identity.Sets[0], first) || addressIn(t, m.identity, p1).Addr != x {
		t.Error("the first set is gone")
	}
	if len(m.identity.Sets) != maxSets {
		t.Errorf("%d sets", len(m.identity.Sets))
	}
	if _, _, ok := m.identity.Address(numbered(6)); ok {
		t.Error("the oldest that is not in use is there")
	}
	addressIn(t, m.identity, numbered(7))
}

// After a flood of prefixes a link has as many as it may have. Prefixes that were there before
// keep their addresses, whatever their order.
func TestPlanFlood(t *testing.T) {
	m := newManaged(t)
	p, a := numbered(2000), netip.MustParseAddr("2001:db8:ffff:7d0::a")
	m.identity = extended(one(), p)
	x, _ := m.both()
	y := addressIn(t, m.identity, p).Addr
	m.prefixes.Apply(m.now, announcement(up1, p1, autoconf, 1800, 3600))
	m.prefixes.Apply(m.now, announcement(up2, p, autoconf, 1800, 3600))
	m.does(set(x, up1, 3600, 1800), set(y, up2, 3600, 1800))
	flood := func() {
		for n := range 1000 {
			m.prefixes.Apply(m.now, announcement(up2, numbered(n), autoconf, Infinite, Infinite))
		}
	}
	flood()
	if missing := m.plan().Missing; len(missing) != MaxPrefixes-1 {
		t.Errorf("%d prefixes are to get an address", len(missing))
	}
	m.identity = extended(m.identity, m.plan().Missing...)
	if done := m.settles(); len(done) != MaxPrefixes-1 || slices.Contains(done, unset(y, up2)) {
		t.Errorf("done is %q", done)
	}
	// It is renewed as before.
	m.now += time.Minute
	m.prefixes.Apply(m.now, announcement(up1, p1, autoconf, 1800, 3600))
	m.prefixes.Apply(m.now, announcement(up2, p, autoconf, 1800, 3600))
	m.does(set(x, up1, 3600, 1800), set(y, up2, 3600, 1800))
	// After a restart, another program makes addresses for everything that is announced.
	m.prefixes = Prefixes{}
	m.address(up2, a, 0, 1800, 3600)
	flood()
	for n := range 40 {
		b := numbered(n).Prefix().Addr().As16()
		b[15] = 0xa
		m.address(up2, netip.AddrFrom16(b), 0, 1800, 3600)
	}
	m.settles()
	known := m.prefixes.Known(m.now, &m.table)
	if len(known) != MaxPrefixes || !slices.ContainsFunc(known, func(k Prefix) bool { return k.Prefix == p }) {
		t.Errorf("known is %v", known)
	}
	if m.plan().Missing != nil {
		t.Error("others have come in the place of those that have addresses")
	}
}

// The kernel removes a duplicate that has a lifetime, and keeps one that has none. Neither is
// tried again until there is another address.
func TestPlanDuplicate(t *testing.T) {
	for _, removed := range []bool{true, false} {
		m := newManaged(t)
		x, y := m.both()
		m.address(up1, a1, 0, 1800, 3600)
		m.address(up2, a2, 0, 1800, 3600)
		m.does(set(x, up1, 3600, 1800), set(y, up2, 3600, 1800))
		failed := SetAddress{Index: up1, Address: x, Bits: 64, Flags: unix.IFA_F_DADFAILED | unix.IFA_F_TENTATIVE, Preferred: 1800, Valid: 3600}.Message()
		want := []string{unset(y, up2)}
		if removed {
			failed.Header.Type = unix.RTM_DELADDR
			m.collisions.Apply(failed)
		} else {
			want = append(want, unset(x, up1))
		}
		m.apply(failed)
		m.does()
		if p := m.plan(); !slices.Equal(p.Duplicates, []Duplicate{{-1, 0}}) {
			t.Fatalf("duplicates are %v", p.Duplicates)
		}
		next, err := m.identity.Collide(0)
		if err != nil {
			t.Fatal(err)
		}
		m.identity = next
		x, y = m.both()
		m.does(append(want, set(x, up1, 3600, 1800), set(y, up2, 3600, 1800))...)
		if p := m.plan(); p.Duplicates != nil {
			t.Errorf("duplicates are %v", p.Duplicates)
		}
	}
}

// If two links have one prefix, the address is on one of them, stays there, and moves if it
// must.
func TestPlanTwoLinks(t *testing.T) {
	m := newManaged(t)
	x, _ := m.both()
	m.address(up2, a1, 0, 1800, 3600)
	m.does(set(x, up2, 3600, 1800))
	m.address(up1, netip.MustParseAddr("2001:db8:1::b"), 0, 1800, 3600)
	m.does()
	m.down(up2)
	m.lost(up2, a1)
	m.lost(up2, x)
	m.does(set(x, up1, 3600, 1800))
	// The routers of that link do not announce it any more, and those of the other link do.
	m.up(up2)
	m.address(up2, a1, 0, 1800, 3600)
	m.does()
	m.lost(up1, netip.MustParseAddr("2001:db8:1::b"))
	m.does(unset(x, up1), set(x, up2, 3600, 1800))
}

// An address of ours that somebody else has set up is his, and so is what has the
// address of another prefix.
func TestPlanForeign(t *testing.T) {
	m := newManaged(t)
	x, _ := m.both()
	m.address(up1, a1, 0, 1800, 3600)
	m.address(up1, x, 0, Infinite, Infinite)
	m.does()
	no := false
	m.config.Addresses.Manage = &no
	m.does()
}

// If the configuration wants no locators there, no addresses are made.
func TestPlanPolicy(t *testing.T) {
	m := newManaged(t)
	x, y := m.both()
	m.address(up1, a1, 0, 1800, 3600)
	m.address(up2, a2, 0, 1800, 3600)
	m.address(up2, netip.MustParseAddr("fd00::a"), 0, 1800, 3600)
	no := false
	m.config.Interfaces = []config.Interface{{Name: "up1", Use: &no}}
	m.does(set(y, up2, 3600, 1800))
	if p := m.plan(); p.Missing != nil {
		t.Errorf("missing is %v", p.Missing)
	}
	m.config.Interfaces = nil
	m.config.Locators.Deny = []netip.Prefix{p2.Prefix()}
	m.does(set(x, up1, 3600, 1800))
}

// Rules and routes come with a prefix and a router, and go with them.
func TestPlanRouting(t *testing.T) {
	m := newManaged(t)
	x, y := m.both()
	m.address(up1, a1, 0, 1800, 3600)
	m.address(up2, a2, 0, 1800, 3600)
	m.does(set(x, up1, 3600, 1800), set(y, up2, 3600, 1800))
	m.router(up1, unix.RT_TABLE_MAIN, "fe80::1")
	r1, r2 := "default via fe80::1 dev 2 table 14002 metric 1024", "default via fe80::2 dev 3 table 14003 metric 1024"
	m.does(ruleOf("add", p1, up1), "route add "+r1)
	m.router(up2, unix.RT_TABLE_MAIN, "fe80::2")
	m.does(ruleOf("add", p2, up2), "route add "+r2)
	// Another router comes before the first in order. The metrics are in that order.
	m.router(up2, unix.RT_TABLE_MAIN, "fe80::2", "fe80::1", "fe80::2")
	m.does("route delete "+r2, "route add default via fe80::1 dev 3 table 14003 metric 1024",
		"route add default via fe80::2 dev 3 table 14003 metric 1025")
	m.router(up2, unix.RT_TABLE_MAIN)
	m.does(ruleOf("delete", p2, up2), "route delete default via fe80::1 dev 3 table 14003 metric 1024",
		"route delete default via fe80::2 dev 3 table 14003 metric 1025")
	// The link goes down; the kernel has removed the route.
	m.down(up1)
	m.lost(up1, a1)
	m.lost(up1, x)
	clear(m.routes)
	m.router(up1, unix.RT_TABLE_MAIN)
	m.does(ruleOf("delete", p1, up1))
}

// Rules and routes that others have removed are put back, and duplicates are removed.
func TestPlanRepair(t *testing.T) {
	m := newManaged(t)
	m.address(up1, a1, 0, 1800, 3600)
	m.router(up1, unix.RT_TABLE_MAIN, "fe80::1")
	m.settles()
	m.does()
	m.address(up2, a2, 0, 1800, 3600)
	m.router(up2, unix.RT_TABLE_MAIN, "fe80::2")
	m.settles()
	lost := m.rules[0]
	m.rules = append(m.rules[1:], m.rules[1])
	m.does("rule add "+lost.String(), "rule delete "+m.rules[0].String())
}

// Routers of other tables do not matter.
func TestPlanOtherTables(t *testing.T) {
	m := newManaged(t)
	x, _ := m.both()
	m.address(up1, a1, 0, 1800, 3600)
	m.router(up1, 77, "fe80::1")
	m.does(set(x, up1, 3600, 1800))
}

// The configuration can have everything of ours removed, except addresses that are kept for
// contexts. Flush removes those as well.
func TestPlanOff(t *testing.T) {
	m := newManaged(t)
	x, _ := m.both()
	m.address(up1, a1, 0, 1800, 3600)
	m.router(up1, unix.RT_TABLE_MAIN, "fe80::1")
	m.settles()
	keep := SetAddress{Index: lo, Address: a2, Bits: hostBits, Valid: 100}
	m.apply(keep.Message())
	s := State{Table: &m.table, Rules: m.rules, Routes: m.routes, Labels: m.labels}
	route := "route delete default via fe80::1 dev 2 table 14002 metric 1024"
	want := []string{ruleOf("delete", p1, up1), route, unset(x, up1), "address delete 2001:db8:2::a/128 dev 1",
		"addrlabel delete prefix 2001:db8:1::a/128 label 5533"}
	slices.Sort(want)
	var flush []string
	for _, a := range s.Flush() {
		flush = append(flush, a.String())
	}
	slices.Sort(flush)
	if !slices.Equal(flush, want) {
		t.Errorf("flushed is %q, wanted %q", flush, want)
	}
	no := false
	m.config.Addresses.Manage = &no
	m.does(ruleOf("delete", p1, up1), route, unset(x, up1))
	if len(m.labels) > 0 {
		t.Errorf("labels %v are left", m.labels)
	}
}

// Rules and routes are read as they are written. Those of others are not ours.
func TestParse(t *testing.T) {
	for _, r := range []Rule{{Source: p1, Priority: 32000, Table: 254, Specific: true}, {Source: p2, Priority: 1, Table: 70000, Unbound: true}} {
		m := AddRule(r).Message()
		if got, ok := parseRule(m); !ok || got != r {
			t.Errorf("%v is read as %v, %v", r, got, ok)
		}
		if _, ok := parseRule(foreign(m)); ok {
			t.Errorf("%v of another protocol is ours", r)
		}
	}
	for _, r := range []Route{
		{Table: 14002, Index: up1, Router: netip.MustParseAddr("fe80::1"), Metric: 1024},
		{Table: 300, Index: up2, Metric: 1},
		{Table: 14002, Index: up1, Router: netip.MustParseAddr("2001:db8::1"), Metric: 1025, Destination: netip.MustParsePrefix("2001:db8:9::/48")},
		{Table: 14002, Metric: 1024, Destination: netip.MustParsePrefix("fe80::/64"), Throw: true},
	} {
		m := AddRoute(r).Message()
		if got, ok := parseRoute(m); !ok || got != r {
			t.Errorf("%v is read as %v, %v", r, got, ok)
		}
		m.Data[5] = 9
		if _, ok := parseRoute(m); ok {
			t.Errorf("%v of another protocol is ours", r)
		}
	}
}

// foreign is the message of a rule with another protocol.
func foreign(m netlink.Message) netlink.Message {
	b := slices.Clone(m.Data)
	for i := ruleHeaderLen; i < len(b); {
		if binary.NativeEndian.Uint16(b[i+2:]) == unix.FRA_PROTOCOL {
			b[i+4] = locator.Protocol + 1
		}
		i += (int(binary.NativeEndian.Uint16(b[i:])) + 3) &^ 3
	}
	m.Data = b
	return m
}
